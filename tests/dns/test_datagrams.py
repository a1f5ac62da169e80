"""A UDP socket for one question, as its reactor sees it."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.dns.datagrams import AskingSocket
from tests.dns.net import Readers


class Socket:
    """What the kernel would say, one after the other."""

    def __init__(self) -> None:
        self.says: list[bytes | OSError] = []
        self.sent: list[bytes] = []
        self.number = 7

    def fileno(self) -> int:
        return self.number

    def recv(self, size: int) -> bytes:
        said = self.says.pop(0) if self.says else BlockingIOError()
        if isinstance(said, OSError):
            raise said
        return said

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def close(self) -> None:
        self.number = -1


class AskingSocketTests(SynchronousTestCase):
    """What it passes on, and when it is closed."""

    def setUp(self) -> None:
        self.told: list[bytes | None] = []
        self.reactor = Readers()
        self.socket: Any = Socket()
        self.asking = AskingSocket(self.reactor, self.socket, self)

    def received(self, datagram: bytes) -> None:
        self.told.append(datagram)
        if datagram == b"enough":
            self.asking.close()

    def refused(self) -> None:
        self.told.append(None)

    def assertClosed(self) -> None:
        """Nobody watches it, and the descriptor is given back."""
        self.assertEqual((self.reactor.watched, self.asking.fileno()), ([], -1))

    def test_interface(self) -> None:
        """It is what reactors watch, from the beginning."""
        verifyObject(IReadDescriptor, self.asking)
        self.assertEqual((self.reactor.watched, self.asking.logPrefix()), ([self.asking], "dns"))

    def test_everything(self) -> None:
        """All that is there is told; with nothing there, nothing."""
        self.socket.says = [b"one", b"two", InterruptedError()]
        self.asking.doRead()
        self.asking.doRead()
        self.asking.send(b"ask")
        self.assertEqual((self.told, self.socket.sent), ([b"one", b"two"], [b"ask"]))

    def test_others(self) -> None:
        """A flood does not keep the reactor from everybody else."""
        self.socket.says = [b"x"] * 100
        self.asking.doRead()
        self.assertLess(len(self.told), 100)

    def test_refused(self) -> None:
        """When nobody is there that is told once, and the socket closed."""
        self.socket.says = [ConnectionRefusedError()]
        self.asking.doRead()
        self.asking.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.told, [None])
        self.assertClosed()

    def test_lost(self) -> None:
        """The same when the reactor finds out."""
        self.asking.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.told, [None])
        self.assertClosed()

    def test_closed(self) -> None:
        """After it was closed nothing is told, even what is there already."""
        self.socket.says = [b"late"]
        self.asking.close()
        self.asking.close()
        self.asking.doRead()
        self.assertEqual(self.told, [])
        self.assertClosed()

    def test_closedByTheAnswer(self) -> None:
        """Who has its answer closes; nothing more is read."""
        self.socket.says = [b"enough", b"more"]
        self.asking.doRead()
        self.assertEqual(self.told, [b"enough"])
        self.assertClosed()
