# -*- test-case-name: tests.handlers.test_bizkeeper -*-
"""
The Biz keeper: circuit breaking and isolation.

It comes after LB and guards the picked endpoint, or the service as a whole,
whichever the policy's scope says.  An endpoint's circuit hangs on its
LiveEndpoint, where LB asks it before picking.

What counts as a failure: an endpoint's fault of the failure table, a status of
500 and above, an answer later than the isolation's timeout.  What is the caller's
or the mesh's own doing counts neither way.  Requests are isolated: only so many
in flight at once.  An opaque connection or tunnel is a success as soon as the
endpoint says something; how long it lives then, and how it ends, is not judged,
and a request that has become a tunnel is no longer one in flight.

Knows policies and circuits.  It does not know protocols, and it looks outbound
only: what comes in has been picked and guarded by whoever sent it.
"""

from __future__ import annotations

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.errors import CIRCUIT_OPEN, ISOLATED, NO_ENDPOINT, LocalProtocolError, Refused
from edgemesh.handlers.circuit import CLOSED, Circuit, refusal
from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.policy import BizKeeper


@implementer(IStage)
class BizKeeperStage:
    """
    Circuits and isolation of one service port.

    :ivar circuit: the service's, when that is the scope, or None.
    :ivar circuits: by endpoint, when that is the scope.
    """

    __slots__ = ("_answered", "_keeper", "_key", "_most", "_slow", "circuit", "circuits")

    picks = False
    perAttempt = True

    def __init__(
        self,
        route: Route,
        circuit: Circuit | None,
        circuits: dict[LiveEndpoint | None, Circuit],
    ) -> None:
        keeper = route.policy.bizKeeper
        self._key = route.key
        self._keeper: BizKeeper = keeper
        self._most = keeper.isolation.maxConcurrentRequests
        self._slow = keeper.isolation.timeoutInMilliseconds / 1000
        self._answered: set[Invocation] = set()
        self.circuit = circuit
        self.circuits = circuits

    def decide(self, invocation: Invocation, now: float) -> None:
        circuit = self.circuits.get(invocation.endpoint) or self._circuitOf(invocation)
        closed = circuit.state is CLOSED
        if not closed and not circuit.admits(now):
            raise self._refusal(circuit, now)
        if invocation.method:
            if circuit.inFlight >= self._most:
                raise self._isolated()
            circuit.inFlight += 1
        if not closed:
            circuit.enter(invocation, now)

    def release(self, invocation: Invocation, now: float) -> None:
        if not self._judged(invocation):
            self._leave(invocation, None, now)

    def answered(self, invocation: Invocation, now: float) -> None:
        if invocation not in self._answered:
            self._leave(invocation, True, now)
            self._answered.add(invocation)

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        if self._answered and self._judged(invocation):
            return
        failure = outcome.failure
        success: bool | None = None
        if failure is not None:
            if failure.endpointFault:
                success = False
        elif invocation.method:
            # What went by before this attempt is not its endpoint's doing.
            earlier = invocation.attempted - invocation.started
            success = outcome.status < 500 and outcome.latency - earlier <= self._slow
        # Hot: what _leave does.
        circuit = self.circuits.get(invocation.endpoint) or self._circuitOf(invocation)
        if invocation.method:
            circuit.inFlight -= 1
        circuit.leave(invocation, success, now)

    def explain(self, now: float) -> str:
        if self.circuit is not None:
            scope = f"one circuit for the service, {self.circuit.explain(now)}"
        else:
            known = list(self.circuits.items())
            unusual = [
                f"{endpoint.address} {circuit.explain(now)}"
                for endpoint, circuit in known
                if endpoint is not None and circuit.state is not CLOSED
            ]
            closed = f"{len(known) - len(unusual)} of {len(known)} closed"
            scope = "; ".join(["a circuit for each endpoint, " + closed, *unusual])
        return f"{scope}; at most {self._most} requests in flight"

    def _circuitOf(self, invocation: Invocation) -> Circuit:
        """The circuit of a call whose endpoint has none of its own here."""
        if self.circuit is not None:
            return self.circuit
        if invocation.endpoint is None:
            # The order of handlers is the user's: no defect of ours to log for each call.
            raise Refused(
                NO_ENDPOINT, f"{self._key}: no handler before bizkeeper picks an endpoint"
            )
        raise LocalProtocolError(
            f"bizkeeper guards endpoints of {self._key}; "
            f"{invocation.endpoint!r} was not picked among them"
        )

    def _judged(self, invocation: Invocation) -> bool:
        """Whether it was judged, and left the requests in flight, when it was answered."""
        if invocation not in self._answered:
            return False
        self._answered.discard(invocation)
        return True

    def _leave(self, invocation: Invocation, success: bool | None, now: float) -> None:
        circuit = self.circuits.get(invocation.endpoint) or self._circuitOf(invocation)
        if invocation.method:
            circuit.inFlight -= 1
        circuit.leave(invocation, success, now)

    def _refusal(self, circuit: Circuit, now: float) -> Refused:
        return refusal(
            self._keeper,
            CIRCUIT_OPEN,
            f"{self._key}: circuit {circuit.explain(now)}",
            endpointOnly=self.circuit is None,
        )

    def _isolated(self) -> Refused:
        return refusal(
            self._keeper,
            ISOLATED,
            f"{self._key}: {self._most} requests are in flight",
            endpointOnly=self.circuit is None,
        )

    def __repr__(self) -> str:
        return f"<BizKeeperStage {self._key} {self.circuit or self.circuits}>"


@implementer(IPlugin, IHandler)
class BizKeeperHandler:
    """Makes a stage for every service port, looking outbound."""

    name = "bizkeeper"

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        if side is not Side.OUTBOUND:
            return None
        known = former if isinstance(former, BizKeeperStage) else None
        settings = route.policy.bizKeeper.circuitBreaker
        if route.policy.bizKeeper.scope == "service":
            circuit = (known and known.circuit) or Circuit(settings)
            circuit.use(settings)
            for endpoint in route.endpoints:
                endpoint.circuit = None
            return BizKeeperStage(route, circuit, {})
        circuits: dict[LiveEndpoint | None, Circuit] = {}
        for endpoint in route.endpoints:
            kept = _kept(endpoint, known) or Circuit(settings)
            kept.use(settings)
            endpoint.circuit = circuits[endpoint] = kept
        return BizKeeperStage(route, None, circuits)


def _kept(endpoint: LiveEndpoint, former: BizKeeperStage | None) -> Circuit | None:
    """The circuit this endpoint has already: from another chain, or from before."""
    if isinstance(endpoint.circuit, Circuit):
        return endpoint.circuit
    return former.circuits.get(endpoint) if former is not None else None
