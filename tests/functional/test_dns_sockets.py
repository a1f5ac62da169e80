"""A UDP socket for one question, between two sockets of the loopback."""

from __future__ import annotations

import socket

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.addresses import Address
from edgemesh.dns.datagrams import AskingSocket, openAsking
from tests.dns.net import Readers


class SocketTests(SynchronousTestCase):
    """What it passes on, and when it is closed."""

    host = "127.0.0.1"
    family = socket.AF_INET

    def setUp(self) -> None:
        if not self.hasFamily():
            self.skipTest("this machine has no such version of IP")
        self.told: list[bytes | None] = []
        self.reactor = Readers()
        self.server = socket.socket(self.family, socket.SOCK_DGRAM)
        self.server.bind((self.host, 0))
        self.server.settimeout(5)
        self.addCleanup(self.server.close)
        self.asking = self.open()
        self.addCleanup(self.asking.close)

    def hasFamily(self) -> bool:
        """Whether the loopback has an address of this version."""
        try:
            with socket.socket(self.family, socket.SOCK_DGRAM) as probe:
                probe.bind((self.host, 0))
        except OSError:
            return False
        return True

    def open(self, port: int = 0) -> AskingSocket:
        """A socket to the server."""
        server = Address(self.host, self.server.getsockname()[1])
        return openAsking(self.reactor, server, port, self)

    def received(self, datagram: bytes) -> None:
        self.told.append(datagram)

    def refused(self) -> None:
        self.told.append(None)

    def test_bothWays(self) -> None:
        """What is sent arrives, and all that comes back is told; with nothing there, nothing."""
        self.asking.send(b"ask")
        data, caller = self.server.recvfrom(100)
        for answer in (b"one", b"two"):
            self.server.sendto(answer, caller)
        self.asking.doRead()
        self.asking.doRead()
        self.assertEqual((data, self.told), (b"ask", [b"one", b"two"]))

    def test_othersDropped(self) -> None:
        """What does not come from the server's address is never seen."""
        self.asking.send(b"ask")
        _, caller = self.server.recvfrom(100)
        with socket.socket(self.family, socket.SOCK_DGRAM) as other:
            other.bind((self.host, 0))
            other.sendto(b"forged", caller)
        self.asking.doRead()
        self.assertEqual(self.told, [])

    def test_refused(self) -> None:
        """When nobody is there that is told once, and the socket closed."""
        self.server.close()
        self.asking.send(b"ask")
        self.asking.doRead()
        self.asking.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.told, self.reactor.watched, self.asking.fileno()), ([None], [], -1))

    def test_portTaken(self) -> None:
        """A port that is taken is an error, and leaves nothing open."""
        with socket.socket(self.family, socket.SOCK_DGRAM) as other:
            other.bind((self.host, 0))
            self.assertRaises(OSError, self.open, other.getsockname()[1])
        self.assertEqual(self.reactor.watched, [self.asking])


class SixTests(SocketTests):
    """The same with IPv6."""

    host = "::1"
    family = socket.AF_INET6
