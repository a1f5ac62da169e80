"""Tests of edgemesh/protocols/tls/server.py."""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.protocols.mesh import Accepted, Early
from edgemesh.protocols.tls.server import TLSServer
from tests.protocols.meshes import KEY, Bench
from tests.wire.hellos import hellosOfOpenSSL

HELLO = hellosOfOpenSSL("Web.Default", ["h2"])


class TLSServerTests(SynchronousTestCase):
    """TLS goes to the service that its server name asks for, unopened."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.loop = self.bench.loop

    def call(self, asked: str = "", early: Early | None = None) -> TLSServer:
        """A caller of the proxy, or of a service."""
        server = TLSServer(Accepted(self.bench.mesh, asked, not asked, "10.0.0.9", early))
        self.caller = self.loop.accept(server)
        return server

    def test_interfaces(self) -> None:
        """It is a protocol that knows half-close."""
        for interface in (IProtocol, IHalfCloseableProtocol):
            self.assertTrue(verifyObject(interface, self.call()))

    def test_everySplit(self) -> None:
        """However the hello is cut, the name is found and every byte goes on."""
        for cut in range(1, len(HELLO), 13):
            self.setUp()
            self.call()
            self.caller.says(HELLO[:cut], HELLO[cut:], b"rest")
            self.loop.turn()
            [invocation] = self.bench.path.decided
            self.assertEqual((invocation.name, invocation.defaultPort), (b"web.default", 443))
            endpoint = self.loop.dialled[0].succeed()
            self.loop.turn()
            self.assertEqual(endpoint.heard, HELLO + b"rest")
            self.assertEqual(
                self.bench.mesh.connections.watched.keys(), self.bench.mesh.live.keys()
            )

    def test_noHello(self) -> None:
        """Where the protocol is configured, other bytes are relayed without a name."""
        self.call(KEY)
        self.caller.says(b"hello\n")
        self.loop.turn()
        [invocation] = self.bench.path.decided
        self.assertEqual((invocation.name, invocation.asked), (b"", KEY))

    def test_endsInHello(self) -> None:
        """Half a hello and an end go on as they are."""
        self.call(KEY)
        self.caller.says(HELLO[:40])
        self.caller.ends()
        self.loop.turn()
        endpoint = self.loop.dialled[0].succeed()
        # The transport has told the end once; the relay asks again.
        self.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (HELLO[:40], True))

    def test_slow(self) -> None:
        """A hello that is never finished is not waited for."""
        server = self.call()
        self.caller.says(HELLO[:40])
        self.loop.turn()
        self.assertIn("40 bytes", repr(server))
        self.bench.after(12)
        self.assertTrue(self.caller.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["HT"])
        self.assertEqual((self.bench.mesh.live, self.bench.connections.watched), ({}, {}))

    def test_goneWithEarly(self) -> None:
        """A caller that goes away gives back what was dialled for it."""
        endpoint = self.loop.accept(Protocol())
        early = Early(self.bench.invocation(), endpoint, b"")
        server = self.call(KEY, early)
        server.drain()
        self.caller.breaks()
        self.loop.turn()
        self.assertEqual(self.bench.path.released, [early.invocation])
        self.assertTrue(endpoint.fake.reset)

    def test_abort(self) -> None:
        """At shutdown it is reset."""
        self.call().abort()
        self.loop.turn()
        self.assertTrue(self.caller.fake.reset)
        self.assertEqual(self.bench.mesh.live, {})
