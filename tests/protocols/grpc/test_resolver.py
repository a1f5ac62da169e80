"""Tests of edgemesh/protocols/grpc/resolver.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.grpc.resolver import PREFACE, GRPCResolver
from tests.protocols.samples import GRPC, HTTP, OPAQUE, TLS, byteByByte

resolver = GRPCResolver()


class GRPCResolverTests(SynchronousTestCase):
    """gRPC is recognised by the 24 bytes that every HTTP/2 client sends first."""

    def test_interface(self) -> None:
        """It is a resolver."""
        self.assertTrue(verifyObject(IResolver, resolver))

    def test_preface(self) -> None:
        """The preface alone confirms; before it is whole nothing is sure, pause or not."""
        self.assertIs(resolver.resolve(PREFACE, False), Verdict.CONFIRMED)
        for end in range(1, len(PREFACE)):
            self.assertIs(resolver.resolve(PREFACE[:end], True), Verdict.UNDECIDED)

    def test_everySplit(self) -> None:
        """What follows the preface changes nothing."""
        for data in GRPC:
            self.assertIs(byteByByte(resolver, data), Verdict.CONFIRMED)

    def test_others(self) -> None:
        """Nothing else is taken for gRPC."""
        for data in HTTP + TLS + OPAQUE:
            self.assertIs(byteByByte(resolver, data), Verdict.REJECTED, data)
