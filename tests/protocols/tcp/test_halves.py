"""Tests of edgemesh/protocols/tcp/halves.py."""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.protocols.tcp.relay import tunnel
from tests.protocols.meshes import Bench


class HalfTests(SynchronousTestCase):
    """Each side of a relay is what Twisted's transports expect."""

    def setUp(self) -> None:
        bench = Bench()
        self.caller = bench.loop.accept(Protocol())
        self.endpoint = bench.loop.accept(Protocol())
        self.relay = tunnel(bench.mesh, bench.invocation(), self.caller, self.endpoint)
        self.loop = bench.loop

    def test_interfaces(self) -> None:
        """Both are protocols that know half-close, and producers."""
        for half in (self.relay.caller, self.relay.endpoint):
            for interface in (IProtocol, IHalfCloseableProtocol, IPushProducer):
                self.assertTrue(verifyObject(interface, half))

    def test_producers(self) -> None:
        """Each is the producer of the other side's transport and pauses its own."""
        self.assertIs(self.endpoint.producer, self.relay.caller)
        self.assertIs(self.caller.producer, self.relay.endpoint)
        self.relay.caller.pauseProducing()
        self.assertFalse(self.loop.isReading(self.caller))
        self.assertTrue(self.loop.isReading(self.endpoint))
        self.relay.caller.resumeProducing()
        self.assertTrue(self.loop.isReading(self.caller))
