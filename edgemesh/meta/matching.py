# -*- test-case-name: tests.meta.test_matching -*-
"""
Which endpoints are behind one port of a Service.

::

    EndpointSlices of the Service    when there are any
    else its Endpoints               when there are any
    else Pods that its selector fits

Reads the parts, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgemesh.meta.model import Endpoint, Service, ServicePort
from edgemesh.meta.parts import Parts
from edgemesh.meta.services import Backing, BackingPort, ServiceObject


class Matching:
    """
    Finds the endpoints of the ports of one Service.

    :ivar problems: what does not fit.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.problems: dict[str, str] = {}

    def endpointsOf(self, found: ServiceObject, port: ServicePort) -> tuple[Endpoint, ...]:
        """Everything behind one service port, an address and port once."""
        service = found.service
        backings = self._parts.backings((service.namespace, service.name))
        if backings:
            candidates = self._backed(backings, service, port)
        else:
            candidates = self._selected(service, found.targets[port.port])
        once: dict[tuple[str, int], Endpoint] = {}
        for endpoint in candidates:
            identity = (endpoint.address, endpoint.port)
            former = once.get(identity)
            if former is None or _usable(endpoint) > _usable(former):
                once[identity] = endpoint
        return tuple(once.values())

    def _backed(
        self, backings: list[Backing], service: Service, port: ServicePort
    ) -> Iterator[Endpoint]:
        pairs = [(backing, candidate) for backing in backings for candidate in backing.ports]
        same = [pair for pair in pairs if _isSame(pair[1], port, pair[0], service)]
        if pairs and not same:
            # A port that is spelled differently here and there is a common mistake.
            others = sorted({candidate.name for _, candidate in pairs})
            self.problems[f"Service {service.name}.{service.namespace} port {port.port}"] = (
                f"expected endpoints with a port named {port.name!r}, "
                f"found {', '.join(map(repr, others))[:200]}"
            )
        for backing, candidate in same:
            for endpoint in backing.endpoints:
                yield self._located(endpoint, candidate.port, service.namespace)

    def _selected(self, service: Service, target: int | str) -> Iterator[Endpoint]:
        for pod in self._parts.selected(service):
            number = target if isinstance(target, int) else pod.ports.get(target)
            if number is None or not pod.addresses:
                continue
            # The first address only: the others are the same app once more.
            yield Endpoint(
                pod.addresses[0],
                number,
                node=pod.node,
                pod=pod.name,
                zone=self._zone(pod.node),
                ready=pod.ready,
                terminating=pod.terminating,
                weight=pod.weight,
            )

    def _located(self, endpoint: Endpoint, port: int, namespace: str) -> Endpoint:
        """The endpoint at this port, with what its Pod and its node say of it."""
        pod = self._parts.pods.get((namespace, endpoint.pod))
        node = endpoint.node or (pod.node if pod is not None else "")
        # Spelled out: dataclasses.replace takes ten times as long, and there are thousands.
        return Endpoint(
            endpoint.address,
            port,
            node,
            endpoint.pod,
            endpoint.zone or self._zone(node),
            endpoint.ready,
            endpoint.terminating,
            pod.weight if pod is not None else 1,
        )

    def _zone(self, node: str) -> str:
        known = self._parts.nodes.get(("", node))
        return known.zone if known is not None else ""


def _usable(endpoint: Endpoint) -> tuple[bool, bool]:
    """Greater is better, for an address that several slices have."""
    return endpoint.ready and not endpoint.terminating, endpoint.ready


def _isSame(candidate: BackingPort, port: ServicePort, backing: Backing, service: Service) -> bool:
    """
    Whether a port of endpoints is the service port: they have the same name.

    Where each side has one port only, a nameless one fits too; people write such
    Endpoints by hand.
    """
    if candidate.name == port.name:
        return True
    return not candidate.name and len(backing.ports) == len(service.ports) == 1
