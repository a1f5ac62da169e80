# -*- test-case-name: tests.handlers.test_routes -*-
"""
The mutable side of metadata: one Route for each service port, one LiveEndpoint
for each endpoint.

Handlers and transport clients hang their state on these two.  When metadata or
policies change, :meth:`RouteTable.apply` makes new Routes but keeps the
LiveEndpoint of every endpoint that still exists, so in-flight counts, circuits
and idle connections survive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


class RouteTable:
    """
    Every Route of the node.

    :ivar routes: by key.
    :param node: this node's name; endpoints elsewhere are not local.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._live: dict[tuple[str, str, int], LiveEndpoint] = {}
        self._services: Mapping[tuple[str, str], Service] = {}
        self.routes: dict[str, Route] = {}

    def apply(
        self, metadata: Metadata, policyFor: Callable[[Service, ServicePort], Policy]
    ) -> Mapping[str, Route]:
        """
        Replace every Route; keep the LiveEndpoint of what still exists.

        :param policyFor: the merged policy of a service port.
        """
        # A policy that cannot be made leaves everything as it was.
        ports = [
            (service, port, policyFor(service, port))
            for service in metadata.services.values()
            for port in service.ports
        ]
        routes: dict[str, Route] = {}
        shared: dict[int, dict[object, Any]] = {id(service): {} for service, _, _ in ports}
        live: dict[tuple[str, str, int], LiveEndpoint] = {}
        for service, port, policy in ports:
            key = portKey(service.namespace, service.name, port.port)
            known = [
                self._keep(live, key, endpoint, policy)
                for endpoint in metadata.endpoints.get(key, ())
            ]
            # Two slices may name the same endpoint; it has one share all the same.
            endpoints = tuple(dict.fromkeys(known))
            routes[key] = Route(service, port, policy, endpoints, shared[id(service)])
        self._live = live
        self._services = metadata.services
        self.routes = routes
        return routes

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
        return iter(self._live.values())

    def _keep(
        self,
        live: dict[tuple[str, str, int], LiveEndpoint],
        key: str,
        endpoint: Endpoint,
        policy: Policy,
    ) -> LiveEndpoint:
        identity = (key, endpoint.address, endpoint.port)
        kept = self._live.get(identity) or live.get(identity) or LiveEndpoint(key, endpoint)
        kept.endpoint = endpoint
        kept.circuit = None
        kept.local = endpoint.node in ("", self._node)
        weights = policy.loadBalance.weights
        kept.weight = endpoint.weight
        for name in (endpoint.pod, endpoint.address, kept.address):
            if name in weights:
                kept.weight = weights[name]
        live[identity] = kept
        return kept
