# -*- test-case-name: tests.meta.test_manifests -*-
"""
Service, Endpoints and EndpointSlice as Kubernetes has them -> the mesh's values.

Only TCP ports are taken.  Which endpoints are behind which service port is
decided later, in :mod:`edgemesh.meta.assembly`: here is one object at a time.  Names
that thousands of objects share are kept once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from edgemesh.meta import kinds
from edgemesh.meta.model import Endpoint, Service, ServicePort
from edgemesh.meta.policy import readAnnotations
from edgemesh.meta.reading import Reading


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """
    A Service, and where its ports lead in its Pods.

    :ivar targets: by service port: a number, or the name of a container's port.
    """

    service: Service
    targets: Mapping[int, int | str]


@dataclass(frozen=True, slots=True)
class BackingPort:
    """A port of endpoints: its name (perhaps empty) and number."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Backing:
    """
    Endpoints of one Service that share their ports: a subset, or a slice.

    :ivar endpoints: with port 0, since every one has all of ``ports``.
    """

    service: str
    ports: tuple[BackingPort, ...]
    endpoints: tuple[Endpoint, ...]


def readService(found: kinds.Service, at: Reading, namespace: str) -> ServiceObject | None:
    spec = found.spec
    if spec.type == "ExternalName":
        at.problem(
            "spec.type: expected ClusterIP, NodePort or LoadBalancer, found 'ExternalName' "
            "(calls go to known Services only)"
        )
        return None
    ports, targets = _servicePorts(spec.ports or [], at)
    annotations = {
        key: text
        for key, text in (found.metadata.annotations or {}).items()
        if key.startswith("edgemesh.io/")
    }
    for problem in readAnnotations(annotations).problems:
        at.problem(f"metadata.annotations.{problem}")
    service = Service(
        namespace=namespace,
        name=found.metadata.name,
        ports=ports,
        clusterIPs=_clusterIPs(spec, at),
        selector=spec.selector or {},
        affinitySeconds=_affinity(spec),
        annotations=annotations,
    )
    return ServiceObject(service, targets)


def _servicePorts(
    found: list[kinds.ServicePort], at: Reading
) -> tuple[tuple[ServicePort, ...], dict[int, int | str]]:
    ports: list[ServicePort] = []
    targets: dict[int, int | str] = {}
    names = set()
    for index, port in enumerate(found):
        path = f"spec.ports[{index}]"
        name = port.name or ""
        if len(found) > 1 and (not name or name in names):
            raise at.wrong(f"{path}.name", "a name of its own, as there are several ports", name)
        names.add(name)
        if not at.tcpOnly(port.protocol, port.port):
            continue
        if port.port in targets:
            raise at.wrong(f"{path}.port", "a number of its own", port.port)
        target = port.port if port.targetPort in (None, "", 0) else port.targetPort
        if isinstance(target, int) and not 1 <= target <= 65_535:
            raise at.wrong(f"{path}.targetPort", "a port number from 1 to 65535", target)
        assert target is not None
        targets[port.port] = target
        ports.append(ServicePort(port.port, intern(name), port.appProtocol or ""))
    return tuple(ports), targets


def _clusterIPs(spec: kinds.ServiceSpec, at: Reading) -> tuple[str, ...]:
    """Its virtual addresses; ``None`` is how Kubernetes spells headless."""
    addresses = spec.clusterIPs or [spec.clusterIP or ""]
    if spec.clusterIP == "None":
        return ()
    return tuple(
        at.address(text, f"spec.clusterIPs[{index}]" if spec.clusterIPs else "spec.clusterIP")
        for index, text in enumerate(addresses)
        if text not in ("", "None")
    )


def _affinity(spec: kinds.ServiceSpec) -> int:
    if spec.sessionAffinity != "ClientIP":
        return 0
    config = spec.sessionAffinityConfig
    seconds = config.clientIP.timeoutSeconds if config and config.clientIP else None
    return seconds or 10_800


def readEndpoints(found: kinds.Endpoints, at: Reading, namespace: str) -> tuple[Backing, ...]:
    backings = []
    for index, subset in enumerate(found.subsets or ()):
        endpoints = []
        for key, ready in (("addresses", True), ("notReadyAddresses", False)):
            addresses: list[kinds.EndpointAddress] = getattr(subset, key) or []
            for number, address in enumerate(addresses):
                path = f"subsets[{index}].{key}[{number}].ip"
                endpoints.append(
                    Endpoint(
                        at.address(address.ip, path),
                        port=0,
                        node=intern(address.nodeName or ""),
                        pod=_podName(address.targetRef),
                        ready=ready,
                    )
                )
        ports = _backingPorts(subset.ports, at)
        backings.append(Backing(found.metadata.name, ports, tuple(endpoints)))
    return tuple(backings)


def readSlice(
    found: kinds.EndpointSlice, at: Reading, namespace: str
) -> tuple[Backing, ...] | None:
    service = (found.metadata.labels or {}).get("kubernetes.io/service-name")
    if not service:
        at.problem("metadata.labels: expected kubernetes.io/service-name, found no such label")
        return None
    endpoints = []
    for index, endpoint in enumerate(found.endpoints or ()):
        conditions = endpoint.conditions or kinds.SliceConditions()
        known = [c for c in (conditions.ready, conditions.serving) if c is not None]
        for number, address in enumerate(endpoint.addresses):
            endpoints.append(
                Endpoint(
                    at.address(address, f"endpoints[{index}].addresses[{number}]"),
                    port=0,
                    node=intern(endpoint.nodeName or ""),
                    pod=_podName(endpoint.targetRef),
                    zone=endpoint.zone or "",
                    ready=known[0] if known else True,
                    terminating=bool(conditions.terminating),
                )
            )
    return (Backing(service, _backingPorts(found.ports, at), tuple(endpoints)),)


def _backingPorts(found: list[kinds.EndpointPort] | None, at: Reading) -> tuple[BackingPort, ...]:
    return tuple(
        BackingPort(intern(port.name or ""), port.port)
        for port in found or ()
        if port.port is not None and at.tcpOnly(port.protocol, port.port)
    )


def _podName(reference: kinds.Reference | None) -> str:
    return reference.name or "" if reference and reference.kind == "Pod" else ""
