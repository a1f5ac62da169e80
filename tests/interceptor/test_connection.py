"""Tests of edgemesh/interceptor/connection.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import CONNECT_FAILED, NO_ENDPOINT, UPSTREAM_RESET, Refused
from edgemesh.interceptor.connection import Intercepted
from edgemesh.interceptor.recognition import Recognition
from edgemesh.protocols.grpc.plugin import GRPC
from edgemesh.protocols.http.resolver import HTTPResolver
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tcp.plugin import TCP
from edgemesh.protocols.tls.plugin import TLS
from edgemesh.testing.memory import Wire
from tests.protocols.meshes import KEY, Bench
from tests.wire.hellos import hellosOfOpenSSL


class FakeServer:
    """A server that remembers what it was given."""

    def __init__(self, accepted: Accepted) -> None:
        self.accepted = accepted
        self.data = b""
        self.lost = False

    def makeConnection(self, transport: object) -> None:
        """Nothing to do."""

    def dataReceived(self, data: bytes) -> None:
        """More of it."""
        self.data += data

    def connectionLost(self, reason: object) -> None:
        """The end."""
        self.lost = True


class FakeHTTP:
    """HTTP with a real resolver and a server that only remembers."""

    name = "http"

    def __init__(self) -> None:
        self.servers: list[FakeServer] = []

    def resolver(self) -> HTTPResolver:
        """The real one."""
        return HTTPResolver()

    def server(self, accepted: Accepted) -> FakeServer:
        """A new one."""
        self.servers.append(FakeServer(accepted))
        return self.servers[-1]


class Pool:
    """A transport client that only remembers what it adopted."""

    def __init__(self) -> None:
        self.adopted: list[object] = []

    def adopt(self, endpoint: object, transport: object) -> None:
        """One more."""
        self.adopted.append(transport)


class InterceptedTestCase(SynchronousTestCase):
    """A listener for one service, and one for proxies."""

    def setUp(self) -> None:
        self.make()

    def make(self, configured: str = "", **limits: object) -> None:
        """Begin anew."""
        self.bench = Bench(**limits)
        self.loop = self.bench.loop
        self.http = FakeHTTP()
        protocols = {"http": self.http, "grpc": GRPC, "tls": TLS, "tcp": TCP}
        self.bench.mesh.clients["http"] = self.pool = Pool()
        self.recognition = Recognition(
            self.bench.mesh, self.loop, protocols, lambda asked: configured
        )

    def call(self, asked: str = KEY) -> Wire:
        """A caller connects."""
        protocol = Intercepted(self.recognition, asked, not asked, "10.0.0.9")
        return self.loop.accept(protocol)

    def wait(self, seconds: float) -> None:
        """A little time."""
        self.loop.advance(seconds)
        self.loop.turn()

    def detected(self) -> list[str]:
        """What was recognised so far."""
        return sorted(self.bench.mesh.metrics.detection)


class CallerFirstTests(InterceptedTestCase):
    """A caller that speaks is recognised by what it says."""

    def test_http(self) -> None:
        """A prompt HTTP caller is served at once, nothing is dialled, nothing keeps waiting."""
        caller = self.call()
        caller.says(b"GET / HTTP/1.1\r\n")
        self.loop.turn()
        [server] = self.http.servers
        self.assertEqual(server.data, b"GET / HTTP/1.1\r\n")
        self.assertEqual((server.accepted.asked, server.accepted.caller), (KEY, "10.0.0.9"))
        self.assertIsNone(server.accepted.early)
        caller.says(b"more")
        self.wait(1)
        self.assertEqual(server.data[16:], b"more")
        self.assertEqual(self.loop.dialled, [])
        self.assertEqual(self.detected(), ["http"])
        self.assertEqual((self.bench.mesh.live, self.bench.connections.watched), ({}, {}))

    def test_byteByByte(self) -> None:
        """A caller whose bytes dribble in is recognised as well."""
        caller = self.call()
        for octet in b"POST /x HTTP/1.1\n":
            caller.says(bytes([octet]))
            self.wait(0.1)
        self.assertEqual(self.http.servers[0].data, b"POST /x HTTP/1.1\n")

    def test_opaque(self) -> None:
        """An unknown protocol is relayed with nothing lost."""
        caller = self.call()
        caller.says(b"\x10\x0cMQTT")
        self.loop.turn()
        self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual(self.loop.wires[-1].heard, b"\x10\x0cMQTT")

    def test_tls(self) -> None:
        """TLS is relayed by its server name."""
        caller = self.call("")
        caller.says(hellosOfOpenSSL("B.default", []))
        self.loop.turn()
        [invocation] = self.bench.path.decided
        self.assertEqual(
            (invocation.protocol, invocation.name, invocation.defaultPort),
            ("tls", b"b.default", 443),
        )

    def test_quiet(self) -> None:
        """A caller that wrote a word without a line end waits 40 ms, not for ever."""
        caller = self.call()
        caller.says(b"ruok")
        self.loop.turn()
        self.wait(0.039)
        self.assertEqual(self.detected(), [])
        self.wait(0.002)
        self.assertEqual(self.detected(), ["tcp"])

    def test_timeout(self) -> None:
        """Half a request line that never goes on is given to HTTP in the end, and counted."""
        self.call().says(b"GE")
        self.wait(0.01)
        self.bench.after(9)
        self.assertEqual(self.http.servers, [])
        self.bench.after(3)
        self.assertEqual(self.http.servers[0].data, b"GE")
        self.assertEqual(self.bench.mesh.metrics.detectTimeouts, 1)

    def test_limit(self) -> None:
        """Bytes that stay in doubt are looked at up to a limit."""
        self.make(sniff=64)
        caller = self.call()
        caller.says(b"GET /" + b"a" * 40)
        self.loop.turn()
        self.assertEqual(self.http.servers, [])
        caller.says(b"a" * 40)
        self.loop.turn()
        self.assertEqual(len(self.http.servers[0].data), 85)

    def test_proxyOpaque(self) -> None:
        """On the proxy an opaque protocol has no destination: the caller is reset."""
        self.bench.path.refusals = [Refused(NO_ENDPOINT)]
        caller = self.call("")
        caller.says(b"*1\r\n")
        self.loop.turn()
        self.assertTrue(caller.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["NE"])

    def test_endsInDoubt(self) -> None:
        """A caller that ends in the middle of a word is relayed, its end included."""
        caller = self.call()
        caller.says(b"ruok")
        caller.ends()
        self.loop.turn()
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (b"ruok", True))
        endpoint.says(b"imok")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual(caller.heard, b"imok")
        self.assertEqual(self.bench.path.reasons, [""])

    def test_httpEndsInDoubt(self) -> None:
        """A server that knows no half-close learns that the caller is gone."""
        caller = self.call()
        caller.says(b"GET")
        caller.ends()
        self.loop.turn()
        self.assertTrue(self.http.servers[0].lost)

    def test_configured(self) -> None:
        """A configured protocol is served without a look at the bytes, and without delay."""
        self.make("tcp")
        self.call()
        self.assertEqual(len(self.loop.dialled), 1)
        self.assertEqual(self.detected(), [])

    def test_configuredUnknown(self) -> None:
        """A configured protocol that is none of ours is recognised as usual."""
        self.make("https")
        self.call().says(b"GET / HTTP/1.1\n")
        self.loop.turn()
        self.assertEqual(len(self.http.servers), 1)


class ServerFirstTests(InterceptedTestCase):
    """A caller that waits for the server to speak does not wait for us."""

    def silent(self) -> Wire:
        """A caller that has said nothing for 20 ms."""
        caller = self.call()
        self.wait(0.021)
        return caller

    def test_greeting(self) -> None:
        """The greeting is there as soon as the endpoint, dialled after 20 ms, has sent it."""
        caller = self.call()
        self.wait(0.019)
        self.assertEqual(self.loop.dialled, [])
        self.wait(0.002)
        endpoint = self.loop.dialled[0].succeed()
        endpoint.says(b"220 hi\r\n")
        self.loop.turn()
        self.assertEqual(caller.heard, b"220 hi\r\n")
        caller.says(b"EHLO x\r\n")
        self.loop.turn()
        self.assertEqual(endpoint.heard, b"EHLO x\r\n")
        self.assertEqual(self.detected(), ["tcp"])
        self.assertEqual(len(self.bench.path.greeted), 1)

    def test_lateHTTP(self) -> None:
        """A caller that thinks for five seconds and then speaks HTTP is still recognised."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        self.bench.after(5)
        caller.says(b"GET / HT")
        self.wait(0.1)
        caller.says(b"TP/1.1\r\n")
        self.loop.turn()
        [server] = self.http.servers
        early = server.accepted.early
        assert early is not None
        self.assertIs(early.transport, endpoint)
        self.assertEqual((early.invocation, early.said), (self.bench.path.decided[0], b""))
        self.assertFalse(self.loop.isReading(endpoint))
        self.assertEqual(self.bench.path.finished, [])

    def test_lateOpaque(self) -> None:
        """A slow opaque caller goes on over the connection that is there."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        caller.says(b"PING\r\n")
        self.loop.turn()
        self.assertEqual(endpoint.heard, b"PING\r\n")
        self.assertEqual(len(self.loop.dialled), 1)

    def test_bothInDoubt(self) -> None:
        """When the endpoint speaks into a caller's half word, bytes of both are relayed."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        caller.says(b"GE")
        self.loop.turn()
        endpoint.says(b"220\r\n")
        self.loop.turn()
        self.assertEqual((caller.heard, endpoint.heard), (b"220\r\n", b"GE"))

    def test_recognisedWhileDialling(self) -> None:
        """A dial that was overtaken is given to the pool of the protocol that was found."""
        caller = self.silent()
        caller.says(b"GET / HTTP/1.1\n")
        self.loop.turn()
        self.assertIsNone(self.http.servers[0].accepted.early)
        self.assertEqual(self.bench.path.released, self.bench.path.decided)
        endpoint = self.loop.dialled[0].succeed()
        self.assertEqual(self.pool.adopted, [endpoint])

    def test_opaqueWhileDialling(self) -> None:
        """An opaque caller's dial that is under way is its own: the app sees one connection."""
        caller = self.silent()
        caller.says(b"PING\r\n")
        caller.ends()
        self.loop.turn()
        [connection] = self.bench.mesh.live
        connection.drain()
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (b"PING\r\n", True))
        endpoint.says(b"PONG")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual((caller.heard, len(self.loop.dialled)), (b"PONG", 1))
        self.assertEqual(self.bench.path.reasons, [""])

    def test_finWhileDialling(self) -> None:
        """So is the dial of a caller that has ended without a word."""
        caller = self.silent()
        caller.ends()
        self.loop.turn()
        endpoint = self.loop.dialled[0].succeed()
        endpoint.says(b"banner")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual((caller.heard, len(self.loop.dialled)), (b"banner", 1))
        self.assertTrue(endpoint.fake.finished)

    def test_heldInVain(self) -> None:
        """When that dial fails the caller is reset at once, and the call is reported once."""
        caller = self.silent()
        caller.says(b"PING\r\n")
        self.loop.turn()
        self.loop.dialled[0].fail()
        self.loop.dialled[1].fail()
        self.loop.turn()
        self.assertTrue(caller.fake.reset)
        self.assertEqual((self.bench.path.reasons, self.bench.mesh.live), (["UF"], {}))
        self.assertEqual(self.recognition.places.free, 1024)

    def test_abortHeld(self) -> None:
        """A shutdown does not wait for that dial."""
        caller = self.silent()
        caller.says(b"PING\r\n")
        self.loop.turn()
        [connection] = self.bench.mesh.live
        connection.abort()
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertTrue(caller.fake.reset and endpoint.fake.closed)
        self.assertEqual(self.bench.path.released, self.bench.path.decided)

    def test_endpointCloses(self) -> None:
        """An endpoint that ends without a word: the caller sees the same."""
        caller = self.silent()
        self.loop.dialled[0].succeed().ends()
        self.loop.turn()
        self.assertTrue(caller.fake.finished)
        caller.ends()
        self.loop.turn()
        self.assertEqual(self.bench.path.reasons, [""])

    def test_endpointResets(self) -> None:
        """An endpoint that resets without a word has failed, and the caller is reset."""
        caller = self.silent()
        self.loop.dialled[0].succeed().breaks()
        self.loop.turn()
        self.assertTrue(caller.fake.reset)
        self.assertIs(self.bench.failureOf(), UPSTREAM_RESET)
        self.assertEqual(self.bench.mesh.live, {})

    def test_finFirst(self) -> None:
        """A caller that sends its FIN first and reads a banner gets the banner."""
        caller = self.call()
        caller.ends()
        self.loop.turn()
        endpoint = self.loop.dialled[0].succeed()
        self.loop.turn()
        self.assertTrue(endpoint.fake.finished)
        endpoint.says(b"banner")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual((caller.heard, caller.fake.reset), (b"banner", False))
        self.assertTrue(caller.fake.closed)

    def test_finAfterDial(self) -> None:
        """The same when the endpoint was dialled already."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        caller.ends()
        self.loop.turn()
        endpoint.says(b"banner")
        endpoint.ends()
        self.loop.turn()
        self.assertEqual(caller.heard, b"banner")

    def test_callerGone(self) -> None:
        """A caller that goes away silently costs nobody anything."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        caller.breaks()
        self.loop.turn()
        self.assertTrue(endpoint.fake.closed)
        self.assertEqual(self.bench.path.released, self.bench.path.decided)
        self.assertEqual(self.recognition.places.free, 1024)

    def test_notReachable(self) -> None:
        """With nobody to dial a silent caller is reset after a second, not before it may speak."""
        caller = self.silent()
        self.loop.dialled[0].fail()
        self.loop.dialled[1].fail()
        self.loop.turn()
        self.assertFalse(caller.fake.closed)
        self.bench.after(3)
        self.assertTrue(caller.fake.reset)
        self.assertIs(self.bench.failureOf(), CONNECT_FAILED)
        self.assertEqual(len(self.bench.path.finished), 1)

    def test_secondEndpoint(self) -> None:
        """When one endpoint cannot be reached the other one greets."""
        caller = self.silent()
        self.loop.dialled[0].fail()
        self.loop.dialled[1].succeed().says(b"hi")
        self.loop.turn()
        self.assertEqual(caller.heard, b"hi")
        self.assertEqual(len(self.bench.path.attempts), 1)

    def test_refusedThenSpeaks(self) -> None:
        """A caller whose early dial was refused may speak, and is decided anew."""
        self.bench.path.refusals = [Refused(NO_ENDPOINT)]
        caller = self.silent()
        caller.says(b"GET / HTTP/1.1\n")
        self.loop.turn()
        self.bench.after(3)
        self.assertEqual(len(self.http.servers), 1)
        self.assertFalse(caller.fake.closed)
        self.assertEqual(self.bench.path.finished, [])

    def test_notReachableInDoubt(self) -> None:
        """A caller that has begun to speak outlives its early dial, and the place is free."""
        caller = self.silent()
        caller.says(b"GET / HTT")
        self.loop.turn()
        while self.loop.dialled:
            self.loop.dialled.pop(0).fail()
        self.assertEqual(self.recognition.places.free, self.bench.mesh.limits.earlyDials)
        self.assertFalse(caller.fake.closed)
        caller.says(b"P/1.1\r\n")
        self.loop.turn()
        self.assertEqual(len(self.http.servers), 1)

    def test_refused(self) -> None:
        """One that stays silent is reset, and the call is reported once."""
        self.bench.path.refusals = [Refused(NO_ENDPOINT)]
        caller = self.silent()
        self.bench.after(3)
        self.assertTrue(caller.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["NE"])

    def test_idle(self) -> None:
        """When nobody ever speaks both are reset after the idle time."""
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        self.bench.after(62)
        self.assertTrue(caller.fake.reset and endpoint.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["IT"])

    def test_bounded(self) -> None:
        """Silent callers beyond the bound wait their turn; one that left wants none."""
        self.make(earlyDials=1)
        first, second, third = self.silent(), self.silent(), self.silent()
        self.assertEqual(len(self.loop.dialled), 1)
        second.breaks()
        self.loop.turn()
        first.breaks()
        self.loop.turn()
        self.assertEqual(len(self.loop.dialled), 2)
        self.loop.dialled[1].succeed().says(b"hi")
        self.loop.turn()
        self.assertEqual(third.heard, b"hi")
        self.assertEqual(self.recognition.places.free, 1)

    def test_boundedByUsefulness(self) -> None:
        """Idle callers of an HTTP app do not keep others from a server that speaks first."""
        self.make(earlyDials=2)
        idle = [self.silent() for _ in range(3)]
        useless = self.loop.dialled[0].succeed()
        self.assertEqual(len(self.loop.dialled), 2)
        self.wait(1.1)
        self.assertTrue(useless.fake.reset)
        self.loop.dialled[2].succeed().says(b"220 hi")
        self.loop.turn()
        self.assertEqual(idle[2].heard, b"220 hi")
        idle[0].says(b"GET / HTTP/1.1\r\n")
        self.loop.turn()
        self.assertIsNone(self.http.servers[0].accepted.early)
        self.assertEqual(self.recognition.places.free, 1)

    def test_usefulToItself(self) -> None:
        """While nobody else needs the place, a server that hesitates is still heard."""
        self.make(earlyDials=1)
        caller = self.silent()
        endpoint = self.loop.dialled[0].succeed()
        self.wait(30)
        endpoint.says(b"220 hi")
        self.loop.turn()
        self.assertEqual(caller.heard, b"220 hi")
        self.silent()
        self.assertEqual(len(self.loop.dialled), 2)

    def test_roomWhileInDoubt(self) -> None:
        """Whose place was needed while it began to speak is recognised all the same."""
        self.make(earlyDials=1)
        caller = self.silent()
        self.loop.dialled[0].succeed()
        self.wait(1.1)
        caller.says(b"GE")
        self.loop.turn()
        self.silent()
        self.assertEqual(len(self.loop.dialled), 2)
        caller.says(b"T / HTTP/1.1\r\n")
        self.loop.turn()
        self.assertEqual(self.http.servers[0].data, b"GET / HTTP/1.1\r\n")


