"""Tests of LB: who may be picked, and what a pick leaves behind."""

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import CIRCUIT_OPEN, CONNECT_FAILED, NO_ENDPOINT, UPSTREAM_RESET, Refused
from edgemesh.handlers.loadbalance import LoadBalanceHandler, LoadBalanceStage
from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Destination, Invocation, Outcome
from edgemesh.meta.model import Endpoint
from tests.handlers.samples import WELL, Fields, World, call, endpoints

UNREACHABLE = Outcome(503, CONNECT_FAILED)
POLICIES = ("roundrobin", "random", "leastrequest", "weighted", "consistenthash")


class Gate:
    """A circuit that is open until some time."""

    def __init__(self, until: float) -> None:
        self.until = until

    def admits(self, now: float) -> bool:
        return now >= self.until


class Balanced:
    """A service and its LB stage."""

    def __init__(self, *known: Endpoint, side: Side = Side.OUTBOUND, **parts: object) -> None:
        self.handler = LoadBalanceHandler(Random(11))
        self.side = side
        self.world = World(known, **parts)
        self.compose(None)

    def compose(self, former: IStage | None) -> None:
        stage = self.handler.compose(self.world.route, self.side, former)
        assert isinstance(stage, LoadBalanceStage)
        self.stage = stage

    def change(self, *known: Endpoint, **parts: object) -> None:
        """Take other endpoints in force, or another policy."""
        self.world.known = known
        self.world.apply(**parts)
        self.compose(self.stage)

    def pick(self, now: float = 1.0, **fields: object) -> Invocation:
        """A call is given to somebody."""
        invocation = self.world.call(**fields)
        self.stage.decide(invocation, now)
        return invocation

    def picks(self, count: int, now: float = 1.0) -> list[int]:
        """How many of so many calls each endpoint gets."""
        counted = Counter(self.pick(now).endpoint for _ in range(count))
        return [counted[endpoint] for endpoint in self.all]

    def unreachable(self, endpoint: LiveEndpoint, now: float) -> None:
        """A dial to this endpoint fails."""
        invocation = self.world.call()
        invocation.endpoint = endpoint
        endpoint.inFlight += 1
        self.stage.settle(invocation, UNREACHABLE, now)

    def refusal(self, case: SynchronousTestCase, now: float = 1.0) -> Refused:
        """Why nobody is picked."""
        return case.assertRaises(Refused, self.pick, now)

    @property
    def all(self) -> tuple[LiveEndpoint, ...]:
        return self.world.route.endpoints


class PickTests(SynchronousTestCase):
    """What a pick does."""

    def test_interfaces(self) -> None:
        """Handler and stage keep to the joints."""
        verifyObject(IHandler, LoadBalanceHandler())
        verifyObject(IStage, Balanced(*endpoints(1)).stage)

    def test_filledIn(self) -> None:
        """The call knows its endpoint and where it lives."""
        balanced = Balanced(Endpoint("10.0.0.1", 80, node="here"))
        invocation = balanced.pick()
        [endpoint] = balanced.all
        self.assertIs(invocation.endpoint, endpoint)
        self.assertIs(invocation.destination, Destination.LOCAL)
        self.assertEqual((endpoint.picks, endpoint.inFlight), (1, 1))
        far = Balanced(Endpoint("10.0.0.1", 80, node="far"))
        self.assertIs(far.pick().destination, Destination.EDGE)

    def test_givenBack(self) -> None:
        """A call is in flight until it ends or does not happen."""
        balanced = Balanced(*endpoints(1))
        first, second = balanced.pick(), balanced.pick()
        balanced.stage.settle(first, WELL, 1.0)
        balanced.stage.release(second, 1.0)
        self.assertEqual((balanced.all[0].inFlight, balanced.all[0].picks), (0, 2))

    def test_policies(self) -> None:
        """Every policy's name makes what it says."""
        made = [Balanced(*endpoints(2), loadBalance={"policy": p}).stage.usual for p in POLICIES]
        names = ["RoundRobin", "RandomChoice", "LeastRequest", "Weighted", "ConsistentHash"]
        self.assertEqual([type(picker).__name__ for picker in made], names)

    def test_weights(self) -> None:
        """Configured weights are shares."""
        weighted = {"policy": "weighted", "weights": {"10.0.0.1": 3}}
        self.assertEqual(Balanced(*endpoints(2), loadBalance=weighted).picks(40), [30, 10])

    def test_hash(self) -> None:
        """One user, one endpoint."""
        hashed = {"policy": "consistenthash", "hash": {"header": "x-user"}}
        balanced = Balanced(*endpoints(5), loadBalance=hashed)
        for user in (b"ann", b"bob", b"cem"):
            head = Fields(**{"x-user": user})
            self.assertEqual(len({balanced.pick(head=head).endpoint for _ in range(9)}), 1)

    def test_dead(self) -> None:
        """Of four endpoints, one out of order: it gets nothing, the others equal shares."""
        for policy in ("roundrobin", "weighted"):
            balanced = Balanced(*endpoints(4), loadBalance={"policy": policy})
            balanced.all[1].circuit = Gate(99.0)
            self.assertEqual(balanced.picks(120), [40, 0, 40, 40])
            balanced.all[3].circuit = Gate(99.0)
            self.assertEqual(balanced.picks(120), [60, 0, 60, 0])


