"""Tests of edgemesh/protocols/tls/plugin.py."""

from __future__ import annotations

from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IMeshProtocol, IResolver, ITransportClient
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tls.plugin import TLS
from tests.protocols.meshes import KEY, Bench
from tests.protocols.samples import EVERY


class PluginTests(SynchronousTestCase):
    """The protocol registers as a stranger's would."""

    def test_interfaces(self) -> None:
        """It is a plugin, and so are its parts what they promise to be."""
        self.assertTrue(verifyObject(IPlugin, TLS))
        self.assertTrue(verifyObject(IMeshProtocol, TLS))
        self.assertTrue(verifyObject(IResolver, TLS.resolver()))
        self.assertTrue(verifyObject(ITransportClient, TLS.client(Bench().mesh)))
        self.assertEqual((TLS.name, TLS.resolver().name), ("tls", "tls"))

    def test_serves(self) -> None:
        """A caller is relayed under the protocol's name."""
        bench = Bench()
        server = TLS.server(Accepted(bench.mesh, KEY, False, "10.0.0.9"))
        caller = bench.loop.accept(server)
        caller.says(EVERY[-1])
        caller.ends()
        bench.loop.turn()
        [invocation] = bench.path.decided
        self.assertEqual((invocation.protocol, invocation.asked), ("tls", KEY))
        endpoint = bench.loop.dialled[0].succeed()
        bench.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (EVERY[-1], True))
