# -*- test-case-name: tests.handlers.test_routes -*-
"""
The mutable side of metadata: one Route for each service port, one LiveEndpoint
for each endpoint.

Handlers and transport clients hang their state on these two.  When metadata or
policies change, :meth:`RouteTable.prepare` makes new Routes but keeps the
LiveEndpoint of every endpoint that still exists, so in-flight counts, circuits
and idle connections survive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort, portKey
from edgemesh.meta.policy import Policy


class ICircuitLike(Protocol):
    """What LB asks of an endpoint's circuit."""

    def admits(self, now: float) -> bool:
        """Whether a call may pass now; takes nothing."""


class LiveEndpoint:
    """
    What the node remembers of one endpoint of one service port.

    :ivar key: its service port's key.
    :ivar address: ``ip:port``, with brackets around an IPv6 address.
    :ivar endpoint: the value from metadata; replaced when metadata changes.
    :ivar local: it is on this node, or nobody said where it is.
    :ivar weight: its share under weighted balancing.
    :ivar inFlight: calls that were given to it and have not ended.
    :ivar picks: how often it was picked.
    :ivar circuit: its own circuit, when a Biz keeper with scope ``endpoint`` is in
        the chain; the Biz keeper remembers it and puts it back when it composes.
    :ivar avoidUntil: after a failed dial it is the last choice until then
        (monotonic seconds).
    :ivar dialFailures: failed dials in a row.
    """

    __slots__ = (
        "address",
        "avoidUntil",
        "circuit",
        "dialFailures",
        "endpoint",
        "inFlight",
        "key",
        "local",
        "picks",
        "weight",
    )

    def __init__(self, key: str, endpoint: Endpoint) -> None:
        ip = endpoint.address
        self.key = key
        self.address = f"[{ip}]:{endpoint.port}" if ":" in ip else f"{ip}:{endpoint.port}"
        self.endpoint = endpoint
        self.local = True
        self.weight = 1
        self.inFlight = 0
        self.picks = 0
        self.circuit: ICircuitLike | None = None
        self.avoidUntil = 0.0
        self.dialFailures = 0

    def __repr__(self) -> str:
        return f"<LiveEndpoint {self.address} of {self.key}>"


class Route:
    """
    One service port: what is known of it and which endpoints are behind it.

    :ivar key: ``web.default:80``.
    :ivar endpoints: every endpoint, whether it can take calls or not.
    :ivar policy: the merged policy.
    :ivar shared: what handlers keep for the Service as a whole; one for all its
        ports, empty at each change.
    """

    __slots__ = ("endpoints", "key", "policy", "port", "service", "shared")

    def __init__(
        self,
        service: Service,
        port: ServicePort,
        policy: Policy,
        endpoints: tuple[LiveEndpoint, ...],
        shared: dict[object, Any] | None = None,
    ) -> None:
        self.shared = {} if shared is None else shared
        self.key = portKey(service.namespace, service.name, port.port)
        self.service = service
        self.port = port
        self.policy = policy
        self.endpoints = endpoints

    def __repr__(self) -> str:
        return f"<Route {self.key} ({len(self.endpoints)} endpoints)>"


@dataclass(frozen=True, slots=True)
class Change:
    """
    Routes that are made, and not yet in force.

    :ivar routes: every Route by key, once this is in force.
    :ivar keys: of the Routes that came, changed or went; None for all.
    """

    routes: dict[str, Route]
    metadata: Metadata
    keys: tuple[str, ...] | None