class LocalFirstTests(SynchronousTestCase):
    """The same node first."""

    known = (*endpoints(2, node="far"), *endpoints(4, node="here")[2:])

    def test_local(self) -> None:
        """Endpoints of this node get everything."""
        self.assertEqual(Balanced(*self.known).picks(10), [0, 0, 5, 5])

    def test_overflow(self) -> None:
        """When none of this node can take a call, the others do."""
        balanced = Balanced(*self.known)
        for endpoint in balanced.all[2:]:
            endpoint.circuit = Gate(50.0)
        self.assertEqual(balanced.picks(10), [5, 5, 0, 0])
        self.assertEqual(balanced.picks(10, now=50.0), [0, 0, 5, 5])

    def test_unreachableHere(self) -> None:
        """One elsewhere that can be reached comes before one here in its cool-off."""
        balanced = Balanced(*self.known[1:3])
        balanced.unreachable(balanced.all[1], 1.0)
        self.assertEqual(balanced.picks(4), [4, 0])

    def test_nobodyReachable(self) -> None:
        """When nobody could be reached lately, this node comes first again."""
        balanced = Balanced(*self.known[1:3])
        for endpoint in balanced.all:
            balanced.unreachable(endpoint, 1.0)
        self.assertEqual(balanced.picks(4), [0, 4])

    def test_switchedOff(self) -> None:
        """Where it is not wanted all are equal."""
        balanced = Balanced(*self.known, loadBalance={"localFirst": False})
        self.assertEqual(balanced.picks(8), [2, 2, 2, 2])

    def test_inbound(self) -> None:
        """Looking inbound there is only this node."""
        balanced = Balanced(*self.known, side=Side.INBOUND, loadBalance={"localFirst": False})
        self.assertEqual(balanced.picks(4), [0, 0, 2, 2])
        balanced.change(*self.known[:2])
        self.assertIn("none of its 2 endpoints takes calls here", balanced.refusal(self).detail)


