# -*- test-case-name: tests.meta.test_objects -*-
"""
The content of a Message -> the Kubernetes objects in it, each as a plain value.

::

    {...}                          one object, as the cloud sends it
    "{...}"                        one object as text
    ["{...}", "{...}"]             rows of a database, each a text
    ["[{...},{...}]"]              a row that is a list
    [{...}, {...}]                 a list
    {"kind":"PodList","items":[]}  a list as Kubernetes has it

What an object says beyond its name and version is not looked at here;
:mod:`edgemesh.meta.manifests` checks it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from edgemesh.beehive import gojson
from edgemesh.beehive.resource import NO_NAMESPACE, Resource
from edgemesh.errors import BAD_REQUEST, RemoteProtocolError
from edgemesh.meta.parts import Name

#: The annotation of objects that came from this node's own manifests, and its value.
#: Their endpoints, and nobody else's, may be on loopback.
ORIGIN = "edgemesh.io/origin"
MANIFESTS = "manifests"

#: Texts within texts: a row that is a list of texts, and nothing beyond.
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What objects of one type are.

    :ivar type: in resource strings.
    """

    type: str
    kind: str
    apiVersion: str

    def title(self, namespace: str, name: str) -> str:
        """An object for people: ``Service web.default``."""
        shown = name[:63] if name.isprintable() else repr(name[:63])
        return f"{self.kind} {shown}.{namespace}" if namespace else f"{self.kind} {shown}"


SERVICE = Kind("service", "Service", "v1")
ENDPOINTS = Kind("endpoints", "Endpoints", "v1")
ENDPOINT_SLICE = Kind("endpointslice", "EndpointSlice", "discovery.k8s.io/v1")
POD = Kind("pod", "Pod", "v1")
NODE = Kind("node", "Node", "v1")

#: What there may be, in the order in which it is asked for.
KINDS = (SERVICE, ENDPOINTS, ENDPOINT_SLICE, POD, NODE)
#: By type, lists included.
KIND_OF: Mapping[str, Kind] = {
    **{kind.type: kind for kind in KINDS},
    "servicelist": SERVICE,
    "endpointslist": ENDPOINTS,
    "podlist": POD,
}
#: The type of the Pods behind a Service, all of them in one object.
POD_LIST = "podlist"


@dataclass(frozen=True, slots=True)
class Item:
    """
    One object.

    :ivar uid: a number made from it; 0 when it has none.
    :ivar version: its resourceVersion; 0 when it has none that can be compared.
    :ivar isOwn: it says that it came from this node's own manifests.
    :ivar value: the whole of it.
    """

    kind: Kind
    namespace: str
    name: str
    uid: int
    version: int
    isOwn: bool
    value: Mapping[str, Any]

    @property
    def place(self) -> Name:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def title(self) -> str:
        """For people: ``Service web.default``."""
        return self.kind.title(self.namespace, self.name)


def placeOf(resource: Resource) -> Name:
    """Namespace and name of the object that a resource string names; empty if it names none."""
    kind = KIND_OF[resource.type]
    name = resource.name if resource.type == kind.type else ""
    if kind is NODE or resource.namespace == NO_NAMESPACE:
        return "", name
    isOne = bool(name) or resource.type == POD_LIST
    return (intern(resource.namespace) if isOne else ""), name


def itemsOf(value: object, resource: Resource) -> Iterator[Item]:
    """
    Every object in a content.

    :param resource: of a known type; says of what kind, namespace and name objects are
        that do not say so themselves, as old clouds send them.
    :raise RemoteProtocolError: it holds something else.
    """
    kind = KIND_OF[resource.type]
    place = placeOf(resource)
    for plain in _plain(value, resource, _DEEPEST):
        about = plain.get("metadata")
        if not isinstance(about, dict):
            raise _unexpected(resource, "an object with metadata", plain)
        namespace = _text(about, "namespace") or place[0] or "default"
        annotations = about.get("annotations")
        yield Item(
            kind,
            "" if kind is NODE else intern(namespace),
            _text(about, "name") or place[1],
            hash(_text(about, "uid")),
            _number(_text(about, "resourceVersion")),
            isinstance(annotations, dict) and annotations.get(ORIGIN) == MANIFESTS,
            {"kind": kind.kind, "apiVersion": kind.apiVersion, **plain},
        )


def _plain(value: object, resource: Resource, deepest: int) -> Iterator[dict[str, Any]]:
    """The objects in lists and texts of whatever kind."""
    if isinstance(value, str | bytes) and deepest:
        text = value if isinstance(value, bytes) else value.encode()
        yield from _plain(gojson.decode(text), resource, deepest - 1)
    elif isinstance(value, list) and deepest:
        for item in value:
            yield from _plain(item, resource, deepest - 1)
    elif isinstance(value, dict) and "metadata" in value and isinstance(value.get("items"), list):
        yield from _plain(value["items"], resource, deepest - 1)
    elif isinstance(value, dict):
        yield value
    else:
        raise _unexpected(resource, "an object", value)


def _text(about: Mapping[str, Any], key: str) -> str:
    found = about.get(key)
    return found if isinstance(found, str) else ""


def _number(version: str) -> int:
    isNumber = version.isascii() and version.isdigit() and len(version) < 19
    return int(version) if isNumber else 0


def _unexpected(resource: Resource, expected: str, found: object) -> RemoteProtocolError:
    return RemoteProtocolError(
        BAD_REQUEST, f"{resource}: expected {expected}, found {type(found).__name__}"
    )
