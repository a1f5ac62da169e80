"""An endpoint's answer: its head is read in one way, or not at all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import RemoteProtocolError
from edgemesh.wire.fields import CHUNKED, UNTIL_CLOSE
from edgemesh.wire.response import parseResponse
from tests.wire.heads import answer, answered, badAnswer


class ResponseTests(SynchronousTestCase):
    """What is read from an answer's head."""

    def test_plain(self) -> None:
        """A plain answer says its status and how long it is."""
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        head = answer(data + b"abc")
        self.assertEqual((head.status, head.body, head.end), (200, 3, len(data)))
        self.assertIs(head.forward(b""), head.raw)
        self.assertEqual(repr(head), "<ResponseHead 200 body=3>")
        for end in range(len(data)):
            self.assertIsNone(parseResponse(data[:end], b"GET", 1_000, 20))

    def test_statusLines(self) -> None:
        """The status is three digits; the reason is anything or nothing."""
        for line in (b"HTTP/1.1 204", b"HTTP/1.1 204 ", b"HTTP/1.1 204  a\tb\xe9"):
            self.assertEqual(answered(start=line).status, 204)
        for line in (
            *(
                b"HTTP/1.1 2000 OK",
                b"HTTP/1.1 200OK",
                b"HTTP/1.1 20 OK",
                b"HTTP/1.1 099 X",
                b"200 OK",
            ),
            *(
                b"HTTP/2.0 200 OK",
                b"HTTP/1.1  200 OK",
                b"http/1.1 200 OK",
                b"HTTP/1.1 200 O\0K",
                b"",
            ),
        ):
            self.assertTrue(badAnswer(start=line), line)

    def test_otherProtocol(self) -> None:
        """An endpoint that speaks something else is found out at its first bytes."""
        self.assertRaises(RemoteProtocolError, parseResponse, b"SSH-2", b"GET", 1_000, 20)
        self.assertIsNone(parseResponse(b"HTT", b"GET", 1_000, 20))

    def test_bodies(self) -> None:
        """A length, chunks, or the close say where an answer ends."""
        self.assertEqual(answered(b"Content-Length: 5").body, 5)
        self.assertEqual(answered(b"Transfer-Encoding: Chunked").body, CHUNKED)
        self.assertEqual(answered().body, UNTIL_CLOSE)
        self.assertEqual(answered(start=b"HTTP/1.0 200 OK").body, UNTIL_CLOSE)

    def test_bodyless(self) -> None:
        """Answers to HEAD, and 1xx, 204 and 304, have no body whatever they say."""
        for lines in ((), (b"Content-Length: 5",), (b"Transfer-Encoding: chunked",)):
            self.assertEqual(answered(*lines, method=b"HEAD").body, 0)
            for status in (b"100", b"103", b"204", b"304"):
                head = answered(*lines, start=b"HTTP/1.1 " + status + b" X")
                self.assertEqual(head.body, 0)
                self.assertTrue(head.reusable)

    def test_noLengthWithoutBody(self) -> None:
        """1xx and 204 leave without a length; HEAD and 304 keep it."""
        line = b"Content-Length: 5"
        for status in (b"100", b"204"):
            head = answered(line, start=b"HTTP/1.1 " + status + b" X")
            self.assertNotIn(b"ontent-", head.forward(b""))
        self.assertIn(line, answered(line, start=b"HTTP/1.1 304 X").forward(b""))
        self.assertIn(line, answered(line, method=b"HEAD").forward(b""))

    def test_ambiguous(self) -> None:
        """An answer of doubtful length is never forwarded."""
        length, coding = b"Content-Length: 5", b"Transfer-Encoding: chunked"
        for lines in (
            *((length, length), (length, coding), (coding, length), (coding, coding)),
            *((b"Content-Length: 5, 5",), (b"Content-Length: +5",), (b"Content-Length:",)),
            *((b"Transfer-Encoding: gzip, chunked",), (b"Transfer-Encoding: identity",)),
        ):
            self.assertTrue(badAnswer(*lines), lines)
        self.assertTrue(badAnswer(coding, start=b"HTTP/1.0 200 OK"))

    def test_malformed(self) -> None:
        """Nor is one whose fields are malformed."""
        for line in (b"X: 1\n", b"X: 1\rY: 2", b"X: \0", b" X: 1", b"X : 1", b"X", b"X: 1\r\n 2"):
            self.assertTrue(badAnswer(line), line)

    def test_old(self) -> None:
        """An answer in HTTP/1.0 leaves as HTTP/1.1, like all of the mesh's."""
        head = answered(b"X: 1", start=b"HTTP/1.0 200 Fine")
        self.assertEqual(head.forward(b""), b"HTTP/1.1 200 Fine\r\nX: 1\r\n\r\n")


#: Fields that matter to the connection, the one that most endpoints send among them.
_FIELDS = st.lists(
    st.sampled_from(
        (
            *(b"Connection: keep-alive", b"connection: Keep-Alive", b"Connection:keep-alive"),
            *(b"Connection: keep-alive, X-A", b"Connection: close", b"Connection: x-b"),
            *(b"Keep-Alive: timeout=5", b"X-A: 1", b"X-B: Connection: keep-alive", b"X-C:"),
        )
    ),
    max_size=5,
)


class HopByHopTests(SynchronousTestCase):
    """What is for the endpoint's connection alone."""

    @given(fields=_FIELDS, minor=st.sampled_from((0, 1)), size=st.integers(0, 5))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_anyFields(self, fields: list[bytes], minor: int, size: int) -> None:
        """Wherever and however often they stand, they go, the rest stays, and are obeyed."""
        options = {b"connection", b"keep-alive"}
        for field in fields:
            name, _, value = field.partition(b":")
            if name.lower() == b"connection":
                options |= {option.strip().lower() for option in value.split(b",")}
        known = list(fields)
        known.insert(min(size, len(known)), b"Content-Length: 0")
        kept = [f for f in known if f.partition(b":")[0].lower() not in options]
        start = b"HTTP/1.%d 200 OK\r\n" % minor
        head = answer(start + b"".join(f + b"\r\n" for f in known) + b"\r\n")
        for insert in (b"", b"Via: x\r\n"):
            sent = b"HTTP/1.1 200 OK\r\n" + b"".join(f + b"\r\n" for f in kept) + insert + b"\r\n"
            self.assertEqual(head.forward(insert), sent)
        stays = any(
            f.lower().startswith(b"connection:") and b"keep-alive" in f.lower() for f in fields
        )
        self.assertEqual(head.reusable, b"close" not in options and (minor == 1 or stays))

    def test_reusable(self) -> None:
        """An endpoint's connection is kept as long as its answer has an end of its own."""
        length = b"Content-Length: 0"
        self.assertTrue(answered(length).reusable)
        self.assertFalse(answered(length, b"Connection: close").reusable)
        self.assertFalse(answered(length, start=b"HTTP/1.0 200 OK").reusable)
        kept = answered(length, b"Connection: keep-alive", start=b"HTTP/1.0 200 OK")
        self.assertTrue(kept.reusable)
        self.assertFalse(answered(b"Connection: keep-alive").reusable)