class ObstacleTests(SynchronousTestCase):
    """Who is not picked, and what the caller is told."""

    def test_readiness(self) -> None:
        """Not ready, terminating, weight 0: nothing new for them."""
        known = endpoints(4)
        balanced = Balanced(
            replace(known[0], ready=False),
            replace(known[1], terminating=True),
            replace(known[2], weight=0),
            known[3],
        )
        self.assertEqual(balanced.picks(5), [0, 0, 0, 5])

    def test_none(self) -> None:
        """No endpoint, or none that is ready, is said so."""
        self.assertIn("it has no endpoints", Balanced().refusal(self).detail)
        refusal = Balanced(*endpoints(2, ready=False)).refusal(self)
        self.assertIs(refusal.failure, NO_ENDPOINT)
        self.assertIn("none of its 2 endpoints", refusal.detail)

    def test_tried(self) -> None:
        """A second attempt goes to somebody else; without one it is refused."""
        balanced = Balanced(*endpoints(2))
        first, second = balanced.all
        for _ in range(4):
            again = balanced.world.call()
            again.tried = (first,)
            balanced.stage.decide(again, 1.0)
            self.assertIs(again.endpoint, second)
        invocation = balanced.world.call()
        invocation.tried = (first, second)
        refusal = self.assertRaises(Refused, balanced.stage.decide, invocation, 1.0)
        self.assertIs(refusal.failure, NO_ENDPOINT)

    def test_circuits(self) -> None:
        """When circuits are all that is in the way, the caller is told so."""
        balanced = Balanced(*endpoints(2), *endpoints(3, ready=False)[2:])
        for endpoint in balanced.all:
            endpoint.circuit = Gate(9.0)
        refusal = balanced.refusal(self)
        self.assertIs(refusal.failure, CIRCUIT_OPEN)
        self.assertEqual((refusal.status, refusal.endpointOnly), (0, False))

    def test_fallback(self) -> None:
        """And gets the fallback policy's answer, as from the Biz keeper."""
        null = {"fallbackpolicy": {"policy": "returnnull"}}
        balanced = Balanced(*endpoints(1), bizKeeper=null)
        balanced.all[0].circuit = Gate(9.0)
        self.assertEqual(balanced.refusal(self).status, 204)
        balanced.change(*endpoints(1, ready=False))
        self.assertEqual(balanced.refusal(self).status, 0)

    def test_sleepOver(self) -> None:
        """An endpoint whose circuit would admit a probe is picked again."""
        balanced = Balanced(*endpoints(2))
        balanced.all[0].circuit = Gate(5.0)
        self.assertEqual(balanced.picks(4, now=4.9), [0, 4])
        self.assertEqual(balanced.picks(4, now=5.0), [2, 2])


class CoolOffTests(SynchronousTestCase):
    """After failed dials."""

    def setUp(self) -> None:
        self.balanced = Balanced(*endpoints(2))
        self.dead, self.alive = self.balanced.all

    def test_lastChoice(self) -> None:
        """An endpoint that could not be reached is avoided for a second."""
        self.balanced.unreachable(self.dead, 1.0)
        self.assertEqual(self.balanced.picks(4, now=1.9), [0, 4])
        self.assertEqual(self.balanced.picks(4, now=2.0), [2, 2])

    def test_onlyOne(self) -> None:
        """It is picked all the same when there is nobody else."""
        self.balanced.unreachable(self.dead, 1.0)
        self.alive.circuit = Gate(99.0)
        self.assertEqual(self.balanced.picks(3, now=1.5), [3, 0])
        self.balanced.unreachable(self.alive, 1.0)
        self.alive.circuit = None
        self.assertEqual(self.balanced.picks(4, now=1.5), [2, 2])

    def test_grows(self) -> None:
        """Each time in a row it is avoided twice as long, ten seconds at most."""
        now, waits = 100.0, []
        for _ in range(30):
            self.balanced.unreachable(self.dead, now)
            waits.append(self.dead.avoidUntil - now)
            now = self.dead.avoidUntil
        self.assertEqual(waits, [1.0, 2.0, 4.0, 8.0] + [10.0] * 26)
        self.assertEqual(self.dead.dialFailures, 30)

    def test_together(self) -> None:
        """Many dials that were on their way when it went down count as one."""
        for n in range(64):
            self.balanced.unreachable(self.dead, 1.0 + n / 100)
        self.assertEqual((self.dead.dialFailures, self.dead.avoidUntil), (1, 2.0))

    def test_success(self) -> None:
        """Any success ends it: a call that went well, a connection that was answered."""
        for learn in (
            lambda invocation: self.balanced.stage.settle(invocation, WELL, 1.5),
            lambda invocation: self.balanced.stage.answered(invocation, 1.5),
        ):
            self.balanced.unreachable(self.dead, 1.0)
            invocation = call()
            invocation.endpoint = self.dead
            learn(invocation)
            self.assertEqual((self.dead.dialFailures, self.dead.avoidUntil), (0, 0.0))

    def test_otherFailures(self) -> None:
        """A failure after the connection stood is not LB's business."""
        invocation = self.balanced.pick()
        self.balanced.stage.settle(invocation, Outcome(502, UPSTREAM_RESET), 1.0)
        self.assertEqual([e.avoidUntil for e in self.balanced.all], [0.0, 0.0])


