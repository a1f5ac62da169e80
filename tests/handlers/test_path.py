"""Tests of a call's whole way through both chains."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import (
    CALLER_GONE,
    CONNECT_FAILED,
    NO_ENDPOINT,
    RATE_LIMITED,
    UPSTREAM_TIMEOUT,
    Refused,
)
from edgemesh.handlers.bizkeeper import BizKeeperHandler, BizKeeperStage
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.path import CallPath, RetryBudget, failed
from edgemesh.handlers.qps import QPSHandler, QPSStage
from edgemesh.interfaces import Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint
from tests.handlers.samples import KEY, WELL, World, call, connection, endpoints
from tests.handlers.test_chain import Recording

FAILED = Outcome(503, CONNECT_FAILED)


class Observer:
    """Writes down which calls ended how."""

    def __init__(self) -> None:
        self.ended: list[tuple[Invocation, Outcome]] = []

    def callEnded(self, invocation: Invocation, outcome: Outcome) -> None:
        self.ended.append((invocation, outcome))


class Node:
    """A world with both chains and a path through them."""

    def __init__(self, *known: Endpoint, **parts: object) -> None:
        self.world = World(known, **parts)
        self.log: list[str] = []
        self.outbound = self.world.chain(
            LoadBalanceHandler(Random(7)), QPSHandler(), BizKeeperHandler()
        )
        self.inbound = self.world.chain(
            QPSHandler(), Recording("each", self.log, perAttempt=True), side=Side.INBOUND
        )
        self.observer = Observer()
        self.path = CallPath(self.outbound, self.inbound, (self.observer,))

    def apply(self, **parts: object) -> None:
        """Take a change in force."""
        self.world.apply(**parts)
        for chain in (self.outbound, self.inbound):
            chain.apply(self.world.table.routes, self.world.metadata)
        self.path.retain(self.world.table.routes)

    def decided(self, now: float = 1.0, **fields: object) -> Invocation:
        """A call that passed."""
        invocation = call(**fields)
        self.path.decide(invocation, now)
        return invocation

    @property
    def inFlight(self) -> list[int]:
        return [endpoint.inFlight for endpoint in self.world.route.endpoints]


class CallPathTests(SynchronousTestCase):
    """Decide, retry, finish."""

    def test_local(self) -> None:
        """A call to an endpoint on this node passes the inbound chain too."""
        node = Node(*endpoints(1), qps={"inbound": {"limit": 0.001}})
        first = node.decided()
        self.assertEqual(first.attempts, 1)
        self.assertEqual(len(first.inboundStages), 2)
        refusal = self.assertRaises(Refused, node.decided)
        self.assertIs(refusal.failure, RATE_LIMITED)
        self.assertEqual(node.inFlight, [1])

    def test_finder(self) -> None:
        """A chain without a router has its service ports found by another one's."""
        node = Node(*endpoints(1), qps={"outbound": {"limit": 0.001}})
        delivery = node.world.chain(LoadBalanceHandler(Random(7)), side=Side.INBOUND)
        path = CallPath(delivery, node.inbound, (), node.outbound)
        for _ in range(2):
            invocation = call()
            path.decide(invocation, 1.0)
            self.assertIs(invocation.endpoint, node.world.route.endpoints[0])
        self.assertRaises(AssertionError, CallPath(delivery, node.inbound).decide, call(), 1.0)

    def test_elsewhere(self) -> None:
        """A call to another node meets that node's inbound chain, not ours."""
        node = Node(*endpoints(1, node="far"), qps={"inbound": {"limit": 0.001}})
        for _ in range(3):
            self.assertEqual(node.decided().inboundStages, ())

    def test_nobodyPicks(self) -> None:
        """Without LB in the chain a call is refused for want of an endpoint, and keeps no token."""
        node = Node(*endpoints(1), qps={"outbound": {"limit": 0.001}})
        for handlers in ([QPSHandler()], [QPSHandler(), BizKeeperHandler()]):
            node.outbound = node.path.first = node.world.chain(*handlers)
            for _ in range(2):
                refusal = self.assertRaises(Refused, node.decided)
                self.assertIs(refusal.failure, NO_ENDPOINT)
                self.assertIn("picks an endpoint", refusal.detail)

    def test_inboundRefusal(self) -> None:
        """What the inbound chain refuses costs nothing of the outbound limit."""
        node = Node(
            *endpoints(1),
            qps={"outbound": {"limit": 0.001, "burst": 2}, "inbound": {"limit": 0.001}},
        )
        node.decided()
        for _ in range(5):
            self.assertRaises(Refused, node.decided)
        self.assertIn("1.0 would pass", node.outbound.stagesOf(KEY)[1].explain(1.0))

    def test_finish(self) -> None:
        """A call is settled and reported once."""
        node = Node(*endpoints(1))
        invocation = node.decided()
        node.path.finish(invocation, WELL, 2.0)
        self.assertEqual(node.inFlight, [0])
        self.assertEqual(node.observer.ended, [(invocation, WELL)])
        self.assertEqual(node.log, ["each decides", "each settles"])

    def test_refusedIsReported(self) -> None:
        """A refused call is reported too, and settles nothing."""
        node = Node()
        invocation = call()
        self.assertRaises(Refused, node.path.decide, invocation, 1.0)
        node.path.finish(invocation, failed(NO_ENDPOINT, invocation, 1.0), 1.0)
        self.assertEqual([outcome.status for _, outcome in node.observer.ended], [503])

    def test_release(self) -> None:
        """A call that does not happen leaves no trace."""
        node = Node(*endpoints(1), qps={"outbound": {"limit": 0.001}})
        node.path.release(node.decided(), 1.0)
        self.assertEqual((node.inFlight, node.observer.ended), ([0], []))
        node.decided()

    def test_answered(self) -> None:
        """Both chains learn that an opaque connection works."""
        node = Node(*endpoints(1))
        invocation = connection()
        node.path.decide(invocation, 1.0)
        node.path.answered(invocation, 1.1)
        self.assertEqual(node.log, ["each decides", "each is answered"])

    def test_failed(self) -> None:
        """A failure's outcome has its status, or the one asked for, and the time it took."""
        invocation = call(started=1.0)
        outcome = failed(UPSTREAM_TIMEOUT, invocation, 3.5)
        self.assertEqual((outcome.status, outcome.latency), (504, 2.5))
        self.assertEqual(failed(UPSTREAM_TIMEOUT, invocation, 3.5, 204).status, 204)


