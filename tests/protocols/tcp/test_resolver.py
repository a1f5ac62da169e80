"""Tests of edgemesh/protocols/tcp/resolver.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.tcp.resolver import TCPResolver
from tests.protocols.samples import EVERY, byteByByte


class TCPResolverTests(SynchronousTestCase):
    """No protocol is refused for being unknown."""

    def test_interface(self) -> None:
        """It is a resolver."""
        self.assertTrue(verifyObject(IResolver, TCPResolver()))

    def test_everything(self) -> None:
        """Whatever comes can be relayed."""
        for data in EVERY:
            self.assertIs(byteByByte(TCPResolver(), data), Verdict.CONFIRMED)
