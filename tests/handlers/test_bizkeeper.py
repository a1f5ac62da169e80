"""Tests of the Biz keeper: what counts, isolation, opaque connections, fallback."""

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import (
    BAD_RESPONSE,
    CALLER_GONE,
    CIRCUIT_OPEN,
    CONNECT_FAILED,
    DRAINING,
    ISOLATED,
    NO_ENDPOINT,
    RATE_LIMITED,
    UPSTREAM_RESET,
    UPSTREAM_TIMEOUT,
    Failure,
    LocalProtocolError,
    Refused,
)
from edgemesh.handlers.bizkeeper import BizKeeperHandler, BizKeeperStage
from edgemesh.handlers.circuit import Circuit, State
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from tests.handlers.samples import WELL, World, call, connection, endpoints

BREAKER = {"enabled": True, "requestVolumeThreshold": 2, "sleepWindowInMilliseconds": 1000}
BAD = Outcome(500)


class Keeper:
    """A service with two endpoints and its Biz keeper."""

    def __init__(self, **keeper: object) -> None:
        self.world = World(endpoints(2), bizKeeper={"circuitBreaker": BREAKER} | keeper)
        self.stage = self.compose(None)

    def compose(self, former: IStage | None) -> BizKeeperStage:
        stage = BizKeeperHandler().compose(self.world.route, Side.OUTBOUND, former)
        assert isinstance(stage, BizKeeperStage)
        return stage

    def change(self, **keeper: object) -> None:
        """Take another policy in force."""
        self.world.apply(bizKeeper={"circuitBreaker": BREAKER} | keeper)
        self.stage = self.compose(self.stage)

    def pick(self, invocation: Invocation, which: int = 0) -> Invocation:
        """What LB does."""
        invocation.route = self.world.route
        invocation.endpoint = self.world.route.endpoints[which]
        return invocation

    def enter(self, now: float = 1.0, which: int = 0, **fields: object) -> Invocation:
        """A request passes."""
        invocation = self.pick(call(**fields), which)
        self.stage.decide(invocation, now)
        return invocation

    def connect(self, now: float = 1.0) -> Invocation:
        """An opaque connection passes."""
        invocation = self.pick(connection())
        self.stage.decide(invocation, now)
        return invocation

    def report(self, *outcomes: Outcome, now: float = 1.0) -> None:
        """Requests come, all at once, and end."""
        inFlight = [(self.enter(now), outcome) for outcome in outcomes]
        for invocation, outcome in inFlight:
            self.stage.settle(invocation, outcome, now)

    def open(self, now: float = 1.0) -> None:
        """Let the first endpoint fail until its circuit opens."""
        self.report(BAD, BAD, now=now)

    @property
    def circuit(self) -> Circuit:
        """The first endpoint's."""
        circuit = self.world.route.endpoints[0].circuit
        assert isinstance(circuit, Circuit)
        return circuit


class ScopeTests(SynchronousTestCase):
    """One circuit for each endpoint, or one for the service."""

    def test_interfaces(self) -> None:
        """Handler and stage keep to the joints."""
        verifyObject(IHandler, BizKeeperHandler())
        verifyObject(IStage, Keeper().stage)

    def test_outboundOnly(self) -> None:
        """What comes in has been guarded by whoever sent it."""
        self.assertIsNone(BizKeeperHandler().compose(World().route, Side.INBOUND, None))

    def test_endpoint(self) -> None:
        """A failing endpoint is taken out of the way, alone; the others may be tried."""
        keeper = Keeper()
        keeper.open()
        refusal = self.assertRaises(Refused, keeper.enter)
        self.assertIs(refusal.failure, CIRCUIT_OPEN)
        self.assertTrue(refusal.endpointOnly)
        keeper.enter(which=1)
        first, second = keeper.world.route.endpoints
        assert first.circuit is not None and second.circuit is not None
        self.assertEqual((first.circuit.admits(1.5), second.circuit.admits(1.5)), (False, True))

    def test_service(self) -> None:
        """With one circuit for the service every endpoint is spared."""
        keeper = Keeper(scope="service")
        keeper.open()
        refusal = self.assertRaises(Refused, keeper.enter, which=1)
        self.assertFalse(refusal.endpointOnly)
        self.assertEqual([e.circuit for e in keeper.world.route.endpoints], [None, None])
        assert keeper.stage.circuit is not None
        self.assertIs(keeper.stage.circuit.state, State.OPEN)

    def test_withoutPick(self) -> None:
        """In a chain where nobody picks before the Biz keeper calls are refused, and learn why."""
        keeper = Keeper()
        refusal = self.assertRaises(Refused, keeper.stage.decide, call(), 1.0)
        self.assertIs(refusal.failure, NO_ENDPOINT)
        self.assertIn("web.default:80: no handler before bizkeeper", refusal.detail)

    def test_strangersPick(self) -> None:
        """An endpoint of another Service is a defect of whoever picked it."""
        keeper, stray = Keeper(), call()
        [stray.endpoint] = World(endpoints(1)).route.endpoints
        problem = self.assertRaises(LocalProtocolError, keeper.stage.decide, stray, 1.0)
        self.assertIn("web.default:80", str(problem))