class RetryTests(SynchronousTestCase):
    """The second attempt."""

    def test_otherEndpoint(self) -> None:
        """A call that could not be sent goes to the other endpoint."""
        node = Node(*endpoints(2))
        invocation = node.decided()
        first = invocation.endpoint
        self.assertTrue(node.path.mayRetry(invocation, 1.0))
        node.path.retry(invocation, FAILED, 1.0)
        self.assertIsNot(invocation.endpoint, first)
        self.assertEqual(sum(node.inFlight), 1)
        self.assertFalse(node.path.mayRetry(invocation, 1.0))
        node.path.finish(invocation, WELL, 2.0)
        self.assertEqual(node.inFlight, [0, 0])

    def test_timeOfTheAttempt(self) -> None:
        """An endpoint is not blamed for the time that was lost with another one."""
        keeper = {
            "circuitBreaker": {"enabled": True, "requestVolumeThreshold": 1},
            "isolation": {"timeoutInMilliseconds": 1000},
        }
        for took, failures in ((0.1, 0), (1.1, 1)):
            node = Node(*endpoints(2), bizKeeper=keeper)
            invocation = node.decided(now=1.0, started=1.0)
            node.path.retry(invocation, FAILED, 2.5)
            node.path.finish(invocation, Outcome(200, None, 1.5 + took), 2.5 + took)
            assert invocation.endpoint is not None
            self.assertIs(invocation.endpoint.circuit.admits(3.7), not failures)

    def test_inboundEachAttempt(self) -> None:
        """An inbound stage that counts attempts sees both, each settled once."""
        node = Node(*endpoints(2))
        invocation = node.decided()
        node.path.retry(invocation, FAILED, 1.0)
        node.path.finish(invocation, WELL, 2.0)
        self.assertEqual(node.log, ["each decides", "each settles"] * 2)

    def test_limitsOnce(self) -> None:
        """A retry costs no second token, on either side."""
        limit = {"limit": 0.001, "burst": 2}
        node = Node(*endpoints(2), qps={"outbound": limit, "inbound": limit})
        invocation = node.decided()
        node.path.retry(invocation, FAILED, 1.0)
        for chain, position in ((node.outbound, 1), (node.inbound, 0)):
            self.assertIn("1.0 would pass", chain.stagesOf(KEY)[position].explain(1.0))

    def test_nobodyElse(self) -> None:
        """Without another endpoint the attempt is over, and the call's token stays spent."""
        node = Node(*endpoints(1), qps={"outbound": {"limit": 0.001, "burst": 2}})
        invocation = node.decided()
        self.assertRaises(Refused, node.path.retry, invocation, FAILED, 1.0)
        self.assertEqual(node.inFlight, [0])
        node.path.finish(invocation, FAILED, 1.0)
        self.assertEqual(node.inFlight, [0])
        self.assertEqual(node.log, ["each decides", "each settles"])
        self.assertIn("1.0 would pass", node.outbound.stagesOf(KEY)[1].explain(1.0))

    def test_retryElsewhere(self) -> None:
        """A retry that leaves this node meets its app's limit no more."""
        node = Node(
            Endpoint("10.0.0.1", 80),
            Endpoint("10.0.0.2", 80, node="far"),
            qps={"inbound": {"limit": 0.001}},
        )
        invocation = node.decided()
        node.path.retry(invocation, FAILED, 1.0)
        self.assertEqual(node.log, ["each decides", "each settles"])
        self.assertEqual(node.inFlight, [0, 1])
        node.path.finish(invocation, WELL, 2.0)
        self.assertEqual(node.log, ["each decides", "each settles"])
        self.assertEqual(node.inFlight, [0, 0])

    def test_inboundRefusesRetry(self) -> None:
        """A retry that lands on this node and is refused there gives its endpoint back only."""
        node = Node(
            Endpoint("10.0.0.1", 80, node="far"),
            Endpoint("10.0.0.2", 80),
            loadBalance={"localFirst": False},
            qps={"inbound": {"limit": 0.001}, "outbound": {"limit": 0.001, "burst": 3}},
        )
        remote, local = node.decided(), node.decided()
        self.assertEqual(node.inFlight, [1, 1])
        self.assertRaises(Refused, node.path.retry, remote, FAILED, 1.0)
        self.assertEqual(node.inFlight, [0, 1])
        node.path.finish(remote, FAILED, 1.0)
        node.path.finish(local, WELL, 1.0)
        self.assertEqual(node.inFlight, [0, 0])
        self.assertIn("1.0 would pass", node.outbound.stagesOf(KEY)[1].explain(1.0))

    def test_switchedOff(self) -> None:
        """No retry where the policy forbids it."""
        node = Node(*endpoints(2), retries=False)
        self.assertFalse(node.path.mayRetry(node.decided(), 1.0))

    def test_serviceGone(self) -> None:
        """A service that is taken away while a call is in flight fails that call only."""
        node = Node(*endpoints(2))
        invocation = node.decided()
        node.path.retain({})
        self.assertFalse(node.path.mayRetry(invocation, 1.0))
        node.path.finish(invocation, FAILED, 1.0)
        self.assertEqual(node.inFlight, [0, 0])

    def test_budget(self) -> None:
        """When everything fails, retries stay within a fifth of the calls."""
        node = Node(*endpoints(2))
        retried = 0
        for _ in range(600):
            invocation = node.decided()
            retried += node.path.mayRetry(invocation, 1.0)
            node.path.finish(invocation, Outcome(500), 1.0)
        # A hundred are there from the start, for the first failures of a quiet service.
        self.assertEqual(retried, 20 + 600 // 5)


class RetryBudgetTests(SynchronousTestCase):
    """What retries may cost."""

    def test_time(self) -> None:
        """A service that is seldom called may still retry ten times a second."""
        budget = RetryBudget(0.0)
        while budget.take(0.0):
            pass
        self.assertEqual(sum(budget.take(1.0) for _ in range(50)), 10)

    def test_cap(self) -> None:
        """A night without failures saves up no storm."""
        budget = RetryBudget(0.0, cap=30.0)
        for _ in range(1000):
            budget.called()
        self.assertEqual(sum(budget.take(3600.0) for _ in range(100)), 30)

    def test_clockBack(self) -> None:
        """An earlier clock reading takes nothing away."""
        budget = RetryBudget(100.0)
        self.assertTrue(budget.take(0.0))


Steps = st.lists(
    st.tuples(
        st.sampled_from(["decide", "retry", "release", "finish", "answered", "change", "wait"]),
        st.integers(0, 9),
    ),
    max_size=60,
)
OUTCOMES = (WELL, FAILED, Outcome(500), Outcome(504, UPSTREAM_TIMEOUT), Outcome(499, CALLER_GONE))
CHANGES: tuple[dict[str, object], ...] = (
    {},
    {"loadBalance": {"policy": "weighted"}},
    {"bizKeeper": {"scope": "service", "isolation": {"maxConcurrentRequests": 2}}},
    {"qps": {"inbound": {"limit": 1, "burst": 2}}},
)


class Session:
    """A random life of a node: many calls at once, each ending in some way."""

    def __init__(self) -> None:
        breaker = {"enabled": True, "requestVolumeThreshold": 2, "sleepWindowInMilliseconds": 500}
        self.strict: dict[str, object] = {
            "bizKeeper": {
                "circuitBreaker": breaker,
                "isolation": {"maxConcurrentRequests": 2},
            },
            "qps": {"outbound": {"limit": 20, "burst": 6}, "inbound": {"limit": 10, "burst": 4}},
        }
        far = Endpoint("10.0.0.9", 80, node="far")
        self.node = Node(*endpoints(3), far, **self.strict)
        self.open: list[Invocation] = []
        self.now = 100.0

    def step(self, action: str, number: int) -> None:
        """One thing happens; ``number`` chooses what to."""
        self.now += 0.01
        path = self.node.path
        if action == "decide":
            self.enter(connection() if number % 3 == 0 else call())
        elif action == "wait":
            self.now += number / 10
        elif action == "change":
            self.node.world.known = endpoints(1 + number % 4)
            self.node.apply(**(CHANGES[number % 4] or self.strict))
        elif self.open:
            invocation = self.open[number % len(self.open)]
            if action == "retry":
                self.retry(invocation, OUTCOMES[number % len(OUTCOMES)])
            elif action == "answered":
                path.answered(invocation, self.now)
            else:
                self.open.remove(invocation)
                outcome = OUTCOMES[number % len(OUTCOMES)]
                rest = (outcome, self.now) if action == "finish" else (self.now,)
                getattr(path, action)(invocation, *rest)

    def enter(self, invocation: Invocation) -> None:
        """A call comes."""
        try:
            self.node.path.decide(invocation, self.now)
        except Refused:
            self.node.path.finish(invocation, FAILED, self.now)
        else:
            self.open.append(invocation)

    def retry(self, invocation: Invocation, outcome: Outcome) -> None:
        """An attempt fails."""
        try:
            self.node.path.retry(invocation, outcome, self.now)
        except Refused:
            self.open.remove(invocation)
            self.node.path.finish(invocation, outcome, self.now)


class GivingBackTests(SynchronousTestCase):
    """Nothing is ever kept."""

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(Steps)
    def test_everythingComesBack(self, steps: list[tuple[str, int]]) -> None:
        """However calls are refused, retried, released and settled, nothing stays taken."""
        session = Session()
        node = session.node
        seen = set(node.world.table.liveEndpoints())
        for action, number in steps:
            session.step(action, number)
            seen.update(node.world.table.liveEndpoints())
            inFlight = sum(endpoint.inFlight for endpoint in seen)
            self.assertEqual(inFlight, len(session.open))
        for invocation in session.open:
            node.path.finish(invocation, WELL, session.now)
        self.assertEqual({endpoint.inFlight for endpoint in seen}, {0})
        for stage in node.outbound.stagesOf(KEY):
            if isinstance(stage, BizKeeperStage):
                circuits = [stage.circuit] if stage.circuit else stage.circuits.values()
                self.assertEqual([c.inFlight for c in circuits], [0] * len(circuits))

    @settings(derandomize=True, max_examples=30, deadline=None)
    @given(st.lists(st.sampled_from(["release", "refused"]), max_size=20))
    def test_tokensComeBack(self, ends: list[str]) -> None:
        """Calls that never reach an endpoint leave both limits as they were."""
        limit = {"limit": 1e-9, "burst": 3}
        node = Node(*endpoints(1), qps={"outbound": limit, "inbound": limit})
        for end in ends:
            forced = {"circuitBreaker": {"forceOpen": end == "refused"}, "scope": "service"}
            node.apply(qps={"outbound": limit, "inbound": limit}, bizKeeper=forced)
            if end == "release":
                node.path.release(node.decided(), 1.0)
            else:
                self.assertRaises(Refused, node.decided)
        for chain in (node.outbound, node.inbound):
            [stage] = [s for s in chain.stagesOf(KEY) if isinstance(s, QPSStage)]
            self.assertAlmostEqual(stage.bucket.level(1.0), 3.0, places=6)
