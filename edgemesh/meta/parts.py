# -*- test-case-name: tests.meta.test_parts -*-
"""
Checked objects by name, and which Services each of them may concern.

What changes marks the Services that have to be looked at again, so that one object's
change costs work for that object and not for everything that is known.  What their
endpoints are is :mod:`edgemesh.meta.assembly`'s to say.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.members import Members
from edgemesh.meta.model import Endpoint, Node, Pod, Service
from edgemesh.meta.services import Backing, ServiceObject

#: Namespace and name; a Node's namespace is empty.
Name = tuple[str, str]
#: Namespace, key and value of a label.
_Label = tuple[str, str, str]

_Backings = tuple[Backing, ...]


@dataclass(slots=True)
class Changes:
    """
    What changed since somebody last looked, each in the order in which it came.

    :ivar services: Services that came, changed or went.
    :ivar touched: Services whose endpoints may have changed.
    """

    services: dict[Name, None] = field(default_factory=dict)
    touched: dict[Name, None] = field(default_factory=dict)
    pods: dict[Name, None] = field(default_factory=dict)
    nodes: dict[Name, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.services or self.touched or self.pods or self.nodes)


class Parts:
    """
    Every object by its name, each once.

    :ivar changes: since :meth:`taken`.
    """

    def __init__(self) -> None:
        self.services: dict[Name, ServiceObject] = {}
        self.endpoints: dict[Name, _Backings] = {}
        self.slices: dict[Name, _Backings] = {}
        self.pods: dict[Name, Pod] = {}
        self.nodes: dict[Name, Node] = {}
        self.changes = Changes()
        self._kinds: Mapping[str, dict[Name, Any]] = {
            "Service": self.services,
            "Endpoints": self.endpoints,
            "EndpointSlice": self.slices,
            "Pod": self.pods,
            "Node": self.nodes,
        }
        #: Slices of a Service.
        self._slicesOf: Members[Name] = Members()
        #: Pods that have a label.
        self._labelled: Members[_Label] = Members()
        #: Services whose selector has a label; each is kept under one of its labels.
        self._selecting: Members[_Label] = Members()
        #: Services that have an endpoint of a Pod.
        self._naming: Members[Name] = Members()

    def taken(self) -> Changes:
        """The changes; from now on others are collected."""
        changes, self.changes = self.changes, Changes()
        return changes

    def put(self, manifest: Manifest) -> None:
        """Take an object in the place of the former one of its kind and name."""
        held = self._kinds[manifest.kind]
        name = (manifest.namespace, manifest.name)
        former, value = held.get(name), manifest.value
        if former != value:
            held[name] = value
            self._changed(manifest.kind, name, former, value)

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Forget an object; harmless when it is not known."""
        former = self._kinds[kind].pop((namespace, name), None)
        if former is not None:
            self._changed(kind, (namespace, name), former, None)

    def names(self, kind: str) -> list[Name]:
        """Every object of a kind."""
        return list(self._kinds[kind])

    # -- what belongs together ----------------------------------------------------

    def backings(self, service: Name) -> list[Backing]:
        """What says who is behind a Service: its slices, else its Endpoints."""
        slices = self._slicesOf.of(service)
        if slices:
            # In a fixed order, whichever came first.
            ordered = sorted(slices) if len(slices) > 1 else slices
            return [one for name in ordered for one in self.slices[service[0], name]]
        return list(self.endpoints.get(service, ()))

    def selected(self, service: Service) -> Iterator[Pod]:
        """The Pods that a selector fits, by name."""
        # One label's Pods instead of all of them: thousands of Services would take seconds.
        labels = [(service.namespace, *item) for item in service.selector.items()]
        fewest = min((self._labelled.of(label) for label in labels), key=len, default=())
        for name in sorted(fewest):
            pod = self.pods[service.namespace, name]
            if service.selector.items() <= pod.labels.items():
                yield pod

    def note(
        self, service: Name, former: Iterable[Endpoint], endpoints: Iterable[Endpoint]
    ) -> None:
        """Note whose Pods the endpoints of a Service are now."""
        namespace, name = service
        pods = {one.pod for one in endpoints if one.pod}
        for gone in {one.pod for one in former} - pods:
            self._naming.discard((namespace, gone), name)
        for pod in pods:
            self._naming.add((namespace, pod), name)

    # -- what concerns whom ---------------------------------------------------------

    def _changed(self, kind: str, name: Name, former: Any, value: Any) -> None:
        touched = self.changes.touched
        if kind == "Service":
            self._select(name, former, value)
            self.changes.services[name] = None
            touched[name] = None
        elif kind == "Endpoints":
            touched[name] = None
        elif kind == "EndpointSlice":
            self._slice(name, former or (), value or ())
        elif kind == "Pod":
            self.changes.pods[name] = None
            self._label(name, former, value)
        else:
            self.changes.nodes[name] = None
            if (former.zone if former else "") != (value.zone if value else ""):
                # Seldom: all there is may be on this node.
                touched.update(dict.fromkeys(self.services))

    def _select(
        self, name: Name, former: ServiceObject | None, value: ServiceObject | None
    ) -> None:
        for item in former.service.selector.items() if former else ():
            self._selecting.discard((name[0], *item), name[1])
        if value is not None and value.service.selector:
            labels = [(name[0], *item) for item in value.service.selector.items()]
            rarest = min(labels, key=lambda label: len(self._selecting.of(label)))
            self._selecting.add(rarest, name[1])

    def _slice(self, name: Name, former: _Backings, value: _Backings) -> None:
        for one in former:
            self._slicesOf.discard((name[0], one.service), name[1])
        for one in value:
            self._slicesOf.add((name[0], one.service), name[1])
        for one in (*former, *value):
            self.changes.touched[name[0], one.service] = None

    def _label(self, name: Name, former: Pod | None, value: Pod | None) -> None:
        namespace = name[0]
        labels: dict[_Label, None] = {}
        for pod, change in ((former, self._labelled.discard), (value, self._labelled.add)):
            for item in pod.labels.items() if pod else ():
                label = (namespace, *item)
                labels[label] = None
                change(label, name[1])
        concerned = dict.fromkeys(self._naming.of(name))
        for label in labels:
            for service in self._selecting.of(label):
                selector = self.services[namespace, service].service.selector.items()
                if any(pod and selector <= pod.labels.items() for pod in (former, value)):
                    concerned[service] = None
        for service in concerned:
            self.changes.touched[namespace, service] = None
