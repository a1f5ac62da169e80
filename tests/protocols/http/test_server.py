"""The HTTP server: what it reads from a caller, request after request."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgemesh.meta.policy import QPS, Limit, Policy
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Accepted
from edgemesh.testing.ladder import KEY
from tests.protocols.http.talks import GET, OK, POST, Talk

CHUNKS = b"4;a=b\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n"
CHUNKED = b"POST /r HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(path: bytes = b"/r", *fields: bytes) -> bytes:
    """A GET request."""
    lines = (b"GET " + path + b" HTTP/1.1", b"Host: b", *fields, b"", b"")
    return b"\r\n".join(lines)


class KeepAliveTests(Talk):
    """Several requests on one connection."""

    def test_oneAfterTheOther(self) -> None:
        """A connection serves request after request, over one endpoint connection."""
        endpoint = self.sent(GET)
        for _ in range(3):
            self.assertEqual(self.hear(endpoint), GET)
            self.say(endpoint, OK)
            self.assertEqual(self.hear(self.app), OK)
            self.say(self.app, GET)
        self.assertEqual(self.ladder.loop.dialled, [])

    def test_pipelined(self) -> None:
        """Requests sent ahead are served one by one, answers come in order."""
        endpoint = self.sent(get(b"/1") + get(b"/2") + get(b"/3"))
        for number in (b"1", b"2", b"3"):
            self.assertEqual(self.hear(endpoint), get(b"/" + number))
            self.say(endpoint, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + number)
            self.assertTrue(self.hear(self.app).endswith(number))
        self.assertOnce("", "", "")

    def test_pipelinedBehindBody(self) -> None:
        """What follows a body is the next request, wherever the network cut."""
        endpoint = self.sent(POST[:-2], POST[-2:] + get(b"/2"))
        self.assertEqual(self.hear(endpoint), POST)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(endpoint), get(b"/2"))

    def test_pipelinedRefusals(self) -> None:
        """Thousands of refused requests at once are answered one by one, not one inside another."""
        limit = Policy(qps=QPS(outbound=Limit(limit=1, burst=1)))
        self.use(policy=limit)
        endpoint = self.sent(GET)
        self.say(endpoint, OK)
        self.hear(self.app)
        self.say(self.app, GET * 1_100)
        heard = self.hear(self.app)
        self.assertEqual(heard.count(b"HTTP/1.1 429 "), 1_100)
        self.assertEqual(heard.count(b"Retry-After: 1\r\n"), 1_100)
        self.assertOnce("", *["RL"] * 1_100)

    def test_pipelineBounded(self) -> None:
        """A caller that only sends ahead is not read without end."""
        self.sent(GET)
        self.say(self.app, *[GET * 1_000] * 8)
        self.assertFalse(self.ladder.loop.isReading(self.app))
        self.assertGreater(len(self.app.fake.incoming), 2)

    def test_pipelineGoesOn(self) -> None:
        """It is read again once its requests are answered, and every one of them is."""
        self.use(limits=Limits(pipelined=100))
        endpoint = self.sent(GET)
        self.say(self.app, *[GET * 3] * 3)
        self.assertTrue(self.app.fake.incoming)
        for _ in range(10):
            self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app).count(b"HTTP/1.1 200 "), 10)
        self.assertTrue(self.ladder.loop.isReading(self.app))
        self.assertOnce(*[""] * 10)

    def test_emptyLines(self) -> None:
        """Empty lines before a request are skipped, even those cut in two."""
        endpoint = self.sent(b"\r\n\r", b"\n", b"\r\n" + GET)
        self.assertEqual(self.hear(endpoint), GET)

    def test_emptyLinesDoNotKeep(self) -> None:
        """Nobody keeps a connection by sending empty lines."""
        self.use(limits=Limits(keepAlive=4.0))
        for _ in range(6):
            self.say(self.app, b"\r\n")
            self.ladder.after(1.0)
        self.assertClosed()

    def test_manyEmptyLines(self) -> None:
        """A megabyte of empty lines costs no more than reading it."""
        self.say(self.app, *[b"\r\n" * 30_000] * 16)
        self.assertEqual(self.hear(self.sent(GET)), GET)

    def test_idle(self) -> None:
        """A connection without requests is closed after a while, without a call."""
        self.use(limits=Limits(keepAlive=4.0))
        self.ladder.after(3.0)
        self.assertFalse(self.app.fake.closed)
        self.ladder.after(2.0)
        self.assertClosed()
        self.assertOnce()


class HeadTests(Talk):
    """Heads, as they come."""

    def test_everySplitPoint(self) -> None:
        """Wherever the network cuts a request, the endpoint gets the same."""
        for cut in range(1, len(POST)):
            self.use()
            self.assertEqual(self.hear(self.sent(POST[:cut], POST[cut:])), POST, cut)

    def test_byteByByte(self) -> None:
        """A request that comes byte by byte is one request."""
        pieces = [POST[i : i + 1] for i in range(len(POST))]
        self.assertEqual(self.hear(self.sent(*pieces)), POST)

    def test_malformed(self) -> None:
        """What is no request is answered once, and the connection ends."""
        for bad in (
            b"GET / HTTP/1.1\r\nHost : b\r\n\r\n",
            b"GET / HTTP/1.1\nHost: b\n\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: b\r\nHost: c\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: b\r\nX: \0\r\n\r\n",
            get(b"/", b"Connection: Host"),
            get(b"/", b"Connection: close, authorization"),
            get(b"/", b"Connection: Content-Length"),
            get(b"/", b"Connection: transfer-encoding"),
            get(b"/", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
            get(b"/", b"Content-Length: +1"),
        ):
            self.use()
            self.say(self.app, bad + GET)
            self.assertAnswered("BR", 400)
            self.assertTrue(self.app.fake.finished)
            self.assertEqual(self.ladder.loop.dialled, [])
            self.ladder.end(self.app)
            self.assertClosed()
            self.assertOnce("BR")

    def test_otherRefusals(self) -> None:
        """Each thing we cannot take has its own status."""
        for request, reason, status in (
            (b"GET / HTTP/2.7\r\nHost: b\r\n\r\n", "HV", 505),
            (get(b"/", b"Expect: more"), "EX", 417),
            (get(b"/", b"Transfer-Encoding: gzip, chunked"), "NI", 501),
        ):
            self.use()
            self.say(self.app, request)
            self.assertAnswered(reason, status)

    def test_tooLong(self) -> None:
        """A long target, many fields or a large head are refused, complete or not."""
        many = [b"X-%d: 1" % number for number in range(101)]
        for request, reason, status in (
            (get(b"/" + b"x" * 9_000), "UL", 414),
            (b"GET /" + b"x" * 9_000, "UL", 414),
            (get(b"/", *many), "HL", 431),
            (get(b"/", *many)[:-2], "HL", 431),
            (get(b"/", b"X: " + b"x" * 70_000), "HL", 431),
            (get(b"/", b"X: " + b"x" * 70_000)[:-4], "HL", 431),
        ):
            self.use()
            self.say(self.app, request)
            self.assertAnswered(reason, status)

    def test_trickledLine(self) -> None:
        """A line that never ends is refused as soon as it is too long."""
        self.say(self.app, b"GET /", *[b"x" * 64] * 128)
        self.assertAnswered("UL", 414)

    def test_slow(self) -> None:
        """A head must be whole in time; a byte now and then does not help."""
        self.use(limits=Limits(headerTimeout=5.0))
        for byte in (b"G", b"E", b"T", b" "):
            self.say(self.app, byte)
            self.ladder.after(1.2)
        self.assertEqual(self.hear(self.app), b"")
        self.say(self.app, b"/")
        self.ladder.after(0.3)
        self.assertAnswered("HT", 408)

    def test_slowFromTheStart(self) -> None:
        """The time counts from the first byte, also while nobody knew that it is HTTP."""
        self.ladder.after(8.0)
        accepted = Accepted(self.ladder.mesh, KEY, False, "10.0.0.9", None, 2.0)
        self.app = self.ladder.loop.accept(HTTP.server(accepted))
        self.say(self.app, b"GET / HTTP/1.1\r\n")
        self.ladder.after(3.9)
        self.assertEqual(self.hear(self.app), b"")
        self.ladder.after(0.2)
        self.assertAnswered("HT", 408)

    def test_slowAfterQuick(self) -> None:
        """The second request has its own time, however long ago the first one began."""
        accepted = Accepted(self.ladder.mesh, KEY, False, "10.0.0.9", None, 0.5)
        self.app = self.ladder.loop.accept(HTTP.server(accepted))
        self.say(self.sent(GET), OK)
        self.hear(self.app)
        self.ladder.after(60.0)
        self.say(self.app, GET[:-2])
        self.ladder.after(9.0)
        self.assertEqual(self.hear(self.app), b"")

    def test_slowAfterAnswer(self) -> None:
        """The same goes for the second request on a connection."""
        self.use(limits=Limits(headerTimeout=5.0))
        self.say(self.sent(GET + b"GET /slow"), OK)
        self.hear(self.app)
        self.ladder.after(5.2)
        self.assertAnswered("HT", 408)

    def test_goneInHead(self) -> None:
        """A caller that goes away before its request is whole has made no call."""
        self.say(self.app, GET[:-2])
        self.ladder.end(self.app)
        self.assertOnce()
        self.assertEqual(self.ladder.mesh.live, {})


class ForwardedTests(Talk):
    """What of a request's head reaches the endpoint."""

    def forwarded(self, request: bytes) -> bytes:
        """What the endpoint gets."""
        self.use()
        return self.hear(self.sent(request))

    def test_hopByHop(self) -> None:
        """Fields for this connection alone stay here, those that Connection names as well."""
        fields = (b"Connection: keep-alive, X-Mine", b"Keep-Alive: 5", b"X-Mine: 1", b"TE: gzip")
        self.assertEqual(self.forwarded(get(b"/", *fields)), get(b"/"))
        self.assertEqual(self.forwarded(get(b"/", b"Proxy-Connection: keep-alive")), get(b"/"))

    def test_ours(self) -> None:
        """Nobody can pretend to be the mesh."""
        self.assertEqual(self.forwarded(get(b"/", b"X-EdgeMesh-Reason: UF")), get(b"/"))

    def test_otherUpgrade(self) -> None:
        """An upgrade to anything but WebSocket is not asked for."""
        fields = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA")
        self.assertEqual(self.forwarded(get(b"/", *fields)), get(b"/"))

    def test_absolute(self) -> None:
        """A request in the form for proxies arrives in the form for servers."""
        request = b"GET http://b/x?y=1 HTTP/1.1\r\nHost: other\r\n\r\n"
        self.assertEqual(self.forwarded(request), get(b"/x?y=1"))

    def test_noHost(self) -> None:
        """An HTTP/1.0 request without Host gets the service's name."""
        heard = self.forwarded(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(heard, b"GET / HTTP/1.1\r\nHost: b.default\r\n\r\n")


class BodyTests(Talk):
    """Bodies of requests."""

    def test_chunked(self) -> None:
        """A chunked body with trailers arrives as it was sent, however it was cut."""
        for cut in range(1, len(CHUNKS)):
            self.use()
            endpoint = self.sent(CHUNKED, CHUNKS[:cut], CHUNKS[cut:])
            self.assertEqual(self.hear(endpoint), CHUNKED + CHUNKS, cut)
            self.say(endpoint, OK)
            self.assertOnce("")

    def test_pipelinedBehindChunks(self) -> None:
        """What follows the last chunk is the next request."""
        endpoint = self.sent(CHUNKED + CHUNKS + GET)
        self.assertEqual(self.hear(endpoint), CHUNKED + CHUNKS)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(endpoint), GET)

    def test_malformedAtOnce(self) -> None:
        """A body whose framing is broken from the start is never sent anywhere."""
        self.say(self.app, CHUNKED + b"x\r\n")
        self.assertAnswered("BR", 400)
        self.assertEqual(self.ladder.loop.dialled, [])
        self.assertOnce("BR")

    def test_malformedLater(self) -> None:
        """When the framing breaks later, the endpoint sees a request that was cut off."""
        endpoint = self.sent(CHUNKED + b"4\r\nbody\r\n", b"x\r\n")
        self.assertAnswered("BR", 400)
        self.assertReset(endpoint)
        self.assertOnce("BR")

    def test_chunkExtensions(self) -> None:
        """Endless chunk extensions are refused."""
        self.say(self.app, CHUNKED + b"4;" + b"x" * 300)
        self.assertAnswered("BR", 400)

    @settings(derandomize=True, max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 200), max_size=12), st.booleans())
    def test_anyCuts(self, sizes: list[int], chunked: bool) -> None:
        """However a stream of requests is cut, endpoints get the same bytes in the same order."""
        first = CHUNKED + CHUNKS if chunked else POST
        requests = [first, get(b"/2"), POST, get(b"/4")]
        stream = b"".join(requests)
        pieces = []
        for size in sizes:
            pieces.append(stream[:size])
            stream = stream[size:]
        self.use()
        endpoint = self.sent(*[piece for piece in pieces if piece], stream or b"\r\n")
        for request in requests:
            self.assertEqual(self.hear(endpoint), request)
            self.say(endpoint, OK)
            self.assertEqual(self.hear(self.app), OK)
        self.assertOnce("", "", "", "")

    def test_notFinished(self) -> None:
        """A body that stops coming ends the call; the endpoint is free again."""
        endpoint = self.sent(POST[:-1])
        self.ladder.after(6.0)
        self.assertAnswered("HT", 408)
        self.assertReset(endpoint)
        self.assertOnce("HT")

    def test_notTaken(self) -> None:
        """A body that the endpoint does not take is the endpoint's delay, and says so."""
        endpoint = self.sent(POST.replace(b": 4", b": 999999"))
        endpoint.fake.room = 0
        self.say(self.app, *[b"x" * 65_536] * 4)
        self.ladder.after(6.0)
        self.assertAnswered("IT", 504)
        self.assertReset(endpoint)
        self.assertOnce("IT")
