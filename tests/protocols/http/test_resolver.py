"""Tests of edgemesh/protocols/http/resolver.py."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.http.resolver import LONGEST_LINE, METHODS, HTTPResolver
from tests.protocols.samples import EVERY, GRPC, HTTP, OPAQUE, TLS, byteByByte

REJECTED, UNDECIDED, CONFIRMED = Verdict.REJECTED, Verdict.UNDECIDED, Verdict.CONFIRMED
resolver = HTTPResolver()


def resolve(data: bytes, quiet: bool = False) -> Verdict:
    """The verdict of the one resolver there is."""
    return resolver.resolve(data, quiet)


class HTTPResolverTests(SynchronousTestCase):
    """HTTP/1 is recognised by its request line, and nothing else is taken for it."""

    def test_interface(self) -> None:
        """It is a resolver."""
        self.assertTrue(verifyObject(IResolver, resolver))

    def test_requests(self) -> None:
        """Requests are recognised, malformed ones too."""
        for data in HTTP:
            self.assertIs(byteByByte(resolver, data), CONFIRMED, data)

    def test_others(self) -> None:
        """Other protocols are left alone, whatever words they share with HTTP."""
        for data in GRPC + TLS + OPAQUE:
            self.assertIs(byteByByte(resolver, data), REJECTED, data)

    def test_atOnce(self) -> None:
        """The verdict comes with the line end, and not before."""
        self.assertIs(resolve(b"GET / HTTP/1.1\r"), UNDECIDED)
        self.assertIs(resolve(b"GET / HTTP/1.1\r\n"), CONFIRMED)

    def test_binaryAtOnce(self) -> None:
        """A binary protocol does not wait for a second byte."""
        self.assertIs(resolve(b"\x10"), REJECTED)

    def test_everyMethod(self) -> None:
        """A slow caller of any registered method stays a candidate, even when it pauses."""
        for method in METHODS:
            line = method + b" /"
            for end in range(1, len(line) + 1):
                self.assertIs(resolve(line[:end], quiet=True), UNDECIDED, line[:end])

    def test_lenientSpaces(self) -> None:
        """White space that only lenient applications accept does not hide a request."""
        for space in b"\t\v\f\r":
            self.assertIs(resolve(b"GET%c/ HTTP/1.1\r\n" % space), CONFIRMED)

    def test_quietText(self) -> None:
        """A caller that wrote a word and waits for an answer is not kept waiting."""
        self.assertIs(resolve(b"ruok"), UNDECIDED)
        self.assertIs(resolve(b"ruok", quiet=True), REJECTED)

    def test_longestLine(self) -> None:
        """A request line without end is a request, to be answered with 414."""
        line = b"GET /" + b"a" * (LONGEST_LINE - 5)
        self.assertIs(resolve(line[:-1]), UNDECIDED)
        self.assertIs(resolve(line), CONFIRMED)
        self.assertIs(resolve(line + b"a\n"), CONFIRMED)

    def test_longText(self) -> None:
        """Text without end is not."""
        self.assertIs(resolve(b"word " * (LONGEST_LINE // 5 + 1)), REJECTED)

    def test_blankLines(self) -> None:
        """Empty lines before a request do not hide it, even when the caller pauses."""
        self.assertIs(resolve(b"\r\n\n\r", quiet=True), UNDECIDED)
        self.assertIs(resolve(b"\r\n\n\rPUT /a\n"), CONFIRMED)

    @settings(max_examples=200, derandomize=True, deadline=None, database=None)
    @given(st.sampled_from(sorted(METHODS)), st.binary(max_size=40), st.binary(max_size=20))
    def test_neverHidden(self, method: bytes, noise: bytes, more: bytes) -> None:
        """No noise in a line makes a request of a registered method pass unread."""
        noise = noise.replace(b"\n", b"")
        data = method + b" /" + noise + b"\r\n" + more
        if b"RTSP/" not in noise and b"SIP/" not in noise:
            self.assertIs(resolve(data), CONFIRMED)

    @settings(max_examples=150, derandomize=True, deadline=None, database=None)
    @given(st.sampled_from(EVERY), st.integers(0, 60), st.binary(max_size=3))
    @example(b"\nPRI * HTTP/2.0\r\n", 0, b"")
    def test_cutsDoNotMatter(self, sample: bytes, at: int, octets: bytes) -> None:
        """Damaged first bytes get the same verdict however they were cut."""
        data = (sample[:at] + octets + sample[at + len(octets) :])[:80]
        self.assertIs(byteByByte(resolver, data), resolve(data))
