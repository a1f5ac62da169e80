"""Tests of the chain: order, giving back, going on with another endpoint."""

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from edgemesh.errors import (
    CIRCUIT_OPEN,
    INTERNAL,
    ISOLATED,
    NO_ENDPOINT,
    ConfigurationError,
    Refused,
)
from edgemesh.handlers.bizkeeper import BizKeeperHandler
from edgemesh.handlers.chain import Chain, endAttempt, noEndpoint, release, settle
from edgemesh.handlers.composition import Composition
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint
from tests.handlers.samples import KEY, WELL, TableRouter, World, endpoints

Decision = Callable[[Invocation], None]


@implementer(IStage)
class Recorder:
    """A stage that writes down what is asked of it."""

    picks = False

    def __init__(self, name: str, log: list[str], decision: Decision, perAttempt: bool) -> None:
        self.name = name
        self.log = log
        self.decision = decision
        self.perAttempt = perAttempt

    def decide(self, invocation: Invocation, now: float) -> None:
        self.log.append(f"{self.name} decides")
        self.decision(invocation)

    def release(self, invocation: Invocation, now: float) -> None:
        self.log.append(f"{self.name} releases")

    def answered(self, invocation: Invocation, now: float) -> None:
        self.log.append(f"{self.name} is answered")

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        self.log.append(f"{self.name} settles")

    def explain(self, now: float) -> str:
        return self.name