class CountingTests(SynchronousTestCase):
    """What is a failure and what is not."""

    def opens(self, outcome: Outcome, **keeper: object) -> bool:
        guarded = Keeper(**keeper)
        guarded.report(*[outcome] * 4)
        return guarded.circuit.state is State.OPEN

    def test_failures(self) -> None:
        """The endpoint's own faults and statuses from 500 open the circuit."""
        faults = (CONNECT_FAILED, BAD_RESPONSE, UPSTREAM_TIMEOUT, UPSTREAM_RESET)
        for failure in faults:
            self.assertTrue(self.opens(Outcome(failure.http, failure)), failure)
        self.assertTrue(self.opens(Outcome(500)))
        self.assertTrue(self.opens(Outcome(599)))

    def test_notFailures(self) -> None:
        """Other statuses do not, nor does what is the caller's or the mesh's doing."""
        ours: tuple[Failure, ...] = (CALLER_GONE, RATE_LIMITED, DRAINING)
        for failure in ours:
            self.assertFalse(self.opens(Outcome(failure.http, failure)), failure)
        self.assertFalse(self.opens(Outcome(499)))

    def test_slow(self) -> None:
        """An answer later than the isolation's timeout is a failure, however good it is."""
        isolation = {"timeoutInMilliseconds": 200}
        self.assertTrue(self.opens(Outcome(200, latency=0.21), isolation=isolation))
        self.assertFalse(self.opens(Outcome(200, latency=0.2), isolation=isolation))

    def test_callerGoneIsNoVolume(self) -> None:
        """Callers that hang up do not help to reach the volume."""
        keeper = Keeper()
        keeper.report(BAD, *[Outcome(499, CALLER_GONE)] * 9)
        self.assertIs(keeper.circuit.state, State.CLOSED)


