# -*- test-case-name: tests.admin.test_readout -*-
"""
What is known of services, and what a call to one of them would meet.

Pure: reads the view and answers with values that become JSON.  Asking changes
nothing: no endpoint is picked, no token and no probe is taken.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edgemesh.admin.view import NodeView
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.interfaces import IRouter
from edgemesh.meta.policy import Policy


class EndpointState(msgspec.Struct, frozen=True):
    """
    One endpoint of a service port.

    :ivar circuit: the state of its own circuit; empty when it has none.
    :ivar takesCalls: whether a call could be given to it now.
    :ivar why: why not, or under which condition.
    """

    address: str
    node: str
    pod: str
    local: bool
    ready: bool
    terminating: bool
    weight: int
    inFlight: int
    picks: int
    circuit: str
    takesCalls: bool
    why: str


class PolicySummary(msgspec.Struct, frozen=True):
    """What is configured, as far as one glance needs it."""

    loadBalance: str
    localFirst: bool
    outboundQPS: float | None
    inboundQPS: float | None
    circuitBreaker: bool
    scope: str
    retries: bool
    connectSeconds: float
    responseSeconds: float


class ServiceState(msgspec.Struct, frozen=True):
    """One service port; ``protocol`` is empty when the first bytes decide."""

    service: str
    portName: str
    protocol: str
    clusterIPs: tuple[str, ...]
    policy: PolicySummary
    endpoints: list[EndpointState]


class Services(msgspec.Struct, frozen=True):
    """The answer to ``/services``."""

    node: str
    version: str
    generation: int
    services: list[ServiceState]


class StageState(msgspec.Struct, frozen=True):
    """One handler of a chain and what a call would meet there."""

    handler: str
    explain: str


class ChainState(msgspec.Struct, frozen=True):
    """The answer to ``/chain``: every handler in order, then the endpoints."""

    service: str
    generation: int
    outbound: list[StageState]
    inbound: list[StageState]
    endpoints: list[EndpointState]


def services(view: NodeView) -> Services:
    """Every service port, sorted by key."""
    now = view.seconds()
    routes = sorted(view.table.routes.values(), key=lambda route: route.key)
    return Services(
        view.node,
        view.version,
        view.source.metadata().generation,
        [_service(route, now) for route in routes],
    )


def chain(view: NodeView, route: Route) -> ChainState:
    """What a call to this service port would meet now."""
    now = view.seconds()
    return ChainState(
        route.key,
        view.source.metadata().generation,
        _stages(view.outbound, route, now),
        _stages(view.inbound, route, now),
        _endpoints(route, now),
    )


def matching(view: NodeView, asked: str) -> list[Route]:
    """
    Every service port that ``asked`` may mean.

    :param asked: a key, or a shorter or longer name: ``web``, ``web.default``,
        ``web.default.svc.cluster.local``, each with or without a port.
    """
    name, _, port = asked.partition(":")
    labels = name.split(".")
    return [
        route
        for key, route in sorted(view.table.routes.items())
        if key == asked or (_named(route, labels) and _onPort(route, port))
    ]


def _named(route: Route, labels: list[str]) -> bool:
    service = route.service
    full = [service.name, service.namespace, "svc"]
    return labels[0] != "" and labels[:3] == full[: len(labels)]


def _onPort(route: Route, port: str) -> bool:
    return port in ("", str(route.port.port)) or (port == route.port.name)


def _stages(chain: Chain, route: Route, now: float) -> list[StageState]:
    stages = []
    for handler, stage in chain.walk(route.key):
        if stage is not None:
            text = stage.explain(now)
        elif IRouter.providedBy(handler):
            text = "finds the service port by the listener, the Host or the server name"
        else:
            text = "nothing is configured for this service port"
        stages.append(StageState(handler.name, text))
    return stages


def _service(route: Route, now: float) -> ServiceState:
    return ServiceState(
        route.key,
        route.port.name,
        route.policy.protocol or route.port.appProtocol,
        route.service.clusterIPs,
        _summary(route.policy),
        _endpoints(route, now),
    )


def _summary(policy: Policy) -> PolicySummary:
    qps = policy.qps
    return PolicySummary(
        loadBalance=policy.loadBalance.policy,
        localFirst=policy.loadBalance.localFirst,
        outboundQPS=qps.outbound.limit if qps.outbound else None,
        inboundQPS=qps.inbound.limit if qps.inbound else None,
        circuitBreaker=policy.bizKeeper.circuitBreaker.enabled,
        scope=policy.bizKeeper.scope,
        retries=policy.retries,
        connectSeconds=policy.timeouts.connect,
        responseSeconds=policy.timeouts.response,
    )


def _endpoints(route: Route, now: float) -> list[EndpointState]:
    localOnly = route.policy.loadBalance.localFirst and any(
        live.local and not obstacle(live, now) for live in route.endpoints
    )
    return [_endpoint(live, localOnly, now) for live in _distinct(route.endpoints)]


def _distinct(endpoints: Iterable[LiveEndpoint]) -> list[LiveEndpoint]:
    return list(dict.fromkeys(endpoints))


def _endpoint(live: LiveEndpoint, localOnly: bool, now: float) -> EndpointState:
    endpoint = live.endpoint
    why = obstacle(live, now)
    return EndpointState(
        address=live.address,
        node=endpoint.node,
        pod=endpoint.pod,
        local=live.local,
        ready=endpoint.ready,
        terminating=endpoint.terminating,
        weight=live.weight,
        inFlight=live.inFlight,
        picks=live.picks,
        circuit=circuitState(live.circuit),
        takesCalls=not why,
        why=why or _condition(live, localOnly, now),
    )


def obstacle(live: LiveEndpoint, now: float) -> str:
    """Why no call would be given to this endpoint now; empty when nothing forbids it."""
    if live.endpoint.terminating:
        return "it is terminating"
    if not live.endpoint.ready:
        return "it is not ready"
    if live.weight == 0:
        return "its weight is 0"
    circuit = live.circuit
    if circuit is not None and not circuit.admits(now):
        return f"its circuit is {circuitState(circuit) or 'closed to calls'}"
    return ""


def circuitState(circuit: object) -> str:
    """``CLOSED``, ``OPEN`` or ``HALF_OPEN``; empty for what has no such state."""
    state = getattr(circuit, "state", None)
    return str(getattr(state, "name", ""))


def _condition(live: LiveEndpoint, localOnly: bool, now: float) -> str:
    if localOnly and not live.local:
        return "only when no endpoint of this node can take the call"
    if live.avoidUntil > now:
        return (
            f"last choice for {live.avoidUntil - now:.1f} s: "
            f"{live.dialFailures} failed connections in a row"
        )
    return ""
