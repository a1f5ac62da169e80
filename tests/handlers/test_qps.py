"""Tests of the QPS controller."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import RATE_LIMITED, Refused
from edgemesh.handlers.qps import QPSHandler, QPSStage
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.meta.model import ServicePort
from tests.handlers.samples import WELL, World, call, connection


def stage(**qps: object) -> QPSStage:
    """The outbound stage for a policy."""
    made = QPSHandler().compose(World(qps=qps).route, Side.OUTBOUND, None)
    assert isinstance(made, QPSStage)
    return made


def twoPorts(
    qps: dict[str, object], side: Side, former: Sequence[QPSStage | None] = (None, None)
) -> list[QPSStage]:
    """The stages of a Service's two ports."""
    route = World(qps=qps).route
    other = Route(route.service, ServicePort(81), route.policy, (), route.shared)
    made = []
    for one, before in zip((route, other), former, strict=True):
        stage = QPSHandler().compose(one, side, before)
        assert isinstance(stage, QPSStage)
        made.append(stage)
    return made


def passes(limited: QPSStage, now: float, count: int = 1) -> int:
    """How many of so many calls pass."""
    admitted = 0
    for _ in range(count):
        try:
            limited.decide(call(), now)
        except Refused:
            continue
        admitted += 1
    return admitted


class QPSTests(SynchronousTestCase):
    """A limit in the chain."""

    def test_interfaces(self) -> None:
        """Handler and stage keep to the joints."""
        verifyObject(IHandler, QPSHandler())
        verifyObject(IStage, stage(outbound={"limit": 1}))

    def test_sides(self) -> None:
        """Each side has its own limit, or none."""
        world = World(qps={"inbound": {"limit": 5, "burst": 7}})
        self.assertIsNone(QPSHandler().compose(world.route, Side.OUTBOUND, None))
        inbound = QPSHandler().compose(world.route, Side.INBOUND, None)
        assert isinstance(inbound, QPSStage)
        self.assertEqual((inbound.bucket.limit, inbound.bucket.burst), (5, 7))

    def test_portsShareALimit(self) -> None:
        """Outbound the limit is the Service's: a second port gives no second helping."""
        limited = twoPorts({"outbound": {"limit": 0.1, "burst": 5}}, Side.OUTBOUND)
        self.assertEqual([passes(one, 10.0, 4) for one in limited], [4, 1])

    def test_portsAreAppsInbound(self) -> None:
        """Inbound each port is an app of its own."""
        limited = twoPorts({"inbound": {"limit": 0.1, "burst": 5}}, Side.INBOUND)
        self.assertEqual([passes(one, 10.0, 9) for one in limited], [5, 5])

    def test_sharedLevelIsKept(self) -> None:
        """A new limit for all ports goes on at the level that they had together."""
        before = twoPorts({"outbound": {"limit": 0.1, "burst": 5}}, Side.OUTBOUND)
        passes(before[0], 10.0, 4)
        after = twoPorts({"outbound": {"limit": 0.2, "burst": 9}}, Side.OUTBOUND, before)
        self.assertEqual([passes(one, 10.0, 9) for one in after], [1, 0])

    def test_ownLimitOfAPort(self) -> None:
        """A port with another limit is limited by itself, and changes no other port."""
        before = twoPorts({"outbound": {"limit": 0.1, "burst": 5}}, Side.OUTBOUND)
        own = World(qps={"outbound": {"limit": 0.1, "burst": 2}}).route
        changed = QPSHandler().compose(own, Side.OUTBOUND, before[0])
        assert isinstance(changed, QPSStage)
        self.assertEqual([passes(one, 10.0, 9) for one in (changed, before[1])], [2, 5])

    def test_refusal(self) -> None:
        """Who is refused learns which limit it was and when to come again."""
        limited = stage(outbound={"limit": 4, "burst": 2})
        self.assertEqual(passes(limited, 10.0, 2), 2)
        refusal = self.assertRaises(Refused, limited.decide, call(), 10.0)
        self.assertIs(refusal.failure, RATE_LIMITED)
        self.assertEqual(refusal.detail, "web.default:80: more than 4 calls a second")
        self.assertAlmostEqual(refusal.retryAfter or 0.0, 0.25)
        self.assertFalse(refusal.endpointOnly)

    def test_counts(self) -> None:
        """Admitted and refused calls are counted."""
        limited = stage(outbound={"limit": 1, "burst": 3})
        passes(limited, 10.0, 5)
        self.assertEqual((limited.admitted, limited.refused), (3, 2))

    def test_connections(self) -> None:
        """A connection costs as much as a request, whatever is said on it."""
        limited = stage(outbound={"limit": 0.1, "burst": 2})
        opaque = connection()
        limited.decide(opaque, 10.0)
        limited.answered(opaque, 10.1)
        limited.settle(opaque, WELL, 10.2)
        self.assertEqual(passes(limited, 10.2, 5), 1)

    def test_release(self) -> None:
        """A call that did not happen gives its token back; one that did does not."""
        limited = stage(outbound={"limit": 0.1, "burst": 2})
        happened, withdrawn = call(), call()
        limited.decide(happened, 10.0)
        limited.decide(withdrawn, 10.0)
        limited.settle(happened, WELL, 10.0)
        limited.release(withdrawn, 10.0)
        self.assertEqual(passes(limited, 10.0, 5), 1)

    def test_reload(self) -> None:
        """A reload neither refills the bucket nor forgets the counts."""
        world, handler = World(qps={"outbound": {"limit": 0.1, "burst": 4}}), QPSHandler()
        before = handler.compose(world.route, Side.OUTBOUND, None)
        assert isinstance(before, QPSStage)
        inFlight = call()
        before.decide(inFlight, 10.0)
        passes(before, 10.0, 5)
        route = world.apply(qps={"outbound": {"limit": 0.2, "burst": 40}})
        after = handler.compose(route, Side.OUTBOUND, before)
        assert isinstance(after, QPSStage)
        self.assertEqual((after.admitted, after.refused), (4, 2))
        self.assertEqual(passes(after, 10.0), 0)
        before.release(inFlight, 10.0)
        self.assertEqual(passes(after, 10.0, 5), 1)
        refusal = self.assertRaises(Refused, after.decide, call(), 10.0)
        self.assertIn("more than 0.2 calls", refusal.detail)

    def test_limitTakenAway(self) -> None:
        """Without a limit there is nothing to pass."""
        world = World(qps={"outbound": {"limit": 1}})
        before = QPSHandler().compose(world.route, Side.OUTBOUND, None)
        self.assertIsNone(QPSHandler().compose(world.apply(retries=True), Side.OUTBOUND, before))

    def test_explain(self) -> None:
        """``/chain`` shows the limit and what it has done."""
        limited = stage(outbound={"limit": 4, "burst": 2})
        passes(limited, 10.0, 3)
        self.assertEqual(
            limited.explain(10.125),
            "4 calls a second, 2 at once; 0.5 would pass now; 2 admitted, 1 refused",
        )
        self.assertIn("web.default:80", repr(limited))