class ChangeTests(SynchronousTestCase):
    """What a change of configuration keeps."""

    def test_position(self) -> None:
        """A reload does not begin with the first endpoint again."""
        balanced = Balanced(*endpoints(3))
        order = []
        for _ in range(6):
            order.append(balanced.all.index(balanced.pick().endpoint))  # type: ignore[arg-type]
            balanced.change(*endpoints(3))
        self.assertEqual(order, [0, 1, 2, 0, 1, 2])

    def test_otherPolicy(self) -> None:
        """Another policy holds from the next call on."""
        balanced = Balanced(*endpoints(2))
        balanced.change(
            *endpoints(2), loadBalance={"policy": "weighted", "weights": {"10.0.0.2": 0}}
        )
        self.assertEqual(balanced.picks(4), [4, 0])
        balanced.change(*endpoints(2), loadBalance={"policy": "roundrobin"})
        self.assertEqual(balanced.picks(4), [2, 2])

    def test_newEndpoint(self) -> None:
        """An endpoint that came is picked, one that went is not."""
        balanced = Balanced(*endpoints(2))
        balanced.change(*endpoints(3)[1:])
        self.assertEqual(balanced.picks(4), [2, 2])


class AffinityTests(SynchronousTestCase):
    """Session affinity of the Service."""

    def setUp(self) -> None:
        self.balanced = Balanced(*endpoints(5))
        self.affine(30)

    def affine(self, seconds: int, **parts: object) -> None:
        """Give the Service session affinity."""
        self.balanced.world.service = replace(self.balanced.world.service, affinitySeconds=seconds)
        self.balanced.change(*self.balanced.world.known, **parts)

    def test_sticks(self) -> None:
        """A caller keeps its endpoint; after it was moved it keeps the new one."""
        first = self.balanced.pick(1.0).endpoint
        self.assertEqual({self.balanced.pick(2.0).endpoint for _ in range(9)}, {first})
        assert first is not None
        first.circuit = Gate(5.0)
        second = self.balanced.pick(3.0).endpoint
        self.assertIsNot(second, first)
        self.assertIs(self.balanced.pick(6.0).endpoint, second)

    def test_reload(self) -> None:
        """A reload moves nobody."""
        first = self.balanced.pick(1.0).endpoint
        assert first is not None
        first.circuit = Gate(5.0)
        second = self.balanced.pick(2.0).endpoint
        self.balanced.change(*endpoints(5))
        self.assertIs(self.balanced.pick(6.0).endpoint, second)

    def test_explain(self) -> None:
        """``/chain`` says that callers stay with their endpoint, and how long."""
        explained = self.balanced.stage.explain(0.0)
        self.assertIn("session affinity by caller for 30 s", explained)

    def test_precedence(self) -> None:
        """It comes before every policy but an explicit consistent hash."""
        self.affine(30, loadBalance={"policy": "random"})
        self.assertEqual(len({self.balanced.pick().endpoint for _ in range(20)}), 1)
        hashed = {"policy": "consistenthash", "hash": {"header": "x-user"}}
        self.affine(30, loadBalance=hashed)
        heads = [Fields(**{"x-user": b"%d" % n}) for n in range(20)]
        self.assertGreater(len({self.balanced.pick(head=head).endpoint for head in heads}), 1)