class ProxyTests(InterceptedTestCase):
    """A proxy's caller names its destination; until then there is none."""

    def test_silence(self) -> None:
        """Nothing is dialled for a silent caller, and it is not kept for ever."""
        caller = self.call("")
        self.bench.after(70)
        self.assertEqual(self.loop.dialled, [])
        self.assertFalse(caller.fake.closed)
        self.bench.after(7)
        self.assertTrue(caller.fake.closed)
        self.assertFalse(caller.fake.reset)

    def test_end(self) -> None:
        """A caller that ends without a word is let go."""
        caller = self.call("")
        caller.ends()
        self.loop.turn()
        self.assertTrue(caller.fake.closed)
        self.assertEqual(self.bench.mesh.live, {})


class ShutdownTests(InterceptedTestCase):
    """At shutdown nothing undecided is left behind."""

    def test_drainSilent(self) -> None:
        """A silent caller is let go at once, with what was dialled for it."""
        caller = self.call()
        self.wait(0.021)
        endpoint = self.loop.dialled[0].succeed()
        [connection] = self.bench.mesh.live
        connection.drain()
        self.loop.turn()
        self.assertTrue(caller.fake.closed and endpoint.fake.closed)
        self.assertEqual(self.bench.path.released, self.bench.path.decided)

    def test_drainSpeaking(self) -> None:
        """A caller in the middle of its first line may finish it."""
        caller = self.call()
        caller.says(b"GET /")
        self.loop.turn()
        [connection] = self.bench.mesh.live
        connection.drain()
        caller.says(b" HTTP/1.1\n")
        self.loop.turn()
        self.assertEqual(len(self.http.servers), 1)

    def test_abort(self) -> None:
        """When the grace time is over it is reset."""
        caller = self.call()
        caller.says(b"GET /")
        self.loop.turn()
        [connection] = self.bench.mesh.live
        self.assertIn("5 bytes", repr(connection))
        connection.abort()
        self.loop.turn()
        self.assertTrue(caller.fake.reset)
        self.assertEqual((self.bench.mesh.live, self.bench.connections.watched), ({}, {}))
