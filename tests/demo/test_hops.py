"""Tests of edgemesh.demo.hops."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.hops import hopsOf
from tests.demo.samples import CHAIN, HOPS, STOPPED, line


class HopsTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.hops.hopsOf`."""

    def test_answered(self) -> None:
        """A call that reached an app passed every handler on both sides."""
        self.assertEqual(hopsOf(CHAIN, line("demo-1")), HOPS)

    def test_refused(self) -> None:
        """The way of a refused call ends at the handler that refused it."""
        self.assertEqual(hopsOf(CHAIN, line("demo-1", "RL")), STOPPED)

    def test_noRoute(self) -> None:
        """An unknown name is refused by the first handler."""
        self.assertEqual(hopsOf(CHAIN, line("demo-1", "NR", "")).outbound, ("router",))

    def test_endpointFailed(self) -> None:
        """A call that failed at the endpoint has passed the chain all the same."""
        self.assertEqual(hopsOf(CHAIN, line("demo-1", "UT")).inbound, ("QPS",))

    def test_asConfigured(self) -> None:
        """Order and names are the node's, not the demo's."""
        chain = {"outbound": [{"handler": "router"}, {"handler": "audit"}], "inbound": []}
        hops = hopsOf(chain, line("demo-1"))
        self.assertEqual((hops.outbound, hops.inbound), (("router", "audit"), ()))
