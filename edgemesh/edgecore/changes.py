# -*- test-case-name: tests.edgecore.test_changes -*-
"""
A change of one row: whether it is to be applied, and what then to write.

Two sources may know an object of one name: the cloud and a folder of manifests.  The
cloud's counts.  Within one source the newer object counts.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemesh.edgecore.objects import Identity, identify
from edgemesh.edgecore.rows import Delete, Gone, IRows, Raise, Row, Upsert, Write


@dataclass(frozen=True, slots=True)
class Change:
    """
    What to do.

    :ivar applied: False for what is obsolete; what is there already is applied.
    """

    applied: bool
    writes: tuple[Write, ...] = ()


_OBSOLETE = Change(False)


def written(rows: IRows, row: Row, version: str = "", origin: str = "") -> Change:
    """
    Somebody says that this is the row.

    :param version: the resourceVersion told beside it.
    :param origin: empty for the cloud.
    """
    told = identify(row.value, version)
    stored = rows.value(row.key)
    if stored is None:
        if told is not None and _returns(rows, row.key, told):
            return _OBSOLETE
    else:
        known, feeder = identify(stored), rows.origin(row.key)
        if origin and not feeder:
            return _OBSOLETE
        if origin == feeder:
            if told is not None and known is not None and told.isOlderThan(known):
                return _OBSOLETE
            if stored == row.value:
                return Change(True)
    # KubeEdge keeps what is called a status out of its API server.
    about = None if told is None or "status" in row.type else told.objectRow()
    raised = (Raise(origin, told.version),) if origin and told is not None else ()
    return Change(True, (Upsert(row, origin, about), *raised))


def deleted(rows: IRows, key: str, value: str, version: str = "", origin: str = "") -> Change:
    """
    Somebody says that there is no such row any more.

    :param value: what it last was, as far as is told.
    """
    told = identify(value, version) or identify('{"metadata":{}}', version)
    assert told is not None
    stored = rows.value(key)
    known = None if stored is None else identify(stored)
    if stored is not None and origin != rows.origin(key):
        return _OBSOLETE
    if known is not None and told.isOlderThan(known):
        return _OBSOLETE
    if stored is None and told.uid == "":
        return Change(True)
    last = known or told
    about = last.objectRow()
    latest = max(told.version, last.version)
    gone = Gone(last.uid, latest) if last.uid else None
    raised = (Raise(origin, latest),) if origin else ()
    return Change(True, (Delete(key, about.key if about else "", gone), *raised))


def _returns(rows: IRows, key: str, told: Identity) -> bool:
    """Whether this is an object from before its deletion, come late."""
    gone = rows.gone(key)
    return gone is not None and told.uid == gone.uid and told.version < gone.version
