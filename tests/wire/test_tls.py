"""Tests of edgemesh/wire/tls.py."""

from __future__ import annotations

import ssl

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import RemoteProtocolError
from edgemesh.wire.tls import CAP, ClientHello, OversizedHello, parseClientHello
from tests.wire.hellos import helloBytes, hellosOfOpenSSL, inRecords

#: A hello's body, in hexadecimal digits: its version, its random number, and the fields.
HELLO = "0303" + "72" * 32 + "{session}{ciphers}{compression}{rest}"


def framed(body: str) -> bytes:
    """A hello of these hexadecimal digits, in a record."""
    octets = bytes.fromhex(body)
    return inRecords(b"\x01" + len(octets).to_bytes(3, "big") + octets, 4096)


def verdict(data: bytes) -> object:
    """What the parser makes of some bytes, mistakes included."""
    try:
        return parseClientHello(data)
    except RemoteProtocolError as error:
        return error.detail


class ClientHelloTests(SynchronousTestCase):
    """What a TLS client asks for is read from its first flight."""

    def test_openSSL(self) -> None:
        """The name and the protocols of a real client's hello are found."""
        hello = hellosOfOpenSSL("b.default", ["h2", "http/1.1"])
        self.assertEqual(parseClientHello(hello), ClientHello(b"b.default", (b"h2", b"http/1.1")))

    def test_noName(self) -> None:
        """A client that names no server is understood."""
        self.assertEqual(parseClientHello(hellosOfOpenSSL("", [])), ClientHello())

    def test_tls12(self) -> None:
        """A client that knows no newer version than TLS 1.2 is understood."""
        hello = hellosOfOpenSSL("old", ["x"], ssl.TLSVersion.TLSv1_2)
        self.assertEqual(parseClientHello(hello), ClientHello(b"old", (b"x",)))

    def test_noExtensions(self) -> None:
        """A hello may end before its extensions."""
        self.assertEqual(
            parseClientHello(inRecords(helloBytes(extensions=None), 99)), ClientHello()
        )

    def test_everySplit(self) -> None:
        """However few bytes have come, the answer is "more" until it is whole."""
        hello = hellosOfOpenSSL("b", ["h2"])
        for cut in range(len(hello)):
            self.assertIsNone(parseClientHello(hello[:cut]))

    def test_recordsOfEverySize(self) -> None:
        """A hello cut into records is the same hello."""
        hello = helloBytes(name=b"svc.ns")
        for size in range(1, len(hello)):
            self.assertEqual(parseClientHello(inRecords(hello, size)), ClientHello(b"svc.ns"))

    def test_tooManyRecords(self) -> None:
        """Bytes in records of their own may not cost us ever more work."""
        hello = helloBytes(name=b"b", padding=2000)
        self.assertEqual(parseClientHello(inRecords(hello, 3)), ClientHello(b"b"))
        self.assertRaises(RemoteProtocolError, parseClientHello, inRecords(hello, 1))

    def test_surplusIgnored(self) -> None:
        """What follows the hello is not looked at."""
        hello = hellosOfOpenSSL("b", [])
        self.assertEqual(parseClientHello(hello + b"\xff" * 9), ClientHello(b"b"))

    def test_oversized(self) -> None:
        """A hello over the cap is told apart from garbage as soon as it says so."""
        start = b"\x16\x03\x01\x00\x80\x01" + (CAP + 1).to_bytes(3, "big")
        self.assertIsNone(parseClientHello(start[:-1]))
        self.assertRaises(OversizedHello, parseClientHello, start)

    def test_atTheCap(self) -> None:
        """A hello of exactly the cap is read."""
        padding = CAP - len(helloBytes(name=b"b", padding=0)) + 4
        hello = inRecords(helloBytes(name=b"b", padding=padding), 16_384)
        self.assertEqual(parseClientHello(hello), ClientHello(b"b"))

    def test_refused(self) -> None:
        """Bytes that cannot become a ClientHello are refused at the byte that shows it."""
        for bad in (
            b"\x17",
            b"\x16\x02",
            b"\x16\x03\x05",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\x40\x01",
            b"\x16\x03\x01\x00\x05\x02",
        ):
            self.assertIsNone(parseClientHello(bad[:-1]))
            self.assertRaises(RemoteProtocolError, parseClientHello, bad)

    def test_badNames(self) -> None:
        """A server name that two readers could take in two ways is refused."""
        for name in (b"", b"a\0b", b"a b", b"\xc3\xa4", b"x" * 256):
            bad = inRecords(helloBytes(name=name, force=True), 4096)
            self.assertRaises(RemoteProtocolError, parseClientHello, bad)

    def test_impossible(self) -> None:
        """So is one whose fields no client sends, as another reader may read it otherwise."""
        good = HELLO.format(session="00", ciphers="00021301", compression="0100", rest="")
        self.assertEqual(verdict(framed(good)), ClientHello())
        for part, field, why in (
            ("session", "21" + "00" * 33, "session id too long"),
            ("ciphers", "0000", "impossible list of ciphers"),
            ("ciphers", "0003130113", "impossible list of ciphers"),
            ("compression", "00", "no compression method"),
            ("rest", "000000", "bytes behind the last field"),
            ("rest", "0006001000020005", "a field is longer than what holds it"),
            ("rest", "000700100003000100", "an empty application protocol"),
        ):
            fields = {"session": "00", "ciphers": "00021301", "compression": "0100", "rest": ""}
            bad = framed(HELLO.format(**fields | {part: field}))
            self.assertIn(why, str(verdict(bad)), field)

    def test_otherKindOfName(self) -> None:
        """A name of a kind that nobody has defined is none of ours."""
        fields = {"session": "00", "ciphers": "00021301", "compression": "0100"}
        hello = framed(HELLO.format(**fields, rest="000a0000000600040100" + "0178"))
        self.assertEqual(verdict(hello), ClientHello())

    def test_twoNames(self) -> None:
        """A hello with two server name extensions is refused."""
        bad = inRecords(helloBytes(name=b"a", again=True), 4096)
        self.assertRaises(RemoteProtocolError, parseClientHello, bad)

    @settings(max_examples=150, derandomize=True, deadline=None, database=None)
    @given(st.integers(0, 400), st.integers(0, 255), st.integers(1, 400))
    def test_mutations(self, at: int, octet: int, size: int) -> None:
        """A damaged hello is read, refused or waited for; nothing else happens."""
        hello = bytearray(inRecords(helloBytes(name=b"b.default", padding=40), size))
        hello[at % len(hello)] = octet
        last: object = None
        for end in range(0, len(hello) + 1, 7):
            if last is not None:
                self.assertEqual(verdict(bytes(hello[:end])), last)
            last = verdict(bytes(hello[:end]))

    @settings(max_examples=100, derandomize=True, deadline=None, database=None)
    @given(st.binary(max_size=300))
    def test_garbage(self, data: bytes) -> None:
        """Garbage inside a well-formed message is refused or read, never a defect."""
        message = b"\x01" + len(data).to_bytes(3, "big") + data
        verdict(inRecords(message, 4096))
