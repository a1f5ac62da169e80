# -*- test-case-name: tests.meta.test_manifests -*-
"""
The text of one file -> checked objects: Service, Endpoints, EndpointSlice, Pod, Node.

:func:`parse` takes YAML with any number of documents, JSON, and Lists of either,
as ``kubectl get -o yaml`` writes them.  Whatever the text is, the answer is a
:class:`Parsed` or one :class:`~edgemesh.errors.ConfigurationError` of one line
naming the file, the document, the object, the key path, what was expected and
what was found.  Pure; how objects of several files belong together is
:mod:`edgemesh.meta.assembly`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Any

import msgspec

from edgemesh.meta import kinds
from edgemesh.meta.documents import readJSON, readYAML
from edgemesh.meta.model import Node, Pod
from edgemesh.meta.pods import readNode, readPod
from edgemesh.meta.reading import Reading
from edgemesh.meta.services import Backing, ServiceObject, readEndpoints, readService, readSlice
from edgemesh.meta.shapes import check, shown


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    One checked object.

    :ivar file: where it is from.
    """

    kind: str
    namespace: str
    name: str
    file: str
    value: ServiceObject | tuple[Backing, ...] | Pod | Node

    @property
    def title(self) -> str:
        """For people: ``Service web.default``."""
        return _title(self.kind, self.name, self.namespace)


@dataclass(slots=True)
class Parsed:
    """
    What is in one file.

    :ivar problems: objects, or parts of them, that cannot be used although the
        file is sound: title to one line.
    :ivar notes: what is ignored on purpose, one line each.
    """

    manifests: list[Manifest] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def parse(text: str, file: str) -> Parsed:
    """
    Read one file.

    :param file: its name; one that ends in ``.json`` is JSON, any other YAML.
    :raise ConfigurationError: nothing of it can be used.
    """
    json = file.endswith(".json")
    documents = [readJSON(text, file)] if json else readYAML(text, file)
    parsed = Parsed()
    for number, document in enumerate(documents, 1):
        if document is not None:
            for where, item in _items(document, f"{file}: document {number}"):
                _take(parsed, item, where, file)
    return parsed


def parseObject(value: object, where: str) -> Parsed:
    """
    Read one object that is decoded already.

    :param where: where it is from, as errors name it.
    :raise ConfigurationError: nothing of it can be used.
    """
    check(value, _Head, where)
    parsed = Parsed()
    _take(parsed, value, where, where)
    return parsed


class _Head(msgspec.Struct):
    """What every object has."""

    kind: str
    apiVersion: str
    items: list[Any] | None = None


def _items(document: object, where: str) -> Iterator[tuple[str, Any]]:
    """The objects of a document; a List has several."""
    head = check(document, _Head, where)
    if not head.kind.endswith("List"):
        yield where, document
        return
    ofKind = {"kind": head.kind.removesuffix("List"), "apiVersion": head.apiVersion}
    for number, item in enumerate(head.items or (), 1):
        # The items of a PodList do not repeat what they are.
        whole = {**ofKind, **item} if ofKind["kind"] and isinstance(item, dict) else item
        yield from _items(whole, f"{where}, item {number}")


def _take(parsed: Parsed, item: Any, where: str, file: str) -> None:
    kind, version = item["kind"], item["apiVersion"]
    reader = _READERS.get((version, kind))
    if reader is None:
        parsed.notes.append(f"objects of kind {shown(kind)} ({shown(version)}) are ignored")
        return
    shape, read = reader
    found = check(item, shape, f"{where}, {_guessedTitle(item)}")
    about: kinds.About = found.metadata
    # Thousands of objects share it.
    namespace = "" if kind == "Node" else intern(about.namespace or "default")
    title = _title(kind, about.name, namespace)
    at = Reading(title, f"{where}, {title}", parsed.problems, parsed.notes)
    value = read(found, at, namespace)
    if value is not None:
        parsed.manifests.append(Manifest(kind, namespace, about.name, file, value))


def _title(kind: str, name: str, namespace: str) -> str:
    return f"{kind} {name}.{namespace}" if namespace else f"{kind} {name}"


def _guessedTitle(item: Any) -> str:
    """What to call an object that may be wrong anywhere."""
    about = item.get("metadata")
    name = about.get("name") if isinstance(about, dict) else None
    return (
        f"{item['kind']} {name[:63]}"
        if isinstance(name, str) and name.isprintable()
        else str(item["kind"])
    )


_READERS: dict[tuple[str, str], tuple[Any, Callable[[Any, Reading, str], Any]]] = {
    ("v1", "Service"): (kinds.Service, readService),
    ("v1", "Endpoints"): (kinds.Endpoints, readEndpoints),
    ("discovery.k8s.io/v1", "EndpointSlice"): (kinds.EndpointSlice, readSlice),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): (kinds.EndpointSlice, readSlice),
    ("v1", "Pod"): (kinds.Pod, readPod),
    ("v1", "Node"): (kinds.Node, readNode),
}