class ProbeTests(SynchronousTestCase):
    """The one call that finds out."""

    def setUp(self) -> None:
        self.keeper = Keeper()
        self.keeper.open(now=1.0)

    def test_one(self) -> None:
        """One call passes after the sleep window; it is marked."""
        probe = self.keeper.enter(now=2.0)
        self.assertTrue(probe.probe)
        self.assertRaises(Refused, self.keeper.enter, now=2.0)
        self.keeper.stage.settle(probe, WELL, 2.1)
        self.assertFalse(self.keeper.enter(now=2.1).probe)

    def test_released(self) -> None:
        """A probe that was not sent makes room for the next call at once."""
        probe = self.keeper.enter(now=2.0)
        self.keeper.stage.release(probe, 2.0)
        self.assertFalse(probe.probe)
        self.assertTrue(self.keeper.enter(now=2.0).probe)

    def test_callerGone(self) -> None:
        """So does a probe whose caller hung up."""
        self.keeper.stage.settle(self.keeper.enter(now=2.0), Outcome(499, CALLER_GONE), 2.1)
        self.assertTrue(self.keeper.enter(now=2.1).probe)

    def test_isolationFirst(self) -> None:
        """A call that isolation refuses does not use the probe up."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 1})
        slow = keeper.enter(now=1.0)
        for _ in range(2):
            opaque = keeper.connect(now=1.0)
            keeper.stage.settle(opaque, Outcome(0, CONNECT_FAILED), 1.0)
        refusal = self.assertRaises(Refused, keeper.enter, now=2.0)
        self.assertIs(refusal.failure, ISOLATED)
        keeper.stage.settle(slow, WELL, 2.0)
        self.assertIs(keeper.circuit.state, State.OPEN)
        self.assertTrue(keeper.enter(now=2.0).probe)


class IsolationTests(SynchronousTestCase):
    """So many requests at once."""

    def test_full(self) -> None:
        """One more than allowed is refused; when one ends another may pass."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 2})
        first = keeper.enter()
        keeper.enter()
        refusal = self.assertRaises(Refused, keeper.enter)
        self.assertIs(refusal.failure, ISOLATED)
        self.assertTrue(refusal.endpointOnly)
        keeper.enter(which=1)
        keeper.stage.settle(first, WELL, 1.0)
        keeper.enter()

    def test_released(self) -> None:
        """A request that is not sent after all leaves its place."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 1})
        keeper.stage.release(keeper.enter(), 1.0)
        keeper.enter()

    def test_service(self) -> None:
        """With scope service all endpoints share the places."""
        keeper = Keeper(scope="service", isolation={"maxConcurrentRequests": 1})
        keeper.enter()
        self.assertFalse(self.assertRaises(Refused, keeper.enter, which=1).endpointOnly)

    def test_withoutBreaker(self) -> None:
        """Isolation works though the breaker is off."""
        keeper = Keeper(circuitBreaker={}, isolation={"maxConcurrentRequests": 1})
        keeper.enter()
        self.assertRaises(Refused, keeper.enter)

    def test_connections(self) -> None:
        """Opaque connections are not requests."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 1})
        for _ in range(3):
            keeper.connect()
        keeper.enter()

    def test_tunnel(self) -> None:
        """A request that became a tunnel is a request no more, for as long as it lasts."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 1, "timeoutInMilliseconds": 1000})
        tunnels = [keeper.enter(method=b"CONNECT")]
        keeper.stage.answered(tunnels[0], 1.1)
        keeper.stage.answered(tunnels[0], 1.2)
        tunnels.append(keeper.enter(method=b"CONNECT"))
        keeper.stage.answered(tunnels[1], 1.1)
        for tunnel in tunnels:
            keeper.stage.settle(tunnel, Outcome(200, latency=3600.0), 3601.0)
        self.assertEqual(keeper.circuit.inFlight, 0)
        self.assertIs(keeper.circuit.state, State.CLOSED)


class ConnectionTests(SynchronousTestCase):
    """Opaque connections."""

    def settled(self, outcome: Outcome, answered: bool = False) -> State:
        """Where the circuit stands after four connections that ended like this."""
        keeper = Keeper()
        for opaque in [keeper.connect() for _ in range(4)]:
            if answered:
                keeper.stage.answered(opaque, 1.0)
            keeper.stage.settle(opaque, outcome, 1.0)
        return keeper.circuit.state

    def test_failures(self) -> None:
        """No connection, or a reset before the first byte, is a failure."""
        for failure in (CONNECT_FAILED, UPSTREAM_RESET):
            self.assertIs(self.settled(Outcome(0, failure)), State.OPEN)

    def test_afterAnswer(self) -> None:
        """Once the endpoint has said something, how the connection ends is not judged."""
        self.assertIs(self.settled(Outcome(0, UPSTREAM_RESET), answered=True), State.CLOSED)

    def test_answersCount(self) -> None:
        """An answer is a success: it keeps a few failures below the percentage."""
        keeper = Keeper()
        for _ in range(6):
            keeper.stage.answered(keeper.connect(), 1.0)
        for opaque in [keeper.connect() for _ in range(5)]:
            keeper.stage.settle(opaque, Outcome(0, CONNECT_FAILED), 1.0)
        self.assertIs(keeper.circuit.state, State.CLOSED)

    def test_forgotten(self) -> None:
        """A connection that has ended leaves nothing behind."""
        keeper = Keeper()
        opaque = keeper.connect()
        keeper.stage.answered(opaque, 1.0)
        keeper.stage.settle(opaque, Outcome(), 2.0)
        self.assertEqual(keeper.stage._answered, set())

    def test_releasedAfterAnswer(self) -> None:
        """A tunnel given up after the first byte is counted out of those in flight once."""
        keeper = Keeper()
        tunnel = keeper.enter()
        keeper.stage.answered(tunnel, 1.0)
        keeper.stage.release(tunnel, 2.0)
        self.assertEqual((keeper.circuit.inFlight, keeper.stage._answered), (0, set()))

    def test_silentEnd(self) -> None:
        """A connection that ended in silence, however late, says nothing."""
        self.assertIs(self.settled(Outcome(0, None, latency=1e6)), State.CLOSED)

    def test_probeAnswered(self) -> None:
        """A probing connection closes the circuit with the endpoint's first byte."""
        keeper = Keeper()
        keeper.open(now=1.0)
        probe = keeper.connect(now=2.0)
        keeper.stage.answered(probe, 2.1)
        self.assertIs(keeper.circuit.state, State.CLOSED)
        keeper.stage.settle(probe, Outcome(0, UPSTREAM_RESET), 9.0)
        self.assertIs(keeper.circuit.state, State.CLOSED)

    def test_silentProbe(self) -> None:
        """A probing connection that ended in silence leaves the probe to the next."""
        keeper = Keeper()
        keeper.open(now=1.0)
        keeper.stage.settle(keeper.connect(now=2.0), Outcome(), 2.5)
        self.assertTrue(keeper.connect(now=2.5).probe)


