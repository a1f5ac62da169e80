# -*- test-case-name: tests.edgecore.test_faults -*-
"""
How the store can fail, by name: one exception for each thing somebody can do about it.

Knows SQLite's result codes and nothing else of the store.
"""

from __future__ import annotations

import sqlite3

from edgemesh.errors import MeshError


class StoreError(MeshError):
    """The store cannot do what was asked; the text is one line for people."""


class StoreFull(StoreError):
    """No space is left for a write; reads go on."""


class StoreReadOnly(StoreError):
    """File or file system take no writes; reads go on."""


class StoreInUse(StoreError):
    """Another process has the store."""


class StoreDamaged(StoreError):
    """
    The file is no sound database.

    :ivar setAside: where it is now, or empty when it could not be moved.
    """

    def __init__(self, text: str, setAside: str = "") -> None:
        super().__init__(text)
        self.setAside = setAside


_NAMED: dict[int, type[StoreError]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    # The index of the log could not grow: the disk is full as well.
    sqlite3.SQLITE_IOERR_SHMSIZE: StoreFull,
    sqlite3.SQLITE_READONLY: StoreReadOnly,
    sqlite3.SQLITE_BUSY: StoreInUse,
    sqlite3.SQLITE_LOCKED: StoreInUse,
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
}


def faultOf(error: sqlite3.Error, path: str) -> StoreError:
    """
    What an error of SQLite's means.

    :param path: the database, for the text.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    kind = _NAMED.get(code) or _NAMED.get(code & 0xFF, StoreError)
    return kind(f"{path}: {error}")
