"""Tests of edgemesh/protocols/tls/resolver.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.tls.resolver import TLSResolver
from tests.protocols.samples import GRPC, HTTP, OPAQUE, TLS, byteByByte

resolver = TLSResolver()


class TLSResolverTests(SynchronousTestCase):
    """TLS is recognised by a whole ClientHello."""

    def test_interface(self) -> None:
        """It is a resolver."""
        self.assertTrue(verifyObject(IResolver, resolver))

    def test_everySplit(self) -> None:
        """A real hello is recognised however it is cut, and not before it is whole."""
        for data in TLS:
            self.assertIs(byteByByte(resolver, data), Verdict.CONFIRMED)
            self.assertIs(resolver.resolve(data[:-1], False), Verdict.UNDECIDED)

    def test_quiet(self) -> None:
        """A client that pauses in its hello stays a candidate."""
        self.assertIs(resolver.resolve(TLS[0][:3], True), Verdict.UNDECIDED)

    def test_oversized(self) -> None:
        """A hello too long to read is TLS all the same."""
        start = b"\x16\x03\x01\x40\x00\x01\x00\xff\xff"
        self.assertIs(resolver.resolve(start, False), Verdict.CONFIRMED)

    def test_others(self) -> None:
        """Nothing else is taken for TLS."""
        for data in HTTP + GRPC + OPAQUE:
            self.assertIs(byteByByte(resolver, data), Verdict.REJECTED, data)
