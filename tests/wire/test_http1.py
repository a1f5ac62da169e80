"""HTTP/1 heads: strict, bounded, and forwarded as they came but for what must go."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import RemoteProtocolError
from edgemesh.wire.fields import CHUNKED
from edgemesh.wire.http1 import RequestHead, parseRequest
from edgemesh.wire.response import parseResponse
from tests.wire.heads import answer, answered, badAnswer

INSERT = b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 edgemesh\r\n"
PLAIN = b"GET /r?x=1 HTTP/1.1\r\nHost: b\r\nAccept: */*\r\n\r\n"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")


def request(data: bytes, line: int = 200, head: int = 1_000, count: int = 20) -> RequestHead:
    """The head of a request that is whole."""
    parsed = parseRequest(data, line, head, count)
    assert parsed is not None, data
    return parsed


def asked(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> RequestHead:
    """The head of a request with these fields besides Host."""
    return request(b"\r\n".join((start, b"Host: b", *lines, b"", b"")))


def refusal(data: bytes, line: int = 200, head: int = 1_000, count: int = 20) -> int:
    """The status a request is refused with; 0 when it is not."""
    try:
        parseRequest(data, line, head, count)
    except RemoteProtocolError as error:
        return error.failure.http
    return 0


def refused(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> int:
    """The same, for a request with these fields besides Host."""
    return refusal(b"\r\n".join((start, b"Host: b", *lines, b"", b"")))


class RequestTests(SynchronousTestCase):
    """What is read from a request's head."""

    def test_plain(self) -> None:
        """A plain request says what is called."""
        head = request(PLAIN + b"surplus")
        self.assertEqual((head.method, head.target, head.path), (b"GET", b"/r?x=1", b"/r"))
        self.assertEqual((head.host, head.body, head.minor), (b"b", 0, 1))
        self.assertEqual(head.end, len(PLAIN))
        self.assertTrue(head.keepAlive)
        self.assertFalse(head.websocket)
        self.assertEqual(repr(head), "<RequestHead b'GET' b'/r?x=1' body=0>")

    def test_everySplit(self) -> None:
        """Until its last byte is there a head is waited for, wherever it is cut."""
        for end in range(len(PLAIN)):
            self.assertIsNone(parseRequest(PLAIN[:end], 200, 1_000, 20))

    def test_methods(self) -> None:
        """Any token is a method, but none that could be mistaken for one with other framing."""
        self.assertEqual(asked(start=b"get / HTTP/1.1").method, b"get")
        self.assertEqual(asked(start=b"M-SEARCH / HTTP/1.1").method, b"M-SEARCH")
        for method in (b"head", b"Head", b"connect", b"PRI", b"G T", b"G(T", b"G\xc9T", b""):
            self.assertEqual(refused(start=method + b" / HTTP/1.1"), 400, method)

    def test_versions(self) -> None:
        """HTTP/1.0 and 1.1 are spoken; others are named as the reason."""
        for version in (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0"):
            self.assertEqual(refused(start=b"GET / " + version), 505, version)
        for version in (
            b"HTTP/1.10",
            b"HTTP/1",
            b"http/1.1",
            b"HTTP/1.1 ",
            b"RTSP/1.0",
            b"HTTP/1.x",
        ):
            self.assertEqual(refused(start=b"GET / " + version), 400, version)

    def test_bareLineEnds(self) -> None:
        """Only CR LF ends a line; a bare one is no reason to blame the version."""
        for end in (b"\n", b"\r", b"\r\r\n", b"\n\r"):
            self.assertEqual(refusal(b"GET / HTTP/1.1" + end + b"Host: b\r\n\r\n"), 400, end)
            self.assertEqual(refused(b"X: 1" + end + b"Y: 2"), 400, end)

    def test_controls(self) -> None:
        """No control byte is let in, anywhere in a head."""
        for octet in [*range(0x20), 0x7F]:
            control = bytes([octet])
            if control != b"\t":
                self.assertEqual(refused(b"X: a" + control + b"b"), 400, control)
            self.assertEqual(refused(b"X" + control + b"Y: 1"), 400, control)
            self.assertEqual(refused(start=b"GET /a" + control + b"b HTTP/1.1"), 400, control)

    def test_bytesAboveASCII(self) -> None:
        """Values may have bytes above ASCII; names and targets may not."""
        self.assertEqual(asked(b"X: \xe9\x80").header(b"x"), b"\xe9\x80")
        self.assertEqual(refused(b"X\xe9: 1"), 400)
        self.assertEqual(refused(start=b"GET /\xe9 HTTP/1.1"), 400)

    def test_folds(self) -> None:
        """A field does not continue on the next line, nor have a space before its colon."""
        for line in (b" X: 1", b"X: 1\r\n 2", b"X: 1\r\n\t2", b"X : 1", b"X\t: 1", b"X", b": 1"):
            self.assertEqual(refused(line), 400, line)

    def test_fragment(self) -> None:
        """A fragment is not sent to servers."""
        self.assertEqual(refused(start=b"GET /a#b HTTP/1.1"), 400)

    def test_host(self) -> None:
        """There is exactly one valid Host."""
        self.assertEqual(request(b"GET / HTTP/1.1\r\nHOST:b:80 \r\n\r\n").host, b"b:80")
        self.assertEqual(refusal(b"GET / HTTP/1.1\r\n\r\n"), 400)
        for line in (b"Host: b", b"host: c", b"HOST:"):
            self.assertEqual(refused(line), 400, line)
        for host in (b"", b"a@b", b"b c", b"b,c", b"b/c"):
            for others in (b"", b"Connection: close\r\n", b"X: 1\r\nTE: x\r\n"):
                head = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + others + b"\r\n"
                self.assertEqual(refusal(head), 400, head)

    def test_oldWithoutHost(self) -> None:
        """HTTP/1.0 needs no Host; the service's own name takes its place."""
        head = request(b"GET / HTTP/1.0\r\nX: 1\r\n\r\n")
        self.assertEqual((head.host, head.keepAlive), (b"", False))
        sent = b"GET / HTTP/1.1\r\nX: 1\r\nHost: web.default\r\n\r\n"
        self.assertEqual(head.forward(b"", b"web.default"), sent)

    def test_retryable(self) -> None:
        """Only what has no body and does no harm twice may be sent twice."""
        self.assertTrue(asked().retryable)
        self.assertFalse(asked(start=b"POST / HTTP/1.1").retryable)
        self.assertFalse(asked(start=b"get / HTTP/1.1").retryable)
        self.assertFalse(asked(b"Content-Length: 1").retryable)
        self.assertFalse(asked(b"Transfer-Encoding: chunked").retryable)


class FramingTests(SynchronousTestCase):
    """How long a request is."""

    def test_length(self) -> None:
        """A length is digits, once."""
        self.assertEqual(asked(b"Content-Length: 5").body, 5)
        self.assertEqual(asked(b"content-length:\t007 ").body, 7)
        for value in (b"", b"+5", b"-5", b"5,5", b"0x5", b"5 5", b"1_0", b"\xb2", b"5.", b"9" * 19):
            self.assertEqual(refused(b"Content-Length: " + value), 400, value)

    def test_twoLengths(self) -> None:
        """Two lengths are refused, equal or not, zero or not."""
        for one, other in ((b"5", b"5"), (b"0", b"5"), (b"5", b"0"), (b"0", b"0")):
            self.assertEqual(refused(b"Content-Length: " + one, b"CONTENT-LENGTH: " + other), 400)

    def test_chunked(self) -> None:
        """Chunked is the one coding that is understood."""
        self.assertEqual(asked(b"Transfer-Encoding: Chunked ").body, CHUNKED)
        self.assertEqual(refused(b"Transfer-Encoding: gzip, chunked"), 501)
        for value in (
            *(b"", b"identity", b"gzip", b"xchunked", b"chunked, gzip", b"chunked, chunked"),
            *(b",chunked", b"chunked,", b"chunked;a", b'"chunked"', b"chunked\t", b"chunked\xa0"),
        ):
            self.assertEqual(refused(b"Transfer-Encoding: " + value), 400, value)

    def test_twoCodings(self) -> None:
        """Two fields of codings are refused."""
        for other in (b"chunked", b"identity", b""):
            lines = (b"Transfer-Encoding: chunked", b"transfer-encoding: " + other)
            self.assertEqual(refused(*lines), 400)
            self.assertEqual(refused(*reversed(lines)), 400)

    def test_both(self) -> None:
        """A length and a coding together are refused, in either order, even a zero."""
        for length in (b"0", b"5"):
            lines = (b"Transfer-Encoding: chunked", b"Content-Length: " + length)
            self.assertEqual(refused(*lines), 400)
            self.assertEqual(refused(*reversed(lines)), 400)

    def test_oldAndChunked(self) -> None:
        """HTTP/1.0 has no codings."""
        self.assertEqual(refused(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"), 400)

    def test_lookalikes(self) -> None:
        """Names that only look like those of the framing do not frame."""
        head = asked(b"X-Content-Length: 5", b"Content-Length-X: 5", b"X: \tcontent-length: 5")
        self.assertEqual(head.body, 0)


class LimitTests(SynchronousTestCase):
    """Sizes, at the byte."""

    def test_line(self) -> None:
        """A request line over the limit gets 414, whether it has ended or not."""
        fits = b"GET /" + b"a" * 184 + b" HTTP/1.1\r\n"
        self.assertEqual(len(fits), 200)
        over = fits.replace(b"/", b"/a")
        rest = b"Host: b\r\n\r\n"
        self.assertEqual((refusal(fits + rest), refusal(fits), refusal(fits[:-2])), (0, 0, 0))
        self.assertEqual((refusal(over + rest), refusal(over), refusal(over[:-2])), (414, 414, 0))
        self.assertEqual(refusal(b"A" * 201), 414)

    def test_head(self) -> None:
        """A head over the limit gets 431, whether it has ended or not."""
        data = b"GET / HTTP/1.1\r\nHost: b\r\nX: " + b"a" * 968 + b"\r\n\r\n"
        self.assertEqual(len(data), 1_000)
        over = data.replace(b"X", b"XX")
        self.assertEqual((refusal(data), refusal(over), refusal(over[:-1])), (0, 431, 0))
        self.assertEqual(refusal(over[:-4] + b"aaaa"), 431)

    def test_count(self) -> None:
        """Too many fields get 431, equal or distinct, finished or not."""
        for line in (b"X: %d", b"X%d: 1"):
            lines = [line % number for number in range(30)]
            self.assertEqual(refused(*lines[:19]), 0)
            self.assertEqual(refused(*lines[:20]), 431)
            unfinished = b"GET / HTTP/1.1\r\n" + b"\r\n".join(lines)
            self.assertEqual(refusal(unfinished), 431)

    def test_answer(self) -> None:
        """An endpoint's head over the limits is refused as well."""
        self.assertTrue(badAnswer(b"X: " + b"a" * 1_000))
        self.assertTrue(badAnswer(*[b"X: 1"] * 21))
        self.assertFalse(badAnswer(*[b"X: 1"] * 20))
        for data in (b"HTTP/1.1 200 " + b"a" * 1_000, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000):
            self.assertRaises(RemoteProtocolError, parseResponse, data, b"GET", 1_000, 20)


class HopByHopTests(SynchronousTestCase):
    """What goes no further than one connection."""

    def test_untouched(self) -> None:
        """A head without anything to cut leaves as the very bytes that came."""
        head = request(PLAIN)
        self.assertIs(head.forward(b"", b""), head.raw)
        self.assertEqual(head.forward(INSERT, b""), PLAIN[:-2] + INSERT + b"\r\n")

    def test_request(self) -> None:
        """Hop-by-hop fields, those that Connection names, and the mesh's own do not leave."""
        head = asked(
            b"Connection: close, X-A, x-b",
            *(b"Keep-Alive: 5", b"TE: trailers", b"Proxy-Connection: x", b"Upgrade: h2c"),
            *(b"Proxy-Authorization: Basic YTpi", b"HTTP2-Settings: AA", b"X-EDGEMESH-Caller: me"),
            *(b"x-a: 1", b"X-B: 2", b"X-C: 3", b"X-A: 4"),
        )
        self.assertEqual(
            head.forward(INSERT, b""), b"GET / HTTP/1.1\r\nHost: b\r\nX-C: 3\r\n" + INSERT + b"\r\n"
        )

    def test_forwardedForSurvives(self) -> None:
        """A caller cannot make the mesh drop what the mesh inserts."""
        head = asked(b"Connection: x-forwarded-for, via", b"X-Forwarded-For: 1", b"Via: 2")
        self.assertEqual(
            head.forward(INSERT, b""), b"GET / HTTP/1.1\r\nHost: b\r\n" + INSERT + b"\r\n"
        )

    def test_neverHop(self) -> None:
        """Connection may not name what routes, frames or authorises."""
        for name in (b"Host", b"content-length", b"TRANSFER-ENCODING", b"Authorization"):
            self.assertEqual(refused(b"Connection: x, " + name), 400, name)
            self.assertTrue(badAnswer(b"Connection: x, " + name), name)

    def test_hostInDisguise(self) -> None:
        """Host cannot be cut by naming the beginning of its line."""
        head = request(b"GET / HTTP/1.1\r\nHost:b:80\r\nConnection: host:b\r\n\r\n")
        self.assertEqual(head.forward(b"", b""), b"GET / HTTP/1.1\r\nHost:b:80\r\n\r\n")

    def test_answer(self) -> None:
        """The same of an answer; what the mesh inserts about its own connection stays."""
        head = answered(
            b"Connection: keep-alive, X-A",
            *(b"Keep-Alive: 5", b"Upgrade: h2", b"Proxy-Connection: x", b"X-A: 1", b"X-B: 2"),
            b"Content-Length: 3",
        )
        self.assertEqual(
            head.forward(b"Connection: close\r\n"),
            b"HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
        )

    def test_keepAlive(self) -> None:
        """The connection stays as the caller's version and wish say."""
        wishes = (
            b"X: 1",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Connection: keep-alive, close",
        )
        for version, kept in ((b"1.1", [1, 0, 1, 0]), (b"1.0", [0, 0, 1, 0])):
            start = b"GET / HTTP/" + version
            self.assertEqual([asked(wish, start=start).keepAlive for wish in wishes], kept)

    def test_closeWins(self) -> None:
        """Whoever says close anywhere means it, whatever else is said."""
        close, keep = b"Connection: close", b"Connection: keep-alive"
        for lines in ((close, keep), (keep, close), (keep, keep, close)):
            self.assertFalse(asked(*lines).keepAlive, lines)
            self.assertFalse(answered(b"Content-Length: 0", *lines).reusable, lines)

    @given(
        lines=st.lists(
            st.sampled_from(
                (
                    b"Connection: keep-alive",
                    b"connection: keep-alive",
                    b"connection:keep-alive",
                    b"Connection: Keep-Alive ",
                    b"Connection: close",
                    b"Connection: X-A",
                    b"X-Connection: keep-alive",
                    b"Keep-Alive: 5",
                    b"X-A: 1",
                    b"X-B: connection: keep-alive",
                )
            ),
            max_size=6,
        )
    )
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_usualConnection(self, lines: list[bytes]) -> None:
        """The Connection field that most peers send is cut like any other spelling of it."""
        gone = [b"connection", b"keep-alive"]
        gone += [b"x-a"] * (b"Connection: X-A" in lines)
        kept = [line for line in lines if line.lower().partition(b":")[0] not in gone]
        for insert in (b"", INSERT):
            left = b"".join(line + b"\r\n" for line in kept) + insert + b"\r\n"
            self.assertEqual(
                asked(*lines).forward(insert, b""), b"GET / HTTP/1.1\r\nHost: b\r\n" + left
            )


class TargetTests(SynchronousTestCase):
    """Absolute form, CONNECT, OPTIONS."""

    def test_absolute(self) -> None:
        """The authority wins over Host, and origin form leaves."""
        head = asked(b"X: 1", start=b"GET http://c:80/r?x HTTP/1.1")
        self.assertEqual((head.host, head.path), (b"c:80", b"/r"))
        self.assertEqual(
            head.forward(INSERT, b"never"),
            b"GET /r?x HTTP/1.1\r\nX: 1\r\nHost: c:80\r\n" + INSERT + b"\r\n",
        )

    def test_forwardedTwice(self) -> None:
        """A retry leaves with the same bytes."""
        head = asked(b"Connection: x", start=b"GET http://c/ HTTP/1.0")
        self.assertEqual(head.forward(INSERT, b"d"), head.forward(INSERT, b"d"))

    def test_connect(self) -> None:
        """CONNECT goes where its target says, not where Host says."""
        head = asked(start=b"CONNECT c:443 HTTP/1.1")
        self.assertEqual((head.host, head.path), (b"c:443", b""))
        self.assertFalse(head.keepAlive)
        self.assertEqual(refused(start=b"CONNECT c HTTP/1.1"), 400)
        self.assertEqual(refused(start=b"CONNECT /c:443 HTTP/1.1"), 400)

    def test_asterisk(self) -> None:
        """OPTIONS may ask the server as a whole; Host says which."""
        head = asked(start=b"OPTIONS * HTTP/1.1")
        self.assertEqual((head.host, head.path), (b"b", b"*"))


class ExpectationTests(SynchronousTestCase):
    """Expect and Upgrade."""

    def test_continue(self) -> None:
        """The endpoint learns that the caller waits to be told to go on."""
        head = asked(b"Expect: 100-Continue", b"Content-Length: 5")
        self.assertIn(b"\r\nExpect: 100-Continue\r\n", head.forward(b"", b""))

    def test_unknown(self) -> None:
        """An expectation nobody can meet gets 417."""
        for value in (b"", b"x", b"100-continue, x", b"100-continue;x"):
            self.assertEqual(refused(b"Expect: " + value), 417)

    def test_old(self) -> None:
        """HTTP/1.0 cannot wait for a 100, so the endpoint is not asked for one."""
        head = asked(b"Expect: 100-continue", start=b"POST / HTTP/1.0")
        self.assertNotIn(b"xpect", head.forward(b"", b""))

    def test_websocket(self) -> None:
        """Upgrade leaves for WebSocket, in a spelling of ours."""
        head = asked(b"Connection: keep-alive, UPGRADE", b"Upgrade: WebSocket", b"X: 1")
        self.assertTrue(head.websocket)
        self.assertEqual(
            head.forward(b"", b""),
            b"GET / HTTP/1.1\r\nHost: b\r\nX: 1\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )

    def test_otherUpgrades(self) -> None:
        """Any other upgrade is an ordinary request."""
        connection, upgrade = b"Connection: upgrade", b"Upgrade: websocket"
        others = [
            *((connection,), (upgrade,), (connection, b"Upgrade: h2c")),
            (connection, b"Upgrade: h2c", upgrade),
            (connection, b"Upgrade: h2c, websocket"),
            (connection, upgrade, b"Content-Length: 1"),
            (connection, upgrade, b"Transfer-Encoding: chunked"),
        ]
        for lines in others:
            head = asked(*lines)
            self.assertFalse(head.websocket, lines)
            self.assertNotIn(b"pgrade", head.forward(b"", b""))
        for start in (b"POST / HTTP/1.1", b"GET / HTTP/1.0"):
            self.assertFalse(asked(connection, upgrade, start=start).websocket)


_STARTS = st.sampled_from(
    (b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"GET http://c/x HTTP/1.1", b"GET / HTTP/1.0")
)
_LINES = st.lists(
    st.sampled_from(
        (
            *(b"Host: b", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X-A: 1", b"x-b:2"),
            *(
                b"Connection: x-a",
                b"Connection: close, x-b",
                b"Keep-Alive: 1",
                b"TE: x",
                b"X: \xff",
            ),
            *(b"X-Edgemesh-A: 1", b"Upgrade: websocket", b"Connection: upgrade", b"X: a\tb", b"X:"),
            *(b"X: \0", b"X: a\rb", b"X : 1", b" X: 1", b"Expect: 100-continue", b"Via: 1.0 x"),
        )
    ),
    max_size=6,
)
_PIECES = st.lists(
    st.sampled_from(
        (
            b"GET ",
            b"/",
            b" HTTP/1.1",
            b"\r\n",
            b"\n",
            b"\r",
            b"Host: b\r\n",
            b":",
            b" ",
            b"\0",
            b"X: 1\r\n",
        )
    ),
    max_size=14,
)


class ForwardPropertyTests(SynchronousTestCase):
    """Whatever comes, what leaves is a head that says the same."""

    @given(start=_STARTS, lines=_LINES)
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_request(self, start: bytes, lines: list[bytes]) -> None:
        """What leaves reads like what came, without what must go; the next one leaves it alone."""
        try:
            head = asked(*lines, start=start)
        except RemoteProtocolError:
            return
        sent = head.forward(INSERT, b"fallback")
        again = request(sent)
        self.assertEqual(again.end, len(sent))
        self.assertEqual((again.method, again.path), (head.method, head.path))
        self.assertEqual((again.body, again.host), (head.body, head.host or b"fallback"))
        self.assertEqual(again.websocket, head.websocket)
        self.assertIsNone(_CONTROL.search(sent))
        self.assertEqual(sent.count(INSERT), 1)
        if not head.websocket:
            self.assertIs(again.forward(b"", b""), again.raw)

    @given(start=_STARTS, lines=st.lists(st.sampled_from((b"X: 1", b"Host : b", b"TE: x"))))
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_plain(self, start: bytes, lines: list[bytes]) -> None:
        """A request called plain leaves as it came; one that must change is not called so."""
        try:
            head = asked(*lines, start=start)
        except RemoteProtocolError:
            return
        untouched = head.raw[:-2] + INSERT + b"\r\n"
        self.assertEqual(head.plain, head.forward(INSERT, b"fallback") == untouched)

    @given(lines=_LINES, method=st.sampled_from((b"GET", b"HEAD")), minor=st.integers(0, 1))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_answer(self, lines: list[bytes], method: bytes, minor: int) -> None:
        """The same of answers."""
        try:
            head = answered(*lines, start=b"HTTP/1.%d 200 OK" % minor, method=method)
        except RemoteProtocolError:
            return
        sent = head.forward(b"")
        again = answer(sent, method)
        self.assertEqual((again.end, again.status, again.body), (len(sent), head.status, head.body))
        self.assertIsNone(_CONTROL.search(sent))
        self.assertIs(again.forward(b""), again.raw)

    @given(pieces=_PIECES)
    @settings(derandomize=True, max_examples=500, deadline=None)
    def test_garbage(self, pieces: list[bytes]) -> None:
        """Any bytes get the same verdict in one piece and one by one."""
        data = b"".join(pieces)
        verdict: int | None = None
        for end in range(1, len(data) + 1):
            try:
                head = parseRequest(data[:end], 200, 1_000, 20)
            except RemoteProtocolError as error:
                verdict = error.failure.http
                break
            if head is not None:
                verdict = 0
                break
        try:
            whole = parseRequest(data, 200, 1_000, 20)
        except RemoteProtocolError as error:
            self.assertEqual(error.failure.http, verdict)
        else:
            self.assertEqual(verdict, None if whole is None else 0)
