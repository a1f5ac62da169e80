"""TCP in memory behaves as TCP does, as far as protocols can see."""

from __future__ import annotations

import socket

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.testing import Loop


class Diary(Protocol):
    """Writes down what happens to its connection."""

    def __init__(self) -> None:
        self.heard = b""
        self.ending: type | None = None
        self.pauses: list[bool] = []

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        assert reason is not None
        self.ending = reason.type

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self.pauses.append(True)

    def resumeProducing(self) -> None:
        """The buffer is empty."""
        self.pauses.append(False)

    def stopProducing(self) -> None:
        """The connection is lost."""


class WireTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.loop = Loop()
        self.diary = Diary()
        self.wire = self.loop.accept(self.diary)

    def test_bytes(self) -> None:
        """Bytes pass in turns only, both ways."""
        self.wire.says(b"a", b"b")
        self.wire.write(b"c")
        self.assertEqual((self.diary.heard, self.wire.heard), (b"", b""))
        self.loop.turn()
        self.assertEqual((self.diary.heard, self.wire.heard), (b"ab", b"c"))

    def test_peerEnds(self) -> None:
        """A FIN is a clean end, after everything that came before."""
        self.wire.says(b"last")
        self.wire.ends()
        self.loop.turn()
        self.assertEqual(self.diary.heard, b"last")
        self.assertIs(self.diary.ending, ConnectionDone)

    def test_peerResets(self) -> None:
        """A RST is no clean end."""
        self.wire.breaks()
        self.loop.turn()
        self.assertIs(self.diary.ending, ConnectionLost)

    def test_pendingReset(self) -> None:
        """Who does not read can ask the socket whether the peer has reset it."""
        ask = self.wire.getHandle().getsockopt
        self.assertEqual(ask(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        self.wire.breaks()
        self.assertNotEqual(ask(socket.SOL_SOCKET, socket.SO_ERROR), 0)

    def test_close(self) -> None:
        """Closing writes what is left, then sends a FIN."""
        self.wire.write(b"bye")
        self.wire.loseConnection()
        self.loop.turn()
        self.assertEqual(self.wire.heard, b"bye")
        self.assertEqual((self.wire.fake.closed, self.wire.fake.reset), (True, False))

    def test_abort(self) -> None:
        """Aborting drops what is left and sends a RST."""
        self.wire.write(b"bye")
        self.wire.abortConnection()
        self.loop.turn()
        self.assertEqual(self.wire.heard, b"")
        self.assertTrue(self.wire.fake.reset)

    def test_pace(self) -> None:
        """A peer that takes nothing fills the buffer, and the producer is told."""
        self.wire.registerProducer(self.diary, True)
        self.wire.fake.room = 10
        self.wire.write(bytes(100_000))
        self.loop.turn()
        self.assertEqual((self.diary.pauses, len(self.wire.heard)), ([True], 10))
        self.wire.fake.room = 1 << 30
        self.loop.turn()
        self.assertEqual((self.diary.pauses, len(self.wire.heard)), ([True, False], 100_000))

    def test_pausedReading(self) -> None:
        """A paused connection leaves the peer's bytes where they are."""
        self.wire.pauseProducing()
        self.wire.says(b"later")
        self.loop.turn()
        self.assertEqual(self.diary.heard, b"")
        self.assertFalse(self.loop.isReading(self.wire))
        self.wire.resumeProducing()
        self.loop.turn()
        self.assertEqual(self.diary.heard, b"later")