class ChangeTests(SynchronousTestCase):
    """What a change of configuration keeps."""

    def test_reload(self) -> None:
        """An open circuit stays open and calls in flight stay counted."""
        keeper = Keeper(isolation={"maxConcurrentRequests": 3})
        inFlight = [keeper.enter(which=1), keeper.enter(which=1)]
        keeper.open()
        former = keeper.stage
        keeper.change(isolation={"maxConcurrentRequests": 2})
        self.assertRaises(Refused, keeper.enter, now=1.5)
        self.assertRaises(Refused, keeper.enter, now=1.5, which=1)
        former.settle(inFlight[0], WELL, 1.6)
        keeper.enter(now=1.6, which=1)

    def test_probeAcrossReload(self) -> None:
        """A probe sent before a reload still closes the circuit after it."""
        keeper = Keeper()
        keeper.open(now=1.0)
        former, probe = keeper.stage, keeper.enter(now=2.0)
        keeper.change()
        former.settle(probe, WELL, 2.1)
        self.assertIs(keeper.circuit.state, State.CLOSED)

    def test_service(self) -> None:
        """The service's circuit stays as well."""
        keeper = Keeper(scope="service")
        keeper.open()
        keeper.change(scope="service")
        self.assertRaises(Refused, keeper.enter, now=1.5)

    def test_otherScope(self) -> None:
        """With another scope circuits begin anew, and old calls end where they began."""
        keeper = Keeper()
        former, inFlight = keeper.stage, keeper.enter()
        keeper.change(scope="service")
        former.settle(inFlight, WELL, 1.5)
        assert keeper.stage.circuit is not None
        self.assertEqual(keeper.stage.circuit.inFlight, 0)
        self.assertIsNone(keeper.world.route.endpoints[0].circuit)

    def test_newEndpoint(self) -> None:
        """A new endpoint starts with a closed circuit; the others keep theirs."""
        keeper = Keeper()
        keeper.open()
        keeper.world.known = endpoints(3)
        keeper.change()
        self.assertRaises(Refused, keeper.enter, now=1.5)
        keeper.enter(now=1.5, which=2)

    def test_handlerTakenOut(self) -> None:
        """Without a Biz keeper no forgotten circuit holds an endpoint back."""
        keeper = Keeper()
        keeper.open()
        route = keeper.world.apply()
        self.assertEqual([e.circuit for e in route.endpoints], [None, None])


class FallbackTests(SynchronousTestCase):
    """What a refused caller gets."""

    def test_statuses(self) -> None:
        """503 by default; 204 where the fallback policy says so."""
        null = {"fallbackpolicy": {"policy": "returnnull"}}
        for keeper, status in (
            (Keeper(), 0),
            (Keeper(**null), 204),
            (Keeper(**null, fallback={"enabled": False}), 0),
        ):
            keeper.open()
            self.assertEqual(self.assertRaises(Refused, keeper.enter).status, status)

    def test_isolated(self) -> None:
        """The same for what isolation refuses."""
        keeper = Keeper(
            fallbackpolicy={"policy": "returnnull"}, isolation={"maxConcurrentRequests": 1}
        )
        keeper.enter()
        self.assertEqual(self.assertRaises(Refused, keeper.enter).status, 204)


class ExplainTests(SynchronousTestCase):
    """What ``/chain`` shows."""

    def test_endpoints(self) -> None:
        """Circuits that are not closed are named."""
        keeper = Keeper()
        keeper.open()
        self.assertEqual(
            keeper.stage.explain(1.2),
            "a circuit for each endpoint, 1 of 2 closed; "
            "10.0.0.1:8080 open; next probe in 0.8 s; at most 1000 requests in flight",
        )

    def test_service(self) -> None:
        """The one circuit and its counts are shown."""
        keeper = Keeper(scope="service")
        keeper.report(WELL, BAD)
        self.assertIn("one circuit for the service, open", keeper.stage.explain(1.0))
        self.assertIn("web.default:80", repr(keeper.stage))