class RouteTable:
    """
    Every Route of the node.

    Metadata that says what changed since the generation in force costs work for that
    only; the other Routes stay the very same.

    :ivar routes: by key.
    :param node: this node's name; endpoints elsewhere are not local.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._services: Mapping[tuple[str, str], Service] = {}
        #: What is in force; None when a change was prepared and never used.
        self._generation: int | None = None
        self.routes: dict[str, Route] = {}

    def apply(
        self, metadata: Metadata, policyFor: Callable[[Service, ServicePort], Policy]
    ) -> Mapping[str, Route]:
        """Replace the Routes that changed, with immediate effect; see :meth:`prepare`."""
        change = self.prepare(metadata, policyFor)
        self.use(change)
        return change.routes

    def prepare(
        self, metadata: Metadata, policyFor: Callable[[Service, ServicePort], Policy]
    ) -> Change:
        """
        Make the Routes that changed; keep the LiveEndpoint of what still exists.

        Policies may only be others than before when the generation is in force already
        or Metadata does not say what changed: then every Route is made anew, and
        also after a change that was prepared and not used.

        :param policyFor: the merged policy of a service port.
        """
        services, keys = self._changed(metadata)
        # A policy that cannot be made leaves everything as it was.
        ports = [
            (service, port, policyFor(service, port))
            for service in services
            for port in service.ports
        ]
        self._generation = None
        routes = {}
        if keys is not None:
            routes = self.routes.copy()
            for key in keys:
                routes.pop(key, None)
        shared: dict[int, dict[object, Any]] = {}
        for service, port, policy in ports:
            key = portKey(service.namespace, service.name, port.port)
            endpoints = self._live(key, metadata.endpoints.get(key, ()), policy)
            common = shared.setdefault(id(service), {})
            routes[key] = Route(service, port, policy, endpoints, common)
        return Change(routes, metadata, keys)

    def use(self, change: Change) -> None:
        """Put a change in force."""
        self.routes = change.routes
        self._services = change.metadata.services
        self._generation = change.metadata.generation

    def _changed(self, metadata: Metadata) -> tuple[list[Service], tuple[str, ...] | None]:
        """The Services to make Routes for, and the keys of the Routes concerned."""
        follows = self._generation is not None and metadata.generation == self._generation + 1
        if metadata.changed is None or not follows:
            return list(metadata.services.values()), None
        services: list[Service] = []
        keys: dict[str, None] = {}
        for name in metadata.changed:
            former, service = self._services.get(name), metadata.services.get(name)
            for one in (former, service):
                for port in one.ports if one is not None else ():
                    keys[portKey(name[0], name[1], port.port)] = None
            if service is not None:
                services.append(service)
        return services, tuple(keys)

    def keyOf(self, service: str, namespace: str) -> str:
        """
        The key of the service port that a listener stands for; a wrong one if there is none.

        :param service: as people write it: ``web``, ``web.default:80``,
            ``web.default.svc:http``; empty for a listener that stands for none.
        :param namespace: the one that is meant when ``service`` names none.
        """
        if not service:
            return ""
        name, _, port = service.partition(":")
        name, _, named = name.partition(".")
        namespace = named.partition(".")[0] or namespace
        known = self._services.get((namespace, name))
        ports = known.ports if known is not None else ()
        for one in ports:
            if port in (str(one.port), one.name) or (not port and len(ports) == 1):
                return portKey(namespace, name, one.port)
        return f"{name}.{namespace}:{port}"

    def protocolOf(self, key: str) -> str:
        """The protocol that is configured for a service port, or an empty string."""
        route = self.routes.get(key)
        return route.policy.protocol if route is not None else ""

    def liveEndpoints(self) -> Iterator[LiveEndpoint]:
        """Every endpoint of every Route."""
        return chain.from_iterable(route.endpoints for route in self.routes.values())

    def _live(
        self, key: str, endpoints: tuple[Endpoint, ...], policy: Policy
    ) -> tuple[LiveEndpoint, ...]:
        """The LiveEndpoints of these; the former ones where they exist already."""
        former = self.routes.get(key)
        known = {_place(live.endpoint): live for live in former.endpoints} if former else {}
        # Two slices may name the same endpoint; it has one share all the same.
        found: dict[tuple[str, int], LiveEndpoint] = {}
        for endpoint in endpoints:
            place = _place(endpoint)
            kept = found[place] = (
                found.get(place) or known.get(place) or LiveEndpoint(key, endpoint)
            )
            kept.endpoint = endpoint
            kept.circuit = None
            kept.local = endpoint.node in ("", self._node)
            kept.weight = _weight(kept, policy.loadBalance.weights)
        return tuple(found.values())


def _place(endpoint: Endpoint) -> tuple[str, int]:
    """What tells the endpoints of one service port apart."""
    return endpoint.address, endpoint.port


def _weight(live: LiveEndpoint, weights: Mapping[str, int]) -> int:
    """The share of an endpoint: what the most exact name says, else its own."""
    endpoint = live.endpoint
    weight = endpoint.weight
    if weights:
        for name in (endpoint.pod, endpoint.address, live.address):
            weight = weights.get(name, weight)
    return weight
