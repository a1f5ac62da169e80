# -*- test-case-name: tests.admin.test_server -*-
"""The admin's listener, over transports in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.pages import Pages
from edgemesh.admin.server import IDLE, AdminFactory, AdminServer
from tests.admin.nodes import Node


class BrokenPages(Pages):
    """Pages with a defect."""

    def answer(self, question: object) -> Any:
        raise RuntimeError("secret detail")


class Transport(StringTransport):
    """A transport that can be closed either way."""

    def abortConnection(self) -> None:
        self.disconnected = True


class Exchange:
    """One connection to the admin of a small node."""

    def __init__(self, pages: Pages | None = None) -> None:
        self.clock = MemoryReactorClock()
        factory = AdminFactory(pages or Pages(Node().view), self.clock)
        factory.doStart()
        self.timersAtStart = len(self.clock.getDelayedCalls())
        self.transport = Transport()
        self.protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5))
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> tuple[bytes, bytes]:
        """Send something; return head and body of what came back."""
        self.transport.clear()
        self.protocol.dataReceived(data)
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        return head, body


class RequestTests(SynchronousTestCase):
    """HTTP around the pages."""

    def test_get(self) -> None:
        """A page arrives with its length, its type, and nothing that lets it be kept."""
        head, body = Exchange().send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(body, b"ok\n")
        fields = head.lower().split(b"\r\n")
        self.assertIn(b"content-length: 3", fields)
        self.assertIn(b"cache-control: no-store", fields)
        self.assertIn(b"x-content-type-options: nosniff", fields)

    def test_noBanner(self) -> None:
        """Nobody learns which versions run here from a header."""
        head, _ = Exchange().send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertNotIn(b"server:", head.lower())
        self.assertNotIn(b"twisted", head.lower())

    def test_head(self) -> None:
        """HEAD gets the head that GET gets, and no body."""
        head, body = Exchange().send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"content-length: 3", head.lower())
        self.assertEqual(body, b"")

    def test_query(self) -> None:
        """Parameters may be escaped; the first of a name counts."""
        exchange = Exchange()
        head, body = exchange.send(
            b"GET /chain?service=web%2Edefault&service=x HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), body)
        _, body = exchange.send(b"GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"[+]metadata ok", body)

    def test_foreignHost(self) -> None:
        """The Host header decides, and is taken from the request as it came."""
        head, _ = Exchange().send(b"GET /services HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 403 "))

    def test_postForgotten(self) -> None:
        """A body, however long, is refused and not kept; the connection goes on."""
        exchange = Exchange()
        request = b"POST /services HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n"
        head, _ = exchange.send(request + b"x" * 300_000)
        self.assertTrue(head.startswith(b"HTTP/1.1 405 "))
        self.assertIn(b"allow: get, head", head.lower())
        head, _ = exchange.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "))

    def test_noLog(self) -> None:
        """The admin's own requests are not written to the node's log, nor prepared for it."""
        exchange = Exchange()
        self.assertEqual(exchange.timersAtStart, 0)
        logged: list[object] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        exchange.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(logged, [])

    def test_star(self) -> None:
        """``OPTIONS *`` is not a page."""
        head, _ = Exchange().send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 404 "))
        self.assertNotIn(b"server:", head.lower())

    def test_defect(self) -> None:
        """A defect of ours is in our log, and not shown to who asked."""
        exchange = Exchange(BrokenPages(Node().view))
        head, body = exchange.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 500 "))
        self.assertNotIn(b"secret", body)
        self.assertNotIn(b"Traceback", body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_everySplit(self) -> None:
        """A request is understood wherever the network cuts it."""
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for cut in range(1, len(request)):
            exchange = Exchange()
            exchange.protocol.dataReceived(request[:cut])
            _, body = exchange.send(request[cut:])
            self.assertEqual(body, b"ok\n", cut)

    def test_idle(self) -> None:
        """A connection that does nothing is closed."""
        exchange = Exchange()
        exchange.clock.advance(IDLE + 1)
        self.assertTrue(exchange.transport.disconnecting)


class PortTaken:
    """A place to listen at that somebody else has."""

    def listen(self, factory: object) -> Deferred[Any]:
        failed: Deferred[Any] = Deferred()
        failed.errback(CannotListenError("127.0.0.1", 15000, OSError("in use")))
        return failed


class AdminServerTests(SynchronousTestCase):
    """The admin as part of the tree of services."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        endpoint = TCP4ServerEndpoint(self.reactor, 15000, interface="127.0.0.1")
        self.admin = AdminServer(endpoint, Node().view, self.reactor)

    def test_nothingBefore(self) -> None:
        """Nothing is opened before the node starts."""
        self.assertEqual((self.reactor.tcpServers, self.admin.address), ([], None))

    def test_listens(self) -> None:
        """It listens where it was told to."""
        self.admin.startService()
        ((port, _, _, interface),) = self.reactor.tcpServers
        self.assertEqual((port, interface), (15000, "127.0.0.1"))
        self.assertIsNotNone(self.admin.address)
        self.successResultOf(self.admin.stopService())

    def test_quiet(self) -> None:
        """Starting does not fill the log with the names of factories."""
        self.admin.startService()
        ((_, factory, _, _),) = self.reactor.tcpServers
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        factory.doStart()
        factory.doStop()
        self.assertEqual(events, [])
        self.successResultOf(self.admin.stopService())

    def test_portTaken(self) -> None:
        """When the port is taken the node does not start half."""
        admin = AdminServer(PortTaken(), Node().view, self.reactor)
        self.assertRaises(CannotListenError, admin.startService)
        self.assertFalse(admin.running)

    def test_stop(self) -> None:
        """Stopping closes the port and every open connection."""
        self.admin.startService()
        factory = self.reactor.tcpServers[0][1]
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5))
        transport = Transport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"200 OK", transport.value())
        self.successResultOf(self.admin.stopService())
        self.assertTrue(transport.disconnecting)
        self.assertIsNone(self.admin.address)
        self.assertEqual(self.admin.name, "admin")
