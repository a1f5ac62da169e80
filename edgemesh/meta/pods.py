# -*- test-case-name: tests.meta.test_manifests -*-
"""Pod and Node as Kubernetes has them -> the mesh's values; one object at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from edgemesh.meta import kinds
from edgemesh.meta.model import Node, Pod
from edgemesh.meta.reading import Reading
from edgemesh.meta.shapes import shown

_Weight = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


def readPod(found: kinds.Pod, at: Reading, namespace: str) -> Pod:
    about = found.metadata
    spec = found.spec or kinds.PodSpec()
    status = found.status or kinds.PodStatus()
    containers = spec.containers or []
    ports = [port for container in containers for port in container.ports or ()]
    return Pod(
        namespace=namespace,
        name=about.name,
        node=spec.nodeName or "",
        addresses=_podAddresses(status, at),
        labels=about.labels or {},
        ready=_isReady(status),
        terminating=about.deletionTimestamp is not None,
        ports={
            port.name: port.containerPort
            for port in ports
            if port.name and port.protocol in (None, "TCP")
        },
        weight=_weight(about.annotations or {}, at),
    )


def _podAddresses(status: kinds.PodStatus, at: Reading) -> tuple[str, ...]:
    found = [(f"status.podIPs[{i}].ip", each.ip) for i, each in enumerate(status.podIPs or ())]
    if not found and status.podIP:
        found = [("status.podIP", status.podIP)]
    return tuple(at.address(text, path) for path, text in found)


def _isReady(status: kinds.PodStatus) -> bool:
    """A Pod of which nobody says anything is taken for ready: it was written by hand."""
    if status.phase in ("Succeeded", "Failed"):
        return False
    if not status.conditions:
        return True
    return any(c.type == "Ready" and c.status == "True" for c in status.conditions)


def _weight(annotations: Mapping[str, str], at: Reading) -> int:
    text = annotations.get("edgemesh.io/weight", "1")
    try:
        return msgspec.convert(text.strip(), _Weight, strict=False)
    except msgspec.ValidationError:
        at.problem(
            "metadata.annotations.edgemesh.io/weight: expected an int from 0 to 1000000, "
            f"found {shown(text)}"
        )
        return 1


def readNode(found: kinds.Node, at: Reading, namespace: str) -> Node:
    status = found.status or kinds.NodeStatus()
    addresses = [
        at.address(each.address, f"status.addresses[{index}].address")
        for index, each in enumerate(status.addresses or ())
        if each.type in ("InternalIP", "ExternalIP")
    ]
    zone = (found.metadata.labels or {}).get("topology.kubernetes.io/zone", "")
    return Node(found.metadata.name, zone, tuple(addresses))
