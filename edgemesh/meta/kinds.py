# -*- test-case-name: tests.meta.test_manifests -*-
"""
The Kubernetes kinds that are read, as far as they are used: field names and types.

What is not named here is ignored, as another version of Kubernetes may have it.
What is named must have its type; whether a value makes sense beyond that is
:mod:`edgemesh.meta.manifests`' to say.  Everything Kubernetes may leave out or set
to null is optional here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgemesh.meta.policy import PortNumber

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

#: One part of a DNS name: Services and namespaces.
Label = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A{_LABEL}\Z",
        description="str that is a DNS label (a-z, 0-9, -; at most 63)",
    ),
]
#: A whole DNS name: everything else.
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A{_LABEL}(\.{_LABEL})*\Z",
        max_length=253,
        description="str that is a DNS name (a-z, 0-9, -, .; at most 253)",
    ),
]
Transport = Literal["TCP", "UDP", "SCTP"]


class _Part(msgspec.Struct, frozen=True):
    """A part of an object; other fields are ignored."""


class About(_Part, frozen=True):
    """``metadata``."""

    name: Name
    namespace: Label | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletionTimestamp: str | None = None


class ServiceAbout(About, frozen=True):
    """``metadata`` of a Service, whose name is one part of a DNS name."""

    name: Label


class ServicePort(_Part, frozen=True):
    """One of ``spec.ports`` of a Service."""

    port: PortNumber
    name: str | None = None
    protocol: Transport | None = None
    appProtocol: str | None = None
    targetPort: int | str | None = None


class ClientIP(_Part, frozen=True):
    """``sessionAffinityConfig.clientIP``."""

    timeoutSeconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None


class SessionAffinity(_Part, frozen=True):
    """``sessionAffinityConfig``."""

    clientIP: ClientIP | None = None


class ServiceSpec(_Part, frozen=True):
    """``spec`` of a Service."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] | None = None
    ports: list[ServicePort] | None = None
    clusterIP: str | None = None
    clusterIPs: list[str] | None = None
    selector: dict[str, str] | None = None
    sessionAffinity: Literal["None", "ClientIP"] | None = None
    sessionAffinityConfig: SessionAffinity | None = None


class Service(_Part, frozen=True):
    """``v1`` Service."""

    metadata: ServiceAbout
    spec: ServiceSpec


class Reference(_Part, frozen=True):
    """``targetRef`` of an address: which object has it."""

    kind: str | None = None
    name: str | None = None


class EndpointPort(_Part, frozen=True):
    """One of the ports of Endpoints or of an EndpointSlice."""

    port: PortNumber | None = None
    name: str | None = None
    protocol: Transport | None = None


class EndpointAddress(_Part, frozen=True):
    """One address of Endpoints."""

    ip: str
    nodeName: str | None = None
    targetRef: Reference | None = None


class Subset(_Part, frozen=True):
    """Addresses that share their ports."""

    addresses: list[EndpointAddress] | None = None
    notReadyAddresses: list[EndpointAddress] | None = None
    ports: list[EndpointPort] | None = None


class Endpoints(_Part, frozen=True):
    """``v1`` Endpoints."""

    metadata: About
    subsets: list[Subset] | None = None


class SliceConditions(_Part, frozen=True):
    """``conditions`` of an endpoint in a slice; null means that nobody knows."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(_Part, frozen=True):
    """One of ``endpoints`` of an EndpointSlice."""

    addresses: list[str]
    conditions: SliceConditions | None = None
    nodeName: str | None = None
    zone: str | None = None
    targetRef: Reference | None = None


class EndpointSlice(_Part, frozen=True):
    """``discovery.k8s.io`` EndpointSlice."""

    metadata: About
    endpoints: list[SliceEndpoint] | None = None
    ports: list[EndpointPort] | None = None


class ContainerPort(_Part, frozen=True):
    """One of ``ports`` of a container."""

    containerPort: PortNumber
    name: str | None = None
    protocol: Transport | None = None


class Container(_Part, frozen=True):
    """One of ``spec.containers``."""

    ports: list[ContainerPort] | None = None


class PodSpec(_Part, frozen=True):
    """``spec`` of a Pod."""

    nodeName: str | None = None
    containers: list[Container] | None = None


class PodIP(_Part, frozen=True):
    """One of ``status.podIPs``."""

    ip: str


class Condition(_Part, frozen=True):
    """One of ``status.conditions``."""

    type: str
    status: str


class PodStatus(_Part, frozen=True):
    """``status`` of a Pod."""

    phase: str | None = None
    podIP: str | None = None
    podIPs: list[PodIP] | None = None
    conditions: list[Condition] | None = None


class Pod(_Part, frozen=True):
    """``v1`` Pod."""

    metadata: About
    spec: PodSpec | None = None
    status: PodStatus | None = None


class NodeAddress(_Part, frozen=True):
    """One of ``status.addresses`` of a Node."""

    type: str
    address: str


class NodeStatus(_Part, frozen=True):
    """``status`` of a Node."""

    addresses: list[NodeAddress] | None = None


class Node(_Part, frozen=True):
    """``v1`` Node."""

    metadata: About
    status: NodeStatus | None = None
