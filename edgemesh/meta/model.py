# -*- test-case-name: tests.meta.test_model -*-
"""
What the node knows, as immutable values: Service, Endpoint, Pod, Node, Metadata.

These are the mesh's own small view of the Kubernetes objects; reading the
objects is :mod:`edgemesh.meta.manifests`' work.  Knows no reactor, no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServicePort:
    """
    One port of a Service.

    :ivar port: the number callers use.
    :ivar name: its name in the Service; empty when the Service has one port.
    :ivar appProtocol: the protocol the Service claims; empty when it claims none.
    """

    port: int
    name: str = ""
    appProtocol: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """
    A name that apps call.

    :ivar clusterIPs: its virtual addresses; empty when it is headless.
    :ivar affinitySeconds: session affinity by caller address for this long;
        0 for none.
    :ivar annotations: those that begin with ``edgemesh.io/`` only.
    """

    namespace: str
    name: str
    ports: tuple[ServicePort, ...]
    clusterIPs: tuple[str, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    affinitySeconds: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One ip:port behind a service port.

    :ivar node: the node it runs on; empty when nobody said.
    :ivar pod: the name of its Pod; empty when it is none.
    :ivar ready: whether it takes new calls.
    :ivar terminating: it is going away; it takes no new calls.
    :ivar weight: its share of the calls under weighted balancing.
    """

    address: str
    port: int
    node: str = ""
    pod: str = ""
    zone: str = ""
    ready: bool = True
    terminating: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Pod:
    """A Pod, as far as calls care. ``ports`` maps container port names to numbers."""

    namespace: str
    name: str
    node: str = ""
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    terminating: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster: its name, its zone, its addresses."""

    name: str
    zone: str = ""
    addresses: tuple[str, ...] = ()


def portKey(namespace: str, name: str, port: int) -> str:
    """The key of a service port everywhere in the mesh: ``web.default:80``."""
    return f"{name}.{namespace}:{port}"


@dataclass(frozen=True, slots=True)
class Metadata:
    """
    Everything known at one moment.

    :ivar services: by (namespace, name).
    :ivar endpoints: by port key; a key is absent when nothing is behind it.
    :ivar pods: by (namespace, name).
    :ivar nodes: by name.
    :ivar generation: rises with every change.
    :ivar changed: the Services, by (namespace, name), that are not as they were one
        generation before, or whose endpoints are not; None when anything may be.
    """

    services: Mapping[tuple[str, str], Service] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    pods: Mapping[tuple[str, str], Pod] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    generation: int = 0
    changed: frozenset[tuple[str, str]] | None = field(default=None, compare=False)
