# -*- test-case-name: tests.edgecore.test_rows -*-
"""What is read from and written to the store, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

#: The origin of rows that a folder of manifests feeds, and the source of its Messages.
MANIFESTS = "manifests"


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of ``meta``.

    :ivar key: the edge side's resource string: ``default/service/web``.
    :ivar type: its middle part.
    :ivar value: JSON text.
    """

    key: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """
    One row of ``meta_v2``: where KubeEdge's own API server looks for an object.

    :ivar key: ``/core/v1/services/default/web``.
    :ivar resource: group, version and plural, as Go writes them.
    """

    key: str
    resource: str
    namespace: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Upsert:
    """
    Write a row, whatever was there.

    :ivar origin: empty for what the cloud sent; else who feeds it.
    :ivar object: its row in ``meta_v2``, which has the same value.
    """

    row: Row
    origin: str = ""
    object: ObjectRow | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """
    Remove a row, and remember what it held when that had a version.

    :ivar objectKey: the key in ``meta_v2``, or empty.
    :ivar gone: what is not to come back.
    """

    key: str
    objectKey: str = ""
    gone: Gone | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The last that is known of a deleted object."""

    uid: str
    version: int


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise a counter; one that is higher already stays."""

    counter: str
    value: int


Write = Upsert | Delete | Raise


class IRows(Protocol):
    """What a decision may ask of the store."""

    def value(self, key: str) -> str | None:
        """The value of a row, or None."""

    def ofType(self, kind: str, after: str = "", limit: int = -1) -> list[Row]:
        """
        Rows of one type, by rising key.

        :param after: only keys behind this one.
        :param limit: at most so many; -1 for all.
        """

    def origin(self, key: str) -> str:
        """Who feeds a row; empty for the cloud, or when there is none."""

    def gone(self, key: str) -> Gone | None:
        """What was last deleted under this key."""
