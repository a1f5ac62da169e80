"""Chunked bodies: forwarded as they came, and never a byte of malformed framing."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import BAD_REQUEST, BAD_RESPONSE, RemoteProtocolError
from edgemesh.wire.chunked import ChunkedBody

BODY = b'5;a=b;c="d\\"e"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n'
_BYTES = [bytes([octet]) for octet in b'05aF;="\\x:\r\n\r\n\0 ']
PAYLOAD = b"hello0123456789"


def body(payloadOnly: bool = False) -> ChunkedBody:
    """A body with the limits of the tests."""
    return ChunkedBody(64, 200, BAD_REQUEST, payloadOnly)


def complaint(data: bytes) -> str:
    """Why some bytes are refused; ``more`` or ``finished`` when they are not."""
    chunks = body()
    try:
        chunks.feed(data)
    except RemoteProtocolError as error:
        return error.detail
    return "finished" if chunks.finished else "more"


class ForwardTests(SynchronousTestCase):
    """Well-formed bodies."""

    def test_asTheyCame(self) -> None:
        """A body leaves byte for byte, with its extensions and trailers."""
        chunks = body()
        self.assertEqual((chunks.feed(BODY), chunks.finished, chunks.surplus), (BODY, True, b""))

    def test_sameObject(self) -> None:
        """Bytes that are all good are not copied."""
        data = b"ff\r\n" + b"a" * 50
        self.assertIs(body().feed(data), data)

    def test_surplus(self) -> None:
        """What follows the body is not a part of it."""
        chunks = body()
        self.assertEqual(chunks.feed(BODY + b"GET / HTTP/1.1\r\n"), BODY)
        self.assertEqual(chunks.surplus, b"GET / HTTP/1.1\r\n")

    def test_afterTheEnd(self) -> None:
        """Nor is what comes later."""
        chunks = body()
        chunks.feed(BODY)
        self.assertEqual((chunks.feed(b"0\r\n\r\n"), chunks.surplus), (b"", b"0\r\n\r\n"))

    def test_payloadOnly(self) -> None:
        """A caller that knows no chunks gets the payload alone."""
        chunks = body(payloadOnly=True)
        self.assertEqual((chunks.feed(BODY), chunks.finished), (PAYLOAD, True))

    def test_payloadLikeFraming(self) -> None:
        """A payload may look like the end of the body."""
        data = b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"
        chunks = body()
        self.assertEqual((chunks.feed(data), chunks.finished), (data, True))

    def test_everySplit(self) -> None:
        """Where the network cuts the bytes makes no difference."""
        for at in range(len(BODY) + 3):
            for payloadOnly in (False, True):
                data = BODY + b"XYZ"
                chunks = body(payloadOnly)
                out = chunks.feed(data[:at])
                if not chunks.finished:
                    out += chunks.feed(data[at:])
                    self.assertEqual(chunks.surplus, b"XYZ")
                self.assertEqual(out, PAYLOAD if payloadOnly else BODY)
                self.assertTrue(chunks.finished)

    def test_byteByByte(self) -> None:
        """A body may come in single bytes; payload does not wait."""
        chunks = body()
        out = []
        for at in range(len(BODY)):
            self.assertFalse(chunks.finished)
            out.append(chunks.feed(BODY[at : at + 1]))
        self.assertEqual((b"".join(out), chunks.finished), (BODY, True))
        self.assertEqual(out[16:21], [b"h", b"e", b"l", b"l", b"o"])

    def test_repr(self) -> None:
        """A log shows what a body waits for."""
        chunks = body()
        seen = [repr(chunks)]
        for piece in (b"2\r\n", b"ab", b"\r\n0\r\n", b"\r\n"):
            chunks.feed(piece)
            seen.append(repr(chunks))
        states = ("size", "payload", "payload-end", "trailer", "finished")
        self.assertEqual(seen, [f"<ChunkedBody {state}>" for state in states])

    @given(
        chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=5),
        cuts=st.lists(st.integers(0, 150), max_size=5),
    )
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_property(self, chunks: list[bytes], cuts: list[int]) -> None:
        """Any payload in any chunks in any segments arrives whole, and ends where it ends."""
        coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        edges = [0, *sorted(min(cut, len(coded)) for cut in cuts), len(coded)]
        plain, decoded = body(), body(payloadOnly=True)
        out = payload = b""
        for begin, end in pairwise(edges):
            out += plain.feed(coded[begin:end])
            payload += decoded.feed(coded[begin:end])
        self.assertEqual((out, payload), (coded, b"".join(chunks)))
        self.assertTrue(plain.finished and decoded.finished)


class RefusalTests(SynchronousTestCase):
    """Malformed framing."""

    def test_sizes(self) -> None:
        """A size is one to fifteen hexadecimal digits and nothing else."""
        for size in (
            b"",
            b"g",
            b"0x1",
            b"+1",
            b"-1",
            b" 1",
            b"1 ",
            b"1\t",
            b"1_0",
            b"\xb2",
            b"1\0",
        ):
            self.assertEqual(complaint(size + b"\r\n"), "malformed chunk size", size)
        self.assertEqual(complaint(b"0" * 16 + b"\r\n"), "malformed chunk size")
        self.assertEqual(complaint(b"f" * 15 + b"\r\n"), "more")

    def test_lineEnds(self) -> None:
        """A size line ends in CR LF."""
        for line in (b"1\n", b"1\ra\r\n", b"1\r\r\n", b"1;a\n", b"1;a\rb\r\n"):
            self.assertEqual(complaint(line), "malformed chunk size", line)

    def test_extensions(self) -> None:
        """An extension is a name, perhaps with a value that is a token or quoted."""
        for good in (b";a", b";a=b", b';a="b c;\\"\\\\"', b";a;b;c=d", b';a=""', b';a="\xe9"'):
            self.assertEqual(complaint(b"1" + good + b"\r\n"), "more", good)
        for bad in (
            *(
                b";",
                b";;a",
                b";a=",
                b";a=;b",
                b"; a",
                b";a =b",
                b";a= b",
                b" ;a",
                b";a=b c",
                b";a:b",
            ),
            *(b';a="', b';a="b"c', b';a="\\"', b';a="\0"', b';a="\r\n"', b';a="\\\r\n"', b';"a"'),
        ):
            self.assertEqual(complaint(b"1" + bad + b"\r\n"), "malformed chunk size", bad)

    def test_longLine(self) -> None:
        """A size line over the limit is refused, whether it ends or not."""
        self.assertEqual(complaint(b"1;" + b"a" * 60 + b"\r\n"), "more")
        self.assertEqual(complaint(b"1;" + b"a" * 61 + b"\r\n"), "chunk extensions over the limit")
        self.assertEqual(complaint(b"1;" + b"a" * 70), "malformed chunk size")

    def test_payloadEnds(self) -> None:
        """After a payload comes CR LF."""
        for end in (b"b", b"\n", b"\rX", b"\r\r", b"0\r\n"):
            self.assertEqual(complaint(b"1\r\na" + end), "a chunk is longer than its size", end)

    def test_trailers(self) -> None:
        """Trailers are fields like those of a head."""
        for bad in (
            b"Foo\r\n",
            b"X : 1\r\n",
            b": 1\r\n",
            b"X: 1\n",
            b"X: \0\r\n",
            b"X: 1\r\n 2\r\n",
        ):
            self.assertEqual(complaint(b"0\r\n" + bad + b"\r\n"), "malformed trailer", bad)
        self.assertEqual(complaint(b"0\r\n\n"), "malformed trailer")

    def test_forbiddenTrailers(self) -> None:
        """No trailer can change what a message is, where it goes or who sent it."""
        names = (
            b"Content-Length transfer-encoding Host Authorization Cookie Set-Cookie Connection TE"
        )
        names += b" Trailer Upgrade Expect Content-Type Proxy-Authorization X-Edgemesh-Reason"
        names += b" X-Forwarded-For Via Forwarded Keep-Alive Content-Encoding Content-Range"
        for name in names.split():
            for before in (b"", b"X: 1\r\n"):
                data = b"0\r\n" + before + name + b": 1\r\n\r\n"
                self.assertEqual(complaint(data), "a trailer that may not be one", name)

    def test_namesLikeForbiddenOnes(self) -> None:
        """A trailer that only looks like one of those passes."""
        self.assertEqual(
            complaint(b"0\r\nX-Host: 1\r\nHost-X: 2\r\nA: host: 3\r\n\r\n"), "finished"
        )

    def test_longTrailers(self) -> None:
        """Trailers over the limit are refused, whether they end or not."""
        self.assertEqual(complaint(b"0\r\nX: " + b"a" * 193 + b"\r\n\r\n"), "finished")
        for end in (b"\r\n\r\n", b""):
            refused = complaint(b"0\r\nX: " + b"a" * 200 + end)
            self.assertEqual(refused, "trailers over the limit")

    def test_nothingLeaves(self) -> None:
        """No byte of a malformed line leaves, however it comes."""
        for line in (b"1;a=\r\n", b"zz\r\n", b"0\r\nHost: c\r\n\r\n", b"0\r\nX: \0\r\n\r\n"):
            chunks = body()
            out = chunks.feed(b"1\r\na\r\n")
            with self.assertRaises(RemoteProtocolError):
                for at in range(len(line)):
                    out += chunks.feed(line[at : at + 1])
            self.assertIn(out, (b"1\r\na\r\n", b"1\r\na\r\n0\r\n"))
            self.assertFalse(chunks.finished)

    def test_blame(self) -> None:
        """Whose fault it is, is said by who reads."""
        chunks = ChunkedBody(64, 200, BAD_RESPONSE)
        error = self.assertRaises(RemoteProtocolError, chunks.feed, b"zz\r\n")
        self.assertIs(error.failure, BAD_RESPONSE)

    @given(
        data=st.lists(st.sampled_from([bytes([c]) for c in b'05aF;="\\x:\r\n\r\n\0 ']), max_size=40)
    )
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_garbage(self, data: list[bytes]) -> None:
        """Any bytes get the same verdict in one piece and one by one."""
        joined = b"".join(data)
        chunks = body()
        verdict = "more"
        try:
            for one in data:
                if chunks.finished:
                    break
                chunks.feed(one)
        except RemoteProtocolError as error:
            verdict = error.detail
        self.assertEqual("finished" if chunks.finished else verdict, complaint(joined))
