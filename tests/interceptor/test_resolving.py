"""Tests of edgemesh/interceptor/resolving.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.interceptor.resolving import ResolverChain
from edgemesh.interfaces import Verdict
from edgemesh.protocols.grpc.resolver import GRPCResolver
from edgemesh.protocols.http.resolver import HTTPResolver
from edgemesh.protocols.tcp.resolver import TCPResolver
from edgemesh.protocols.tls.resolver import TLSResolver
from tests.protocols.samples import GRPC, HTTP, OPAQUE, TLS


def standardChain() -> ResolverChain:
    """The default order."""
    return ResolverChain([HTTPResolver(), GRPCResolver(), TLSResolver(), TCPResolver()])


class ResolverChainTests(SynchronousTestCase):
    """First bytes are taken for the first protocol that is sure of them."""

    def test_everySplit(self) -> None:
        """Every sample gets its protocol, byte by byte or in one piece."""
        chain = standardChain()
        for name, samples in (("http", HTTP), ("grpc", GRPC), ("tls", TLS), ("tcp", OPAQUE)):
            for data in samples:
                self.assertEqual(chain.resolve(data, False), name, data)
                found = {chain.resolve(data[:end], False) for end in range(1, len(data))}
                self.assertLessEqual(found, {None, name}, data)

    def test_orderDecides(self) -> None:
        """A resolver further ahead that is in doubt holds the others back."""
        first = ResolverChain([TCPResolver(), HTTPResolver()])
        self.assertEqual(first.resolve(b"GET ", False), "tcp")
        last = ResolverChain([HTTPResolver(), TCPResolver()])
        self.assertIsNone(last.resolve(b"GET ", False))

    def test_quiet(self) -> None:
        """A caller that wrote a word and waits is relayed; half a request is waited for."""
        self.assertEqual(standardChain().resolve(b"ruok", True), "tcp")
        self.assertIsNone(standardChain().resolve(b"GE", True))

    def test_guess(self) -> None:
        """When time is up the first one in doubt gets the connection."""
        self.assertEqual(standardChain().guess(b"GET /"), "http")
        self.assertEqual(standardChain().guess(b"PRI * HT"), "grpc")
        self.assertEqual(standardChain().guess(b"\x16\x03\x01\x00"), "tls")
        self.assertEqual(standardChain().guess(b"ruok"), "tcp")

    def test_fallback(self) -> None:
        """When everybody rejects, the last one has to do."""
        chain = ResolverChain([HTTPResolver(), TLSResolver()])
        self.assertEqual(chain.resolve(b"\0", False), "tls")
        self.assertEqual(chain.guess(b"\0"), "tls")

    def test_defect(self) -> None:
        """A plugin that fails at some bytes costs nobody the connection, and is logged."""

        class Broken(TCPResolver):
            def resolve(self, data: bytes, quiet: bool) -> Verdict:
                raise ZeroDivisionError("a stranger's defect")

        chain = ResolverChain([Broken(), HTTPResolver(), TCPResolver()])
        self.assertEqual(chain.resolve(b"GET / HTTP/1.1\r\n", False), "http")
        self.assertEqual(chain.guess(b"\x00"), "tcp")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_empty(self) -> None:
        """A node without protocols cannot start."""
        self.assertRaises(ConfigurationError, ResolverChain, [])
