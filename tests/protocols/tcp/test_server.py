"""Tests of edgemesh/protocols/tcp/server.py."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import (
    CALLER_GONE,
    CONNECT_FAILED,
    DRAINING,
    NO_ENDPOINT,
    RATE_LIMITED,
    Refused,
)
from edgemesh.interfaces import IUpstreamWaiter
from edgemesh.invocation import Invocation
from edgemesh.protocols.mesh import Accepted, Early, handOver
from edgemesh.protocols.tcp.server import TCPServer
from tests.protocols.meshes import KEY, Bench


class Upper:
    """An inspector that makes everything loud."""

    def __init__(self, invocation: Invocation) -> None:
        self.key = invocation.asked

    def fromCaller(self, data: bytes) -> bytes:
        """Louder."""
        return data.upper()


class TCPServerTests(SynchronousTestCase):
    """An opaque caller gets an endpoint, or a reset and a reason in the log."""

    def setUp(self) -> None:
        self.make()

    def make(self, endpoints: int = 2) -> None:
        """Begin anew."""
        self.bench = Bench(endpoints)
        self.loop = self.bench.loop
        self.caller = self.loop.accept(Protocol())

    def serve(self, seen: bytes = b"", early: Early | None = None, **options: Any) -> TCPServer:
        """Hand the caller over."""
        server = TCPServer(Accepted(self.bench.mesh, KEY, False, "10.0.0.9", early), **options)
        handOver(self.caller, server, seen)
        return server

    def test_interfaces(self) -> None:
        """It is a protocol that knows half-close and waits for a connection."""
        server = self.serve()
        for interface in (IProtocol, IHalfCloseableProtocol, IUpstreamWaiter):
            self.assertTrue(verifyObject(interface, server))

    def test_relayed(self) -> None:
        """What the caller said before the endpoint was there is not lost."""
        server = self.serve(b"seen ")
        self.caller.says(b"later")
        self.loop.turn()
        self.assertFalse(self.loop.isReading(self.caller))
        self.assertIn("DIALLING", repr(server))
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual(endpoint.heard, b"seen later")
        [invocation] = self.bench.path.decided
        self.assertEqual((invocation.protocol, invocation.caller), ("tcp", "10.0.0.9"))

    def test_early(self) -> None:
        """A connection that is there already is used, with what it said."""
        endpoint = self.loop.accept(Protocol())
        endpoint.pauseProducing()
        early = Early(self.bench.invocation(), endpoint, b"220 hi")
        self.serve(b"word", early, protocol="redis")
        endpoint.says(b"!")
        self.loop.turn()
        self.assertEqual((self.caller.heard, endpoint.heard), (b"220 hi!", b"word"))
        self.assertEqual(self.loop.dialled, [])
        self.assertEqual(early.invocation.protocol, "redis")

    def test_inspected(self) -> None:
        """A plugin's inspector sees the caller's bytes from the first one."""
        self.serve(b"abc", protocol="redis", inspect=Upper)
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual(endpoint.heard, b"ABC")

    def test_brokenPlugin(self) -> None:
        """A plugin that cannot inspect costs its caller the connection, and the mesh nothing."""

        def broken(invocation: Invocation) -> Upper:
            raise ZeroDivisionError("a stranger's defect")

        early = Early(self.bench.invocation(), self.loop.accept(Protocol()), b"")
        self.serve(b"abc", early, inspect=broken)
        self.loop.turn()
        dialled, self.caller = self.caller, self.loop.accept(Protocol())
        self.serve(b"abc", inspect=broken)
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        for transport in (early.transport, dialled, endpoint, self.caller):
            self.assertTrue(transport.fake.reset)
        self.assertEqual((self.bench.path.reasons, self.bench.mesh.live), (["IE", "IE"], {}))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_refused(self) -> None:
        """A refused caller is reset at once; nothing is dialled."""
        self.bench.path.refusals = [Refused(RATE_LIMITED)]
        self.serve(b"abc")
        self.loop.turn()
        self.assertTrue(self.caller.fake.reset)
        self.assertEqual((self.loop.dialled, self.bench.path.reasons), ([], ["RL"]))
        self.assertEqual(self.bench.mesh.live, {})

    def test_secondEndpoint(self) -> None:
        """When an endpoint cannot be reached another one gets the caller's bytes."""
        self.serve(b"abc")
        self.loop.dialled[0].fail()
        self.assertEqual(self.loop.dialled[1].host, "10.1.0.2")
        endpoint = self.loop.dialled[1].succeed()
        self.loop.turn()
        self.assertEqual(endpoint.heard, b"abc")
        [attempt] = self.bench.path.attempts
        self.assertIs(attempt.failure, CONNECT_FAILED)

    def test_onlyOnce(self) -> None:
        """A second failure is the end."""
        self.serve(b"abc")
        self.loop.dialled[0].fail()
        self.loop.dialled[1].fail()
        self.loop.turn()
        self.assertTrue(self.caller.fake.reset)
        self.assertEqual((len(self.loop.dialled), self.bench.path.reasons), (2, ["UF"]))

    def test_nobodyElse(self) -> None:
        """Without a second endpoint the first failure is the reason."""
        self.make(endpoints=1)
        self.serve()
        self.loop.dialled[0].fail()
        self.assertIs(self.bench.failureOf(), CONNECT_FAILED)
        self.assertIsNot(self.bench.failureOf(), NO_ENDPOINT)

    def test_endsWhileDialling(self) -> None:
        """A caller that ends while its endpoint is dialled still gets the answer."""
        self.serve(b"q")
        self.caller.ends()
        self.caller.resumeProducing()
        self.loop.turn()
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (b"q", True))
        endpoint.says(b"a")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual((self.caller.heard, self.bench.path.reasons), (b"a", [""]))

    def test_goneWhileDialling(self) -> None:
        """A caller that is gone leaves no connection behind."""
        self.serve()
        self.caller.breaks()
        self.caller.resumeProducing()
        self.loop.turn()
        self.assertIs(self.bench.failureOf(), CALLER_GONE)
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertTrue(endpoint.fake.reset)
        self.assertEqual(len(self.bench.path.finished), 1)

    def test_abort(self) -> None:
        """A shutdown ends the dial as well, once."""
        server = self.serve()
        server.drain()
        self.assertFalse(self.caller.fake.closed)
        server.abort()
        self.loop.dialled[0].fail()
        self.loop.turn()
        self.assertIs(self.bench.failureOf(), DRAINING)
        self.assertEqual((len(self.bench.path.finished), self.bench.mesh.live), (1, {}))
