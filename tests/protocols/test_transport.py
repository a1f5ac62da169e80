"""Tests for :mod:`edgemesh.protocols.transport`."""

from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.handlers.chain import Chain
from edgemesh.interfaces import Side
from edgemesh.protocols.transport import TransportServer


class TransportServerTests(SynchronousTestCase):
    """Tests for :class:`TransportServer`."""

    def setUp(self):
        self.inbound = Chain(Side.INBOUND, [])

    def test_nameAndChain(self):
        """It is found by its protocol's name and shows the chain that calls pass."""
        server = TransportServer("http", self.inbound, None)
        self.assertEqual((server.name, server.protocol), ("transport-http", "http"))
        self.assertIs(server.inbound, self.inbound)

    def test_inTheProcessOnly(self):
        """Without an address nothing listens."""
        self.assertEqual(list(TransportServer("http", self.inbound, None)), [])

    def test_listener(self):
        """With an address its listener starts and stops with it."""
        listener = Service()
        server = TransportServer("http", self.inbound, listener)
        server.startService()
        self.assertTrue(listener.running)
        server.stopService()
        self.assertFalse(listener.running)
