# -*- test-case-name: tests.handlers.test_loadbalance -*-
"""
LB: the stage that picks the endpoint.

Theory of operation: when configuration changes, the endpoints that take calls at
all (ready, not terminating, weight above zero) are sorted into tiers: those on this
node, then the rest; looking inbound there are only those on this node.  A call is
offered to whom the picker chooses among the first tier, without a look at the
others.  Only when that endpoint will not do, because it was tried already, its
circuit refuses or it could not be reached lately, they are looked at one by one:
first all that can be reached, by tier, and at last those in their cool-off.

The cool-off is what a failed dial leads to: for one second, then two, four, eight
and at most ten, the endpoint is the last choice.  Dials that were on their way
together count as one.

Knows policies, pickers and LiveEndpoints; of circuits only whether they admit.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.errors import CIRCUIT_OPEN, CONNECT_FAILED, Refused
from edgemesh.handlers.chain import noEndpoint
from edgemesh.handlers.circuit import refusal
from edgemesh.handlers.pickers import (
    Candidates,
    ConsistentHash,
    LeastRequest,
    Picker,
    RandomChoice,
    RoundRobin,
    SessionAffinity,
    Weighted,
)
from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Destination, Invocation, Outcome
from edgemesh.meta.policy import HashKey

#: The longest cool-off, in seconds.
LONGEST_COOL_OFF = 10.0
#: How many endpoints ``/chain`` names one by one.
_MOST_NAMED = 20
# Plain names: looking a member up in its Enum costs more than a pick.
_LOCAL, _EDGE = Destination.LOCAL, Destination.EDGE


@implementer(IStage)
class LoadBalanceStage:
    """
    Picks for the calls to one service port.

    :param kind: what the pickers were made for.
    :param tiers: the endpoints that take calls.
    :param usual: picks from the first tier.
    :param spare: picks when the usual pick will not do; a picker of its own, so
        that what one endpoint cannot take is spread evenly over the others.
    """

    __slots__ = ("_preferred", "_route", "_tiers", "kind", "spare", "usual")

    picks = True
    perAttempt = True

    def __init__(
        self,
        route: Route,
        kind: _Kind,
        tiers: tuple[Candidates, ...],
        usual: Picker,
        spare: Picker,
    ) -> None:
        self._route = route
        self.kind = kind
        self._tiers = tiers
        self._preferred = self._tiers[0] if self._tiers else ()
        self.usual = usual
        self.spare = spare

    def decide(self, invocation: Invocation, now: float) -> None:
        preferred = self._preferred
        if not preferred:
            raise noEndpoint(self._route, _nobody(self._route))
        endpoint = self.usual.pick(preferred, invocation, now)
        circuit = endpoint.circuit
        if (
            endpoint.avoidUntil > now
            or (circuit is not None and not circuit.admits(now))
            or (invocation.tried and endpoint in invocation.tried)
        ):
            endpoint = self.spare.pick(self._usable(invocation, now), invocation, now)
        invocation.endpoint = endpoint
        invocation.destination = _LOCAL if endpoint.local else _EDGE
        endpoint.picks += 1
        endpoint.inFlight += 1

    def release(self, invocation: Invocation, now: float) -> None:
        assert invocation.endpoint is not None
        invocation.endpoint.inFlight -= 1

    def answered(self, invocation: Invocation, now: float) -> None:
        assert invocation.endpoint is not None
        _reached(invocation.endpoint)

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        endpoint = invocation.endpoint
        assert endpoint is not None
        endpoint.inFlight -= 1
        if outcome.failure is None:
            _reached(endpoint)
        elif outcome.failure is CONNECT_FAILED and endpoint.avoidUntil <= now:
            endpoint.avoidUntil = now + min(LONGEST_COOL_OFF, 2.0 ** min(endpoint.dialFailures, 8))
            endpoint.dialFailures += 1

    def explain(self, now: float) -> str:
        known = self._route.endpoints
        taking = sum(map(len, self._tiers))
        parts = [f"{self.kind.policy}, {taking} of {len(known)} endpoints take calls"]
        if self.kind.affinitySeconds:
            parts.append(f"session affinity by caller for {self.kind.affinitySeconds} s")
        if len(self._tiers) > 1:
            parts.append(f"{len(self._preferred)} on this node first")
        named = ", ".join(_condition(endpoint, now) for endpoint in known[:_MOST_NAMED])
        if len(known) > _MOST_NAMED:
            named += f" and {len(known) - _MOST_NAMED} more"
        return "; ".join(parts) + (f": {named}" if named else "")

    def _usable(self, invocation: Invocation, now: float) -> Candidates:
        """The best endpoints that can take this call; raise when there are none."""
        tried = invocation.tried
        resting: Candidates = ()
        for tier in self._tiers:
            admitting = tuple(e for e in tier if e not in tried and _admits(e, now))
            reachable = tuple(e for e in admitting if e.avoidUntil <= now)
            if reachable:
                return reachable
            resting = resting or admitting
        if resting:
            return resting
        raise self._refusal(now)

    def _refusal(self, now: float) -> Refused:
        taking = [endpoint for tier in self._tiers for endpoint in tier]
        if any(_admits(endpoint, now) for endpoint in taking):
            return noEndpoint(self._route, "every endpoint that takes calls was tried")
        return refusal(
            self._route.policy.bizKeeper,
            CIRCUIT_OPEN,
            f"{self._route.key}: the circuits of all {len(taking)} endpoints are open",
        )

    def __repr__(self) -> str:
        return f"<LoadBalanceStage {self.kind.policy} {self._route!r}>"


_RANDOM = Random()


@implementer(IPlugin, IHandler)
class LoadBalanceHandler:
    """
    Makes a stage for every service port.

    :param random: for the policies that draw lots.
    """

    name = "loadbalance"

    def __init__(self, random: Random = _RANDOM) -> None:
        self._random = random

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        kind = _kindOf(route)
        if isinstance(former, LoadBalanceStage) and former.kind == kind:
            usual, spare = former.usual, former.spare
        else:
            usual, spare = kind.picker(self._random), kind.picker(self._random)
            if isinstance(usual, SessionAffinity):
                # A caller that was moved stays where it was moved to.
                spare = usual
        usual.retain(route.endpoints)
        spare.retain(route.endpoints)
        return LoadBalanceStage(route, kind, _tiers(route, side), usual, spare)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Everything that decides which pickers a service port needs."""

    policy: str
    affinitySeconds: int
    hash: HashKey | None

    def picker(self, random: Random) -> Picker:
        """A new picker of this kind."""
        if self.hash is not None:
            return ConsistentHash(self.hash)
        if self.affinitySeconds:
            return SessionAffinity(self.affinitySeconds)
        if self.policy == "random":
            return RandomChoice(random)
        if self.policy == "leastrequest":
            return LeastRequest(random)
        return Weighted() if self.policy == "weighted" else RoundRobin()


