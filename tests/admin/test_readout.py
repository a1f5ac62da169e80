# -*- test-case-name: tests.admin.test_readout -*-
"""What is known of services, and what a call would meet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.readout import EndpointState, chain, matching, services
from edgemesh.meta.policy import QPS, Limit, LoadBalance, Policy
from tests.admin.nodes import FixedCircuit, Node, State


def endpoints(node: Node) -> dict[str, EndpointState]:
    """The endpoints of ``web`` as ``/chain`` shows them."""
    state = chain(node.view, node.table.routes["web.default:80"])
    return {endpoint.address: endpoint for endpoint in state.endpoints}


class ServicesTests(SynchronousTestCase):
    """Every service port in one answer."""

    def test_everyPort(self) -> None:
        """Each port of each Service is listed, and which metadata this was."""
        answer = services(Node().view)
        self.assertEqual(
            [state.service for state in answer.services],
            ["db.store:3306", "db.store:8080", "web.default:80"],
        )
        self.assertEqual((answer.node, answer.version, answer.generation), ("edge-1", "1.2.3", 7))

    def test_endpoint(self) -> None:
        """An endpoint shows where it is and how much it has to do."""
        node = Node()
        live = node.live("10.1.0.1:8000")
        live.inFlight, live.picks, live.circuit = 2, 9, FixedCircuit()
        shown = services(node.view).services[2].endpoints[0]
        self.assertEqual(
            (shown.address, shown.node, shown.pod, shown.local, shown.inFlight, shown.picks),
            ("10.1.0.1:8000", "edge-1", "web-1", True, 2, 9),
        )
        self.assertEqual((shown.circuit, shown.takesCalls), ("CLOSED", True))

    def test_policy(self) -> None:
        """What limits a service can be seen without the configuration file."""
        policy = Policy(
            protocol="http",
            loadBalance=LoadBalance(policy="random"),
            qps=QPS(outbound=Limit(100.0, 10)),
        )
        shown = services(Node(policy=policy).view).services[2]
        self.assertEqual(shown.protocol, "http")
        self.assertEqual(shown.policy.loadBalance, "random")
        self.assertEqual((shown.policy.outboundQPS, shown.policy.inboundQPS), (100.0, None))


class ChainTests(SynchronousTestCase):
    """What a call to one service port would meet, and why."""

    def test_order(self) -> None:
        """The handlers come in the order in which a call passes them."""
        node = Node()
        state = chain(node.view, node.table.routes["web.default:80"])
        self.assertEqual(
            [(stage.handler, stage.explain) for stage in state.outbound[1:]],
            [("qps", "100 calls a second"), ("bizkeeper", "closed")],
        )
        self.assertEqual(state.outbound[0].handler, "router")
        self.assertIn("finds the service port", state.outbound[0].explain)

    def test_nothingConfigured(self) -> None:
        """A handler without anything to do is shown as such."""
        node = Node()
        state = chain(node.view, node.table.routes["web.default:80"])
        self.assertEqual(state.inbound[0].handler, "qps")
        self.assertIn("nothing is configured", state.inbound[0].explain)

    def test_notReady(self) -> None:
        """An endpoint that takes no call says why not."""
        node = Node()
        live = node.live("10.1.0.1:8000")
        for change, why in (({"ready": False}, "not ready"), ({"terminating": True}, "terminat")):
            original = live.endpoint
            live.endpoint = type(original)("10.1.0.1", 8000, **change)
            shown = endpoints(node)["10.1.0.1:8000"]
            live.endpoint = original
            self.assertFalse(shown.takesCalls)
            self.assertIn(why, shown.why)

    def test_noWeight(self) -> None:
        """Weight 0 takes an endpoint out of service."""
        node = Node()
        node.live("10.1.0.1:8000").weight = 0
        self.assertIn("weight", endpoints(node)["10.1.0.1:8000"].why)

    def test_openCircuit(self) -> None:
        """An open circuit keeps calls away from its endpoint."""
        node = Node()
        node.live("10.1.0.1:8000").circuit = FixedCircuit(State.OPEN)
        shown = endpoints(node)["10.1.0.1:8000"]
        self.assertEqual((shown.takesCalls, shown.circuit), (False, "OPEN"))
        self.assertEqual(shown.why, "its circuit is OPEN")

    def test_localFirst(self) -> None:
        """An endpoint elsewhere says that those of this node go first."""
        self.assertIn("no endpoint of this node", endpoints(Node())["10.2.0.1:8000"].why)

    def test_noneLocal(self) -> None:
        """When no local endpoint can take a call, those elsewhere do without condition."""
        node = Node()
        for address in ("10.1.0.1:8000", "10.1.0.2:8000"):
            node.live(address).circuit = FixedCircuit(State.OPEN)
        shown = endpoints(node)["10.2.0.1:8000"]
        self.assertEqual((shown.takesCalls, shown.why), (True, ""))

    def test_lastChoice(self) -> None:
        """After failed connections an endpoint is the last choice for a while."""
        node = Node()
        live = node.live("10.1.0.1:8000")
        live.avoidUntil, live.dialFailures = node.now + 2, 2
        shown = endpoints(node)["10.1.0.1:8000"]
        self.assertTrue(shown.takesCalls)
        self.assertEqual(shown.why, "last choice for 2.0 s: 2 failed connections in a row")

    def test_changesNothing(self) -> None:
        """Asking is free: it is no call."""
        node = Node()
        endpoints(node)
        self.assertEqual([live.picks for live in node.table.liveEndpoints()], [0, 0, 0])


class MatchingTests(SynchronousTestCase):
    """Which service ports a name may mean."""

    def keys(self, asked: str) -> list[str]:
        return [route.key for route in matching(Node().view, asked)]

    def test_names(self) -> None:
        """All the names by which apps call a Service work here too."""
        for name in ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local"):
            self.assertEqual(self.keys(name), ["web.default:80"], name)
            self.assertEqual(self.keys(f"{name}:80"), ["web.default:80"], name)

    def test_portName(self) -> None:
        """A port may be given by its name."""
        self.assertEqual(self.keys("db:mysql"), ["db.store:3306"])

    def test_several(self) -> None:
        """Without a port, every port of the Service is meant."""
        self.assertEqual(self.keys("db"), ["db.store:3306", "db.store:8080"])

    def test_unknown(self) -> None:
        """Nothing is guessed."""
        for name in ("", ":80", "we", "web.store", "web:81", "web.default.pod", "default.web"):
            self.assertEqual(self.keys(name), [], name)
