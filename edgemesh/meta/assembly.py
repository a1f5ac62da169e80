# -*- test-case-name: tests.meta.test_assembly -*-
"""
Checked objects -> one Metadata, and from there to the next when some of them change.

:class:`Assembly` takes objects as they come and go, :func:`build` all of them at once.
What does not fit together is a problem of the object, never an error: the rest stays
in force.  Pure.

A new Metadata shares with the former one every mapping in which nothing changed, and
every value; the mappings that did change are copied, pointers only, since somebody may
hold the former ones.  Endpoints are looked for again where something changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.matching import Matching
from edgemesh.meta.model import Endpoint, Metadata, Pod, Service, portKey
from edgemesh.meta.parts import Name, Parts

_K = TypeVar("_K")
_V = TypeVar("_V")


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
    assembly = Assembly()
    files: dict[tuple[str, str, str], str] = {}
    problems: dict[str, str] = {}
    for manifest in manifests:
        identity = (manifest.kind, manifest.namespace, manifest.name)
        if identity in files:
            problems[f"{manifest.title} in {manifest.file}"] = (
                f"expected once, found in {files[identity]} before, which counts"
            )
            continue
        files[identity] = manifest.file
        assembly.put(manifest, allowLoopback)
    metadata = replace(assembly.commit(), generation=generation, changed=None)
    return Built(metadata, {**assembly.problems(), **problems})


class Assembly:
    """Metadata of objects that come and go."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._metadata = Metadata()
        #: What does not fit, by object and by Service.
        self._refused: dict[tuple[str, Name], str] = {}
        self._odd: dict[Name, dict[str, str]] = {}

    def put(self, manifest: Manifest, allowLoopback: bool) -> None:
        """
        Take an object, in the place of the former one of its kind and name.

        :param allowLoopback: whether it may name endpoints on 127.0.0.1 and the like.
        """
        identity = (manifest.kind, (manifest.namespace, manifest.name))
        self._refused.pop(identity, None)
        if not allowLoopback:
            manifest, found = _elsewhere(manifest)
            if found:
                self._refused[identity] = (
                    f"expected endpoints elsewhere than on loopback, found {found}"
                )
        self._parts.put(manifest)

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Forget an object; harmless when it is not known."""
        self._refused.pop((kind, (namespace, name)), None)
        self._parts.remove(kind, namespace, name)

    def names(self, kind: str) -> list[Name]:
        """Every object of a kind, by namespace and name."""
        return self._parts.names(kind)

    def selected(self, service: Name) -> list[Name]:
        """The Pods that a Service's selector fits, if it is known and has one."""
        found = self._parts.services.get(service)
        pods = self._parts.selected(found.service) if found is not None else ()
        return [(pod.namespace, pod.name) for pod in pods]

    def problems(self) -> dict[str, str]:
        """What does not fit together: title of the object to one line."""
        problems = {
            f"{kind} {name}.{namespace}": line
            for (kind, (namespace, name)), line in self._refused.items()
        }
        for odd in self._odd.values():
            problems |= odd
        return problems

    def commit(self) -> Metadata:
        """
        Everything as it is now; the very same value when nothing changed.

        It says what changed since the one before, and is one generation later.
        """
        parts, former = self._parts, self._metadata
        changes = parts.taken()
        endpoints: dict[str, tuple[Endpoint, ...] | None] = {}
        changed = dict(changes.services)
        for name in changes.touched:
            others = self._rematched(name)
            if others:
                endpoints |= others
                changed[name] = None
        if not (changed or changes.pods or changes.nodes):
            return former
        services = {
            name: found.service if (found := parts.services.get(name)) else None
            for name in changes.services
        }
        self._metadata = Metadata(
            _patched(former.services, services),
            _patched(former.endpoints, endpoints),
            _patched(former.pods, {name: parts.pods.get(name) for name in changes.pods}),
            _patched(former.nodes, {name[1]: parts.nodes.get(name) for name in changes.nodes}),
            former.generation + 1,
            frozenset(changed),
        )
        return self._metadata

    def _rematched(self, name: Name) -> dict[str, tuple[Endpoint, ...] | None]:
        """The ports of a Service whose endpoints are others now; None where there are none."""
        former, found = self._metadata.services.get(name), self._parts.services.get(name)
        before = {key: self._metadata.endpoints.get(key, ()) for key in _keys(former)}
        matching = Matching(self._parts)
        now: dict[str, tuple[Endpoint, ...]] = {}
        if found is not None:
            for key, port in zip(_keys(found.service), found.service.ports, strict=True):
                now[key] = matching.endpointsOf(found, port)
        if matching.problems:
            self._odd[name] = matching.problems
        else:
            self._odd.pop(name, None)
        self._parts.note(
            name, chain.from_iterable(before.values()), chain.from_iterable(now.values())
        )
        return {
            key: now.get(key) or None
            for key in before | now
            if now.get(key, ()) != before.get(key, ())
        }


def _keys(service: Service | None) -> list[str]:
    """The keys of all ports of a Service."""
    if service is None:
        return []
    return [portKey(service.namespace, service.name, port.port) for port in service.ports]


def _elsewhere(manifest: Manifest) -> tuple[Manifest, str]:
    """The object without its endpoints on loopback, and the first of those."""
    value = manifest.value
    if isinstance(value, Pod):
        found = [address for address in value.addresses if _isLoopback(address)]
        if found:
            kept = tuple(address for address in value.addresses if address not in found)
            value = replace(value, addresses=kept)
    elif isinstance(value, tuple):
        found = [
            one.address for each in value for one in each.endpoints if _isLoopback(one.address)
        ]
        if found:
            value = tuple(
                replace(
                    each,
                    endpoints=tuple(o for o in each.endpoints if not _isLoopback(o.address)),
                )
                for each in value
            )
    else:
        return manifest, ""
    return (replace(manifest, value=value), found[0]) if found else (manifest, "")


def _isLoopback(address: str) -> bool:
    """Of an address in its one spelling."""
    return address.startswith("127.") or address == "::1"


def _patched(former: Mapping[_K, _V], patch: Mapping[_K, _V | None]) -> Mapping[_K, _V]:
    """A copy of the mapping with other values in it; None takes a key away."""
    if not patch:
        return former
    copy = dict(former)
    for key, value in patch.items():
        if value is None:
            copy.pop(key, None)
        else:
            copy[key] = value
    return copy