class ExplainTests(SynchronousTestCase):
    """What ``/chain`` shows."""

    def test_conditions(self) -> None:
        """Policy, tiers and every endpoint's condition."""
        known = (*endpoints(5), *endpoints(7, node="far")[5:])
        balanced = Balanced(
            replace(known[0], ready=False),
            replace(known[1], terminating=True),
            replace(known[2], weight=0),
            *known[3:],
        )
        balanced.all[3].circuit = Gate(9.0)
        balanced.unreachable(balanced.all[4], 1.0)
        balanced.all[5].inFlight = 2
        self.assertEqual(
            balanced.stage.explain(1.5),
            "roundrobin, 4 of 7 endpoints take calls; 2 on this node first: "
            "10.0.0.1:8080 (not ready), 10.0.0.2:8080 (terminating), 10.0.0.3:8080 (weight 0), "
            "10.0.0.4:8080 (circuit open), 10.0.0.5:8080 (last choice for 0.5 s), "
            "10.0.0.6:8080 (2 in flight), 10.0.0.7:8080 (0 in flight)",
        )

    def test_many(self) -> None:
        """A long list is cut."""
        self.assertTrue(Balanced(*endpoints(30)).stage.explain(0.0).endswith(" and 10 more"))
        self.assertEqual(Balanced().stage.explain(0.0), "roundrobin, 0 of 0 endpoints take calls")
        self.assertIn("roundrobin", repr(Balanced().stage))


Flag = st.booleans()
#: Ready, staying, weight, on another node, circuit open, in a cool-off.
Conditions = st.lists(
    st.tuples(Flag, Flag, st.integers(0, 2), Flag, Flag, Flag),
    min_size=1,
    max_size=6,
)


class NeverTests(SynchronousTestCase):
    """Whatever is wrong with the endpoints."""

    @settings(derandomize=True, max_examples=120, deadline=None)
    @given(Conditions, st.sampled_from(POLICIES), st.integers(0, 30), st.sets(st.integers(0, 5)))
    def test_neverWrong(
        self,
        conditions: list[tuple[bool, bool, int, bool, bool, bool]],
        policy: str,
        affinity: int,
        tried: set[int],
    ) -> None:
        """
        Nobody who must not be picked is picked, nobody in a cool-off while another
        one could take the call, and a call is refused only when nobody can.
        """
        known = [
            Endpoint(
                f"10.0.0.{n}", 80, "far" * away, ready=ready, terminating=not stays, weight=weight
            )
            for n, (ready, stays, weight, away, _, _) in enumerate(conditions)
        ]
        balanced = Balanced(*known, loadBalance={"policy": policy})
        balanced.world.service = replace(balanced.world.service, affinitySeconds=affinity)
        balanced.change(*known)
        for endpoint, (*_, isOpen, resting) in zip(balanced.all, conditions, strict=True):
            endpoint.circuit = Gate(9.0) if isOpen else None
            endpoint.avoidUntil = 9.0 if resting else 0.0
        aside = tuple(e for n, e in enumerate(balanced.all) if n in tried)
        able = [
            endpoint
            for endpoint in balanced.all
            if endpoint.endpoint.ready
            and not endpoint.endpoint.terminating
            and endpoint.weight
            and endpoint.circuit is None
            and endpoint not in aside
        ]
        rested = [endpoint for endpoint in able if endpoint.avoidUntil <= 1.0]
        for n in range(8):
            invocation = balanced.world.call(caller=f"192.0.2.{n % 3}")
            invocation.tried = aside
            if able:
                balanced.stage.decide(invocation, 1.0)
                self.assertIn(invocation.endpoint, rested or able)
            else:
                self.assertRaises(Refused, balanced.stage.decide, invocation, 1.0)
        self.assertEqual(sum(e.inFlight for e in balanced.all), 8 if able else 0)
