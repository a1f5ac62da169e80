# -*- test-case-name: tests.meta.test_assembly -*-
"""
Checked objects of all files -> one Metadata: which endpoints are behind which port.

::

    EndpointSlices of the Service    when there are any
    else its Endpoints               when there are any
    else Pods that its selector fits

Pure.  What does not fit together is a problem of the object, never an error:
the rest stays in force.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.model import Endpoint, Metadata, Node, Pod, Service, ServicePort, portKey
from edgemesh.meta.services import Backing, BackingPort, ServiceObject

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Built:
    """
    Everything that fits together.

    :ivar problems: what does not: title of the object to one line.
    """

    metadata: Metadata
    problems: dict[str, str]


def build(manifests: Iterable[Manifest], allowLoopback: bool, generation: int = 0) -> Built:
    """
    Make one Metadata.

    :param manifests: in the order of their files; of two objects of one name the
        first counts.
    :param allowLoopback: whether an endpoint may be on 127.0.0.1 and the like;
        never from anybody but this node's own folder.
    """
    parts = _Parts()
    for manifest in manifests:
        parts.add(manifest)
    matching = _Matching(parts, allowLoopback)
    endpoints = {
        portKey(service.service.namespace, service.service.name, port.port): found
        for service in parts.services.values()
        for port in service.service.ports
        if (found := matching.endpointsOf(service, port))
    }
    metadata = Metadata(
        services={name: found.service for name, found in parts.services.items()},
        endpoints=endpoints,
        pods=parts.pods,
        nodes=parts.nodes,
        generation=generation,
    )
    return Built(metadata, parts.problems)


class _Parts:
    """Every object by its name, each once."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str, str], str] = {}
        self.services: dict[_Name, ServiceObject] = {}
        self.endpoints: dict[_Name, list[Backing]] = defaultdict(list)
        self.slices: dict[_Name, list[Backing]] = defaultdict(list)
        self.pods: dict[_Name, Pod] = {}
        self.podsLabelled: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)
        self.nodes: dict[str, Node] = {}
        self.problems: dict[str, str] = {}

    def add(self, manifest: Manifest) -> None:
        """Take one object, unless there is one of its kind and name."""
        identity = (manifest.kind, manifest.namespace, manifest.name)
        if identity in self._files:
            self.problems[f"{manifest.title} in {manifest.file}"] = (
                f"expected once, found in {self._files[identity]} before, which counts"
            )
            return
        self._files[identity] = manifest.file
        name, value = identity[1:], manifest.value
        if isinstance(value, ServiceObject):
            self.services[name] = value
        elif isinstance(value, Pod):
            self.pods[name] = value
            for label in value.labels.items():
                self.podsLabelled[manifest.namespace, *label].append(value)
        elif isinstance(value, Node):
            self.nodes[manifest.name] = value
        else:
            kind = self.slices if manifest.kind == "EndpointSlice" else self.endpoints
            for backing in value:
                kind[manifest.namespace, backing.service].append(backing)


class _Matching:
    """Finds the endpoints of service ports."""

    def __init__(self, parts: _Parts, allowLoopback: bool) -> None:
        self._parts = parts
        self._allowLoopback = allowLoopback

    def endpointsOf(self, found: ServiceObject, port: ServicePort) -> tuple[Endpoint, ...]:
        """Everything behind one service port, an address and port once."""
        parts, service = self._parts, found.service
        name = (service.namespace, service.name)
        backings = parts.slices.get(name) or parts.endpoints.get(name)
        if backings:
            candidates = self._backed(backings, service, port)
        elif service.selector:
            candidates = self._selected(service, found.targets[port.port])
        else:
            return ()
        once: dict[tuple[str, int], Endpoint] = {}
        for endpoint in candidates:
            if self._isAllowed(endpoint, service):
                identity = (endpoint.address, endpoint.port)
                former = once.get(identity)
                if former is None or _usable(endpoint) > _usable(former):
                    once[identity] = self._located(endpoint, service.namespace)
        return tuple(once.values())

    def _backed(
        self, backings: list[Backing], service: Service, port: ServicePort
    ) -> Iterator[Endpoint]:
        pairs = [(backing, candidate) for backing in backings for candidate in backing.ports]
        same = [pair for pair in pairs if _isSame(pair[1], port, pair[0], service)]
        if pairs and not same:
            # A port that is spelled differently here and there is a common mistake.
            others = sorted({candidate.name for _, candidate in pairs})
            self._parts.problems[f"Service {service.name}.{service.namespace} port {port.port}"] = (
                f"expected endpoints with a port named {port.name!r}, "
                f"found {', '.join(map(repr, others))[:200]}"
            )
        for backing, candidate in same:
            for endpoint in backing.endpoints:
                yield replace(endpoint, port=candidate.port)

    def _selected(self, service: Service, target: int | str) -> Iterator[Endpoint]:
        # One label's Pods instead of all of them: thousands of Services would take seconds.
        labelled = self._parts.podsLabelled
        listed = [labelled.get((service.namespace, *one), []) for one in service.selector.items()]
        for pod in min(listed, key=len):
            number = target if isinstance(target, int) else pod.ports.get(target)
            if number is None or not pod.addresses:
                continue
            if service.selector.items() <= pod.labels.items():
                # The first address only: the others are the same app once more.
                yield Endpoint(
                    pod.addresses[0],
                    number,
                    node=pod.node,
                    pod=pod.name,
                    ready=pod.ready,
                    terminating=pod.terminating,
                )

    def _isAllowed(self, endpoint: Endpoint, service: Service) -> bool:
        if self._allowLoopback or not ipaddress.ip_address(endpoint.address).is_loopback:
            return True
        self._parts.problems[f"Service {service.name}.{service.namespace}"] = (
            f"expected endpoints elsewhere than on loopback, found {endpoint.address}"
        )
        return False

    def _located(self, endpoint: Endpoint, namespace: str) -> Endpoint:
        """The endpoint with what its Pod and its node say of it."""
        pod = self._parts.pods.get((namespace, endpoint.pod))
        node = endpoint.node or (pod.node if pod is not None else "")
        known = self._parts.nodes.get(node)
        return replace(
            endpoint,
            node=node,
            zone=endpoint.zone or (known.zone if known is not None else ""),
            weight=pod.weight if pod is not None else 1,
        )


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
