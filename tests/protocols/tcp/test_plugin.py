"""Tests of edgemesh/protocols/tcp/plugin.py."""

from __future__ import annotations

from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IMeshProtocol, IResolver, ITransportClient
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tcp.plugin import TCP
from tests.protocols.meshes import KEY, Bench
from tests.protocols.samples import EVERY


class PluginTests(SynchronousTestCase):
    """The protocol registers as a stranger's would."""

    def test_interfaces(self) -> None:
        """It is a plugin, and so are its parts what they promise to be."""
        self.assertTrue(verifyObject(IPlugin, TCP))
        self.assertTrue(verifyObject(IMeshProtocol, TCP))
        self.assertTrue(verifyObject(IResolver, TCP.resolver()))
        self.assertTrue(verifyObject(ITransportClient, TCP.client(Bench().mesh)))
        self.assertEqual((TCP.name, TCP.resolver().name), ("tcp", "tcp"))

    def test_serves(self) -> None:
        """A caller is relayed under the protocol's name."""
        bench = Bench()
        server = TCP.server(Accepted(bench.mesh, KEY, False, "10.0.0.9"))
        caller = bench.loop.accept(server)
        caller.says(EVERY[-1])
        caller.ends()
        bench.loop.turn()
        [invocation] = bench.path.decided
        self.assertEqual((invocation.protocol, invocation.asked), ("tcp", KEY))
        endpoint = bench.loop.dialled[0].succeed()
        bench.loop.turn()
        self.assertEqual((endpoint.heard, endpoint.fake.finished), (EVERY[-1], True))