def _kindOf(route: Route) -> _Kind:
    """
    What a service port needs.

    An explicit consistent hash comes before the Service's session affinity, and
    that before every other policy.
    """
    balance = route.policy.loadBalance
    if balance.policy == "consistenthash":
        return _Kind(balance.policy, 0, balance.hash)
    return _Kind(balance.policy, route.service.affinitySeconds, None)


def _takesCalls(endpoint: LiveEndpoint) -> bool:
    value = endpoint.endpoint
    return value.ready and not value.terminating and endpoint.weight > 0


def _tiers(route: Route, side: Side) -> tuple[Candidates, ...]:
    """Whom to offer calls first, second; no tier is empty."""
    taking = tuple([endpoint for endpoint in route.endpoints if _takesCalls(endpoint)])
    here = tuple([endpoint for endpoint in taking if endpoint.local])
    if side is Side.INBOUND:
        tiers = [here]
    elif route.policy.loadBalance.localFirst and here:
        tiers = [here, tuple([endpoint for endpoint in taking if not endpoint.local])]
    else:
        tiers = [taking]
    return tuple([tier for tier in tiers if tier])


def _admits(endpoint: LiveEndpoint, now: float) -> bool:
    return endpoint.circuit is None or endpoint.circuit.admits(now)


def _reached(endpoint: LiveEndpoint) -> None:
    if endpoint.dialFailures:
        endpoint.dialFailures = 0
        endpoint.avoidUntil = 0.0


def _nobody(route: Route) -> str:
    count = len(route.endpoints)
    return f"none of its {count} endpoints takes calls here" if count else "it has no endpoints"


def _condition(endpoint: LiveEndpoint, now: float) -> str:
    value = endpoint.endpoint
    if value.terminating:
        condition = "terminating"
    elif not value.ready:
        condition = "not ready"
    elif endpoint.weight == 0:
        condition = "weight 0"
    elif not _admits(endpoint, now):
        condition = "circuit open"
    elif endpoint.avoidUntil > now:
        condition = f"last choice for {endpoint.avoidUntil - now:.1f} s"
    else:
        condition = f"{endpoint.inFlight} in flight"
    return f"{endpoint.address} ({condition})"
