"""A connection of HTTP as a producer, by itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.protocols.http.pacing import Paced


class Counting(StringTransport):
    """A transport that counts how often it is told to hold or go on."""

    told = 0

    def pauseProducing(self) -> None:
        self.told += 1
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self.told += 1
        super().resumeProducing()


class PacedTests(SynchronousTestCase):
    """Hold, and go on."""

    def setUp(self) -> None:
        self.transport = Counting()
        self.paced = Paced()
        self.paced.makeConnection(self.transport)

    def test_interface(self) -> None:
        """The transport may tell it to wait, for as long as the connection lives."""
        verifyObject(IPushProducer, self.paced)
        self.assertIs(self.transport.producer, self.paced)
        self.assertTrue(self.transport.streaming)

    @given(st.lists(st.booleans(), max_size=20))
    @settings(max_examples=30, derandomize=True)
    def test_told(self, holds: list[bool]) -> None:
        """However often it is asked, the transport hears of changes only; the last one counts."""
        self.setUp()
        held, changes = False, 0
        for hold in holds:
            changes += hold is not held
            held = hold
            (self.paced.pause if hold else self.paced.resume)()
        self.assertEqual(self.transport.told, changes)
        self.assertEqual(self.transport.producerState, "paused" if held else "producing")

    def test_bufferHoldsNothing(self) -> None:
        """That its own buffer is full does not stop its reading: others have to wait."""
        self.paced.pauseProducing()
        self.paced.resumeProducing()
        self.assertEqual(self.transport.told, 0)
