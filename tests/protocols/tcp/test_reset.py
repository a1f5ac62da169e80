"""Tests of edgemesh/protocols/tcp/reset.py."""

from __future__ import annotations

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.tcp.reset import resetWhenFlushed
from edgemesh.testing.memory import Loop


class ResetWhenFlushedTests(SynchronousTestCase):
    """A reset does not overtake the bytes before it."""

    def setUp(self) -> None:
        self.loop = Loop()
        self.wire = self.loop.accept(Protocol())

    def test_flushed(self) -> None:
        """What waits goes out first, however slowly."""
        self.wire.fake.room = 3
        self.wire.write(b"words")
        resetWhenFlushed(self.wire)
        self.loop.turn()
        self.assertFalse(self.wire.fake.reset)
        self.wire.fake.room = 3
        self.loop.turn()
        self.assertEqual((self.wire.heard, self.wire.fake.reset), (b"words", True))

    def test_nothingWaits(self) -> None:
        """With nothing to send the reset comes at once."""
        resetWhenFlushed(self.wire)
        self.loop.turn()
        self.assertTrue(self.wire.fake.reset)

    def test_goneMeanwhile(self) -> None:
        """A peer that goes first leaves nothing to do."""
        self.wire.fake.room = 0
        self.wire.write(b"words")
        resetWhenFlushed(self.wire)
        self.wire.breaks()
        self.loop.turn()
        self.assertTrue(self.wire.fake.closed)
