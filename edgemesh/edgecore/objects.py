# -*- test-case-name: tests.edgecore.test_objects -*-
"""
What metamanager reads of a Kubernetes object: who it is, and which of two is newer.

Nothing else of an object is looked at; what is no object is stored as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgemesh.edgecore.rows import ObjectRow


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who an object is.

    :ivar version: its resourceVersion, or 0 when it has none that can be compared.
    :ivar created: as Kubernetes writes it, in UTC: earlier texts sort first.
    """

    kind: str
    apiVersion: str
    namespace: str
    name: str
    uid: str
    version: int
    created: str

    def objectRow(self) -> ObjectRow | None:
        """Where ``meta_v2`` has it, or None if it does not say what it is."""
        if not (self.kind and self.apiVersion and self.name):
            return None
        group, _, version = self.apiVersion.rpartition("/")
        plural = _plural(self.kind)
        namespace = self.namespace or "null"
        return ObjectRow(
            f"/{group or 'core'}/{version}/{plural}/{namespace}/{self.name}",
            f"{group}/{version}, Resource={plural}",
            self.namespace,
            self.name,
            self.version,
        )

    def isOlderThan(self, other: Identity) -> bool:
        """
        Whether ``other`` makes this one obsolete.

        Versions of one cluster rise.  Two uids are two objects of one name: the
        one that was made later counts, even if its cluster was set up anew and
        counts from the beginning.
        """
        dated = bool(self.created and other.created) and self.created != other.created
        if dated and self.uid != other.uid:
            return self.created < other.created
        return bool(self.version and other.version) and self.version < other.version


class _Metadata(msgspec.Struct, frozen=True):
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    resourceVersion: str | None = None
    creationTimestamp: str | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata
    kind: str | None = None
    apiVersion: str | None = None


_decoder = msgspec.json.Decoder(_Object)


def identify(value: str | bytes, version: str = "") -> Identity | None:
    """
    Who the object in a JSON text is; None when it is no object.

    :param version: a resourceVersion told beside it; the higher one counts.
    """
    try:
        found = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    about = found.metadata
    return Identity(
        found.kind or "",
        found.apiVersion or "",
        about.namespace or "",
        about.name or "",
        about.uid or "",
        max(versionOf(about.resourceVersion), versionOf(version)),
        about.creationTimestamp or "",
    )


def versionOf(text: str | None) -> int:
    """A resourceVersion as a number; 0 for what SQLite could not keep as one."""
    if text and text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return 0


def _plural(kind: str) -> str:
    """As KubeEdge forms it, which has no dictionary either."""
    lower = kind.lower()
    if lower == "endpoints":
        return lower
    if lower.endswith("s"):
        return lower + "es"
    return lower[:-1] + "ies" if lower.endswith("y") else lower + "s"