@implementer(IHandler)
class Recording:
    """A stranger's handler: makes Recorders."""

    def __init__(
        self,
        name: str,
        log: list[str],
        decision: Decision = lambda invocation: None,
        perAttempt: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self.decision = decision
        self.perAttempt = perAttempt
        self.formers: list[IStage | None] = []

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        self.formers.append(former)
        return Recorder(self.name, self.log, self.decision, self.perAttempt)


def refuse(refusal: Refused) -> Decision:
    """A decision that is always no."""

    def decision(invocation: Invocation) -> None:
        raise refusal

    return decision


def crash(invocation: Invocation) -> None:
    """A decision that is a defect."""
    raise ZeroDivisionError("a stranger's defect")


class ComposeTests(SynchronousTestCase):
    """How a chain is put together."""

    def test_routerFirst(self) -> None:
        """An outbound chain cannot begin with anything but a router."""
        for handlers in ([], [QPSHandler(), RouterHandler()]):
            problem = self.assertRaises(ConfigurationError, Chain, Side.OUTBOUND, handlers)
            self.assertIn("handlers.outbound: expected a router first", str(problem))

    def test_double(self) -> None:
        """A handler that is named twice is a mistake in the configuration, and named."""
        problem = self.assertRaises(
            ConfigurationError, Chain, Side.INBOUND, [QPSHandler(), QPSHandler()]
        )
        self.assertIn("handlers.inbound", str(problem))
        self.assertIn("qps", str(problem))

    def test_design(self) -> None:
        """The built-in handlers give the design's order, each of them a full stage."""
        from twisted.plugins import edgemesh_handlers as builtin

        world = World(endpoints(1), qps={"outbound": {"limit": 1}})
        order = (builtin.router, builtin.loadBalance, builtin.qpsController, builtin.bizKeeper)
        chain = Chain(Side.OUTBOUND, order)
        chain.apply(world.table.routes, world.metadata)
        walked = [handler.name for handler, _ in chain.walk(KEY)]
        self.assertEqual(walked, ["router", "loadbalance", "qps", "bizkeeper"])
        stages = chain.stagesOf(KEY)
        self.assertEqual([s for _, s in chain.walk(KEY)], [None, *stages])
        for handler in order:
            verifyObject(IHandler, handler)
        for stage in stages:
            verifyObject(IStage, stage)
            self.assertNotIn("\n", stage.explain(0.0))
        self.assertEqual(chain.stagesOf("nobody.default:80"), ())

    def test_former(self) -> None:
        """After a change each handler gets the stage it made for the same service port."""
        world, handler = World(endpoints(1)), Recording("mine", [])
        chain = world.chain(handler)
        [first] = chain.stagesOf(KEY)
        chain.apply(world.table.routes, world.metadata)
        self.assertEqual(handler.formers, [None, first])

    def test_gone(self) -> None:
        """A service port that is gone is forgotten; when it is back it begins anew."""
        world, handler = World(endpoints(1)), Recording("mine", [])
        chain = world.chain(handler)
        chain.apply({}, world.metadata)
        self.assertEqual(chain.stagesOf(KEY), ())
        chain.apply(world.table.routes, world.metadata)
        self.assertEqual(handler.formers, [None, None])

    def test_failedChange(self) -> None:
        """When a handler cannot compose, what was composed before stays in force."""
        world, log = World(endpoints(1)), []
        good = Recording("good", log)
        chain = world.chain(good)
        stages = chain.stagesOf(KEY)
        bad = Recording("bad", log)
        bad.compose = lambda *args: 1 / 0  # type: ignore[assignment]
        chain.useHandlers([TableRouter(), good, bad])
        self.assertRaises(ZeroDivisionError, chain.apply, world.table.routes, world.metadata)
        self.assertEqual(chain.stagesOf(KEY), stages)
        chain.useHandlers([TableRouter(), good])
        chain.apply(world.table.routes, world.metadata)
        self.assertEqual(good.formers[-1], stages[0])


class DecideTests(SynchronousTestCase):
    """What happens to a call."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.world = World(endpoints(2))

    def decide(self, *handlers: IHandler) -> Invocation:
        """Let a call pass these handlers."""
        call = self.world.call()
        self.world.chain(*handlers).decide(call, 1.0)
        return call

    def test_order(self) -> None:
        """Stages decide in the configured order and settle in reverse."""
        chain = self.world.chain(Recording("a", self.log), Recording("b", self.log))
        call = self.world.call()
        stages = chain.decide(call, 1.0)
        settle(stages, call, WELL, 2.0)
        release(stages, call, 2.0)
        self.assertEqual(
            self.log,
            ["a decides", "b decides", "b settles", "a settles", "b releases", "a releases"],
        )

    def test_refusal(self) -> None:
        """When one refuses, what the earlier ones took is given back, last first."""
        no = Refused(NO_ENDPOINT)
        handlers = [Recording("a", self.log), Recording("b", self.log)]
        handlers.append(Recording("c", self.log, refuse(no)))
        self.assertIs(self.assertRaises(Refused, self.decide, *handlers), no)
        self.assertEqual(
            self.log, ["a decides", "b decides", "c decides", "b releases", "a releases"]
        )

    def test_defect(self) -> None:
        """A stranger's defect costs this call only: it is logged and takes nothing with it."""
        handlers = [Recording("a", self.log), Recording("b", self.log, crash)]
        refusal = self.assertRaises(Refused, self.decide, *handlers)
        self.assertIs(refusal.failure, INTERNAL)
        self.assertEqual(self.log, ["a decides", "b decides", "a releases"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_defectAtTheEnd(self) -> None:
        """A defect while settling or releasing keeps nobody else from giving back."""
        world = self.world
        chain = world.chain(LoadBalanceHandler(), Recording("bad", self.log))
        for end in (settle, release):
            call = world.call()
            stages = chain.decide(call, 1.0)
            stages[1].settle = crash  # type: ignore[method-assign]
            stages[1].release = crash  # type: ignore[method-assign]
            end(stages, call, *([WELL] if end is settle else []), 2.0)  # type: ignore[operator]
        self.assertEqual([e.inFlight for e in world.route.endpoints], [0, 0])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 2)

    def test_nextEndpoint(self) -> None:
        """When one endpoint refuses, the other one gets the call."""
        first, second = self.world.route.endpoints

        def notTheFirst(invocation: Invocation) -> None:
            if invocation.endpoint is first:
                raise Refused(ISOLATED, endpointOnly=True)

        call = self.decide(LoadBalanceHandler(), Recording("guard", self.log, notTheFirst))
        self.assertIs(call.endpoint, second)
        self.assertEqual((first.inFlight, second.inFlight), (0, 1))
        self.assertEqual(call.tried, (first,))

    def test_nobodyLeft(self) -> None:
        """When every endpoint refuses, the caller learns why, not that there are none."""
        guard = Recording("guard", self.log, refuse(Refused(ISOLATED, "full", endpointOnly=True)))
        qps = QPSHandler()
        self.world.known = (*endpoints(2), *endpoints(3, ready=False)[2:])
        self.world.apply(qps={"outbound": {"limit": 0.001, "burst": 3}})
        chain = self.world.chain(LoadBalanceHandler(), qps, guard)
        call = self.world.call()
        refusal = self.assertRaises(Refused, chain.decide, call, 1.0)
        self.assertIs(refusal.failure, ISOLATED)
        self.assertFalse(refusal.endpointOnly)
        self.assertEqual([e.inFlight for e in self.world.route.endpoints], [0, 0, 0])
        self.assertIn("3.0 would pass", chain.stagesOf(KEY)[1].explain(1.0))

    def test_stubbornPicker(self) -> None:
        """A stranger's LB that picks the same endpoint again cannot hang the node."""
        [first, _] = self.world.route.endpoints

        def pickFirst(invocation: Invocation) -> None:
            invocation.endpoint = first

        stubborn = Recording("stubborn", self.log, pickFirst, perAttempt=True)
        no = Refused(CIRCUIT_OPEN, endpointOnly=True)
        chain = self.world.chain(stubborn, Recording("guard", self.log, refuse(no)))
        chain.stagesOf(KEY)[0].picks = True
        self.assertRaises(Refused, chain.decide, self.world.call(), 1.0)
        self.assertEqual(self.log.count("stubborn decides"), 2)

    def test_nobodyPicks(self) -> None:
        """Without LB in the chain an endpoint's refusal is final."""
        no = Refused(CIRCUIT_OPEN, endpointOnly=True)
        self.assertIs(self.assertRaises(Refused, self.decide, Recording("a", [], refuse(no))), no)


class AgainTests(SynchronousTestCase):
    """A second attempt."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.world = World(endpoints(2))
        self.once = Recording("once", self.log)
        self.each = Recording("each", self.log, perAttempt=True)

    def test_perAttempt(self) -> None:
        """Only stages that count attempts learn of the first and decide on the second."""
        chain = self.world.chain(self.once, self.each)
        call = self.world.call()
        kept = endAttempt(chain.decide(call, 1.0), call, WELL, 2.0)
        stages = chain.again(kept, call, 2.0)
        self.assertEqual(self.log, ["once decides", "each decides", "each settles", "each decides"])
        settle(stages, call, WELL, 3.0)
        self.assertEqual(sorted(self.log[4:]), ["each settles", "once settles"])

    def test_afterChange(self) -> None:
        """The second attempt sees an endpoint that came after the first."""
        chain = self.world.chain(LoadBalanceHandler(Random(1)))
        call = self.world.call()
        kept = endAttempt(chain.decide(call, 1.0), call, WELL, 2.0)
        self.world.known = endpoints(3)[2:]
        self.world.apply()
        chain.apply(self.world.table.routes, self.world.metadata)
        chain.again(kept, call, 2.0)
        self.assertIs(call.endpoint, self.world.route.endpoints[0])

    def test_afterEnd(self) -> None:
        """No second attempt at a service that is gone."""
        chain = self.world.chain(self.once, self.each)
        call = self.world.call()
        kept = endAttempt(chain.decide(call, 1.0), call, WELL, 2.0)
        chain.apply({}, self.world.metadata)
        refusal = self.assertRaises(Refused, chain.again, kept, call, 2.0)
        self.assertIs(refusal.failure, NO_ENDPOINT)


class BizKeeperLastTests(SynchronousTestCase):
    """The design's whole outbound chain."""

    def test_circuitGivesTokenBack(self) -> None:
        """A call that the Biz keeper refuses costs neither a token nor a place in flight."""
        world = World(
            endpoints(1),
            qps={"outbound": {"limit": 0.001, "burst": 1}},
            bizKeeper={"scope": "service", "circuitBreaker": {"forceOpen": True}},
        )
        chain = world.chain(LoadBalanceHandler(), QPSHandler(), BizKeeperHandler())
        for _ in range(3):
            refusal = self.assertRaises(Refused, chain.decide, world.call(), 1.0)
            self.assertIs(refusal.failure, CIRCUIT_OPEN)
        self.assertEqual(world.route.endpoints[0].inFlight, 0)

    def test_noEndpoint(self) -> None:
        """The refusal names the service port."""
        self.assertEqual(noEndpoint(World().route, "why").detail, f"{KEY}: why")


class Scripted:
    """A stage that does what it is told, call by call, and passes when nobody says more."""

    perAttempt = False

    def __init__(self, name: str, script: list[str], picks: bool, log: list[str]) -> None:
        self.name = name
        self.picks = picks
        self._script = iter(script)
        self._log = log

    def decide(self, invocation: Invocation, now: float) -> None:
        word = next(self._script, "pass")
        self._log.append(f"{self.name}: {word}")
        if word == "defect":
            raise ZeroDivisionError(self.name)
        if word != "pass":
            raise Refused(CIRCUIT_OPEN, self.name, endpointOnly=word == "not this")
        if self.picks:
            invocation.endpoint = LiveEndpoint(KEY, Endpoint("10.0.0.1", len(self._log)))

    def release(self, invocation: Invocation, now: float) -> None:
        self._log.append(f"{self.name}: release")


def plainly(stages: list[Scripted], invocation: Invocation) -> str:
    """What a chain does, without any hurry: how it ends."""
    at = 0
    aside = ""
    while at < len(stages):
        stage = stages[at]
        try:
            stage.decide(invocation, 0.0)
        except ZeroDivisionError:
            for taken in reversed(stages[:at]):
                taken.release(invocation, 0.0)
            return "IE"
        except Refused as refusal:
            onlyThis = refusal.endpointOnly
            if aside and stage.picks:
                said, onlyThis = aside, False
            else:
                said = refusal.detail
            while at:
                at -= 1
                stages[at].release(invocation, 0.0)
                if onlyThis and stages[at].picks:
                    break
            else:
                return said
            aside = said
        else:
            at += 1
    return "passed"


_WORDS = st.lists(st.sampled_from(("pass", "pass", "refuse", "not this", "defect")), max_size=4)


class AnyChainTests(SynchronousTestCase):
    """Chains of any stages."""

    @given(st.lists(_WORDS, max_size=4), st.integers(0, 4))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_asPlainly(self, scripts: list[list[str]], picker: int) -> None:
        """Every stage is asked, and gives back, in the order that the plain rule says."""
        logs: tuple[list[str], list[str]] = ([], [])
        one, other = (
            [Scripted(f"s{n}", script, n == picker, log) for n, script in enumerate(scripts)]
            for log in logs
        )
        world = World(endpoints(1))
        chain = Chain(Side.INBOUND, [])
        chain.use(Composition((), {}, {KEY: tuple(one)}, None, lambda: None))  # type: ignore[arg-type]
        invocation = Invocation("http", "10.0.0.9")
        invocation.route = world.route
        try:
            chain.decide(invocation, 0.0)
            end = "passed"
        except Refused as refusal:
            end = "IE" if refusal.failure is INTERNAL else refusal.detail
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(end, plainly(other, Invocation("http", "10.0.0.9")))
        self.assertEqual(*logs)
