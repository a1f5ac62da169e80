"""Field lines: found by name, cut by name, bounded in number and work."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import BAD_REQUEST, BAD_RESPONSE, HEAD_TOO_LARGE, Failure, RemoteProtocolError
from edgemesh.wire.fields import Head, complainOfFields
from edgemesh.wire.http1 import parseRequest

START = b"GET / HTTP/1.1\r\n"
_TOKENS = st.sampled_from((b"a", b"A", b"x-a", b"X-A-B", b"via", b"X!", b"aa"))
_VALUES = st.sampled_from((b"", b" 1", b"a:b", b"x-a: 1", b"\xff\t", b" a, b"))
_LINES = st.lists(st.tuples(_TOKENS, _VALUES), max_size=8)


def headOf(*lines: bytes) -> Head:
    """A head with these field lines."""
    return Head(START + b"".join(line + b"\r\n" for line in lines) + b"\r\n", len(START) - 1, 1)


class HeaderTests(SynchronousTestCase):
    """Reading one field."""

    def test_anyCase(self) -> None:
        """A handler finds a field however the caller spelled its name."""
        self.assertEqual(headOf(b"X-Session: Abc").header(b"x-session"), b"Abc")

    def test_padding(self) -> None:
        """White space around a value is no part of it."""
        self.assertEqual(headOf(b"X:\t a b \t").header(b"x"), b"a b")

    def test_first(self) -> None:
        """Of several fields of one name the first counts."""
        self.assertEqual(headOf(b"A: 1", b"a: 2").header(b"a"), b"1")

    def test_empty(self) -> None:
        """An empty field is there, a missing one is not."""
        head = headOf(b"A:")
        self.assertEqual((head.header(b"a"), head.header(b"b")), (b"", None))

    def test_wholeNames(self) -> None:
        """Neither a longer name nor a value is taken for the field."""
        self.assertIsNone(headOf(b"X-A: 1", b"A-X: 2", b"B: a: 3").header(b"a"))

    def test_notFromTheStartLine(self) -> None:
        """The request line has no fields."""
        head = Head(b"GET /?host: HTTP/1.1\r\n\r\n", 21, 1)
        self.assertIsNone(head.header(b"get /?host"))


class CutTests(SynchronousTestCase):
    """Leaving fields out."""

    def test_nothing(self) -> None:
        """Without anything to cut the fields are those that came."""
        self.assertEqual(headOf(b"A: 1", b"B: 2")._fields(), b"A: 1\r\nB: 2\r\n")

    def test_everyOne(self) -> None:
        """All fields of a name go, wherever they are; the others stay as they were."""
        head = headOf(b"x: 0", b"A:1", b"X:2", b"aX: 3", b"X: 4")
        head.cut(b"x")
        self.assertEqual(head._fields(), b"A:1\r\naX: 3\r\n")

    def test_all(self) -> None:
        """Nothing may be left at all."""
        head = headOf(b"A: 1", b"B: 2")
        head.cut(b"a")
        head.cut(b"b")
        self.assertEqual(head._fields(), b"")

    def test_twice(self) -> None:
        """A retry cuts the same as the first attempt did."""
        head = headOf(b"A: 1", b"B: 2")
        head.cut(b"a")
        self.assertEqual(head._fields(), head._fields())

    @given(lines=_LINES, names=st.sets(_TOKENS.map(bytes.lower), max_size=12))
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_property(self, lines: list[tuple[bytes, bytes]], names: set[bytes]) -> None:
        """What is cut is gone; what is not cut is there, in order, byte for byte."""
        head = headOf(*(name + b":" + value for name, value in lines))
        for name in names:
            head.cut(name)
        for number in range(20):  # so many that they are looked up the other way round
            if len(names) % 2:
                head.cut(b"absent-%d" % number)
        kept = [n + b":" + v + b"\r\n" for n, v in lines if n.lower() not in names]
        self.assertEqual(head._fields(), b"".join(kept))


class ConnectionTests(SynchronousTestCase):
    """The options of a Connection field."""

    def options(self, value: bytes) -> tuple[bool, bool, bool]:
        """Close, keep-alive and upgrade in this value."""
        return headOf()._readConnection(value, BAD_REQUEST)

    def test_words(self) -> None:
        """The three words that mean something are found in any list."""
        self.assertEqual(self.options(b"close"), (True, False, False))
        self.assertEqual(self.options(b" ,keep-alive\t, upgrade,"), (False, True, True))
        self.assertEqual(self.options(b"closed, x-close"), (False, False, False))

    def test_neverHop(self) -> None:
        """No option makes the mesh drop what routes, frames or authorises a message."""
        for name in (b"host", b"content-length", b"transfer-encoding", b"authorization"):
            error = self.assertRaises(RemoteProtocolError, self.options, b"close, " + name)
            self.assertIs(error.failure, BAD_REQUEST)

    def test_noNames(self) -> None:
        """What is no field name cuts nothing, even when a line begins like it."""
        head = headOf(b"Host:b:80", b"x y: 1")
        head._readConnection(b'host:b, x y, "host", host x', BAD_REQUEST)
        self.assertEqual(head._fields(), b"Host:b:80\r\nx y: 1\r\n")

    def test_thousands(self) -> None:
        """Of thousands of names in a Connection field those that are there are cut."""
        head = headOf(*(b"n%d: 1" % number for number in range(100)))
        head._readConnection(b",".join(b"n%d" % number for number in range(50, 9_000)), BAD_REQUEST)
        self.assertEqual(head._fields(), headOf(*(b"n%d: 1" % n for n in range(50)))._fields())


class ComplainTests(SynchronousTestCase):
    """Fields that have not all come."""

    def complaint(self, fields: bytes, head: int = 100, failure: Failure = BAD_REQUEST) -> str:
        """Which failure some fields lead to, or ``more``."""
        try:
            complainOfFields(START + fields, len(START), head, 3, failure)
        except RemoteProtocolError as error:
            return error.failure.reason
        return "more"

    def test_more(self) -> None:
        """Whatever can still become a head is waited for."""
        for fields in (b"", b"A", b"A:", b"A: b\r", b"A: b\r\n", b"A: b\r\n\r", b"A: b\r\nB: c"):
            self.assertEqual(self.complaint(fields), "more")

    def test_malformed(self) -> None:
        """A whole line that is no field ends the waiting."""
        for fields in (b"A\r\n", b"A: b\n", b"A : b\r\n", b"A: b\r\n c\r\n", b"A: \0\r\n", b"\n"):
            self.assertEqual(self.complaint(fields), BAD_REQUEST.reason)

    def test_tooLarge(self) -> None:
        """Bytes and lines beyond the limits are not waited for."""
        self.assertEqual(self.complaint(b"A: " + b"b" * 100), HEAD_TOO_LARGE.reason)
        self.assertEqual(self.complaint(b"A:\r\n" * 4), HEAD_TOO_LARGE.reason)
        self.assertEqual(self.complaint(b"A:\r\n" * 3), "more")

    def test_tooLargeAnAnswer(self) -> None:
        """An endpoint's head over the limit is the endpoint's fault."""
        self.assertEqual(
            self.complaint(b"A: " + b"b" * 100, failure=BAD_RESPONSE), BAD_RESPONSE.reason
        )


class PossessiveTests(SynchronousTestCase):
    """Lines that a faulty regular expression engine has let through."""

    def test_halfLines(self) -> None:
        """A line that begins like a field and is none is refused by every Python."""
        for line in (b"Foo\r\n", b"X: a\r\r\n", b":\r\n", b"X\r\n\r\n", b"X: \x01\r\n"):
            data = START + b"Host: b\r\n" + line + b"\r\n"
            self.assertRaises(RemoteProtocolError, parseRequest, data, 100, 1000, 100)
