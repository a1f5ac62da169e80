# -*- test-case-name: tests.edgecore.test_store -*-
"""
What a node knows, on disk: KubeEdge's tables in one SQLite file.

Theory of operation.  The log (WAL) with ``synchronous=FULL`` makes a commit
durable before it returns, so that what was acknowledged outlives a power cut.
Writes go into the open transaction, begun by the first of them; reads see it.
Each error has a name:

* damaged: the file is set aside under a name with the time and an empty one is
  begun, when it is opened and whenever damage shows later;
* full or read-only: writes raise, reads go on, and each later write tries again.
  Where there is nothing to read either, the store is empty until a write succeeds.

Synchronous, for one thread; knows no Twisted and nothing of what the rows mean.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from edgemesh.edgecore import opening
from edgemesh.edgecore.faults import StoreDamaged, StoreError, StoreFull, StoreReadOnly
from edgemesh.edgecore.rows import Delete, Gone, Raise, Row, Upsert, Write
from edgemesh.edgecore.schema import generation

#: Of so many deleted objects it is remembered that they are gone.
MAX_GONE = 10_000


class MetaStore:
    """
    The database of one node.

    :param path: the file; it is made if it is not there.
    :param seconds: Unix seconds, for the name of a damaged file.
    :raise StoreInUse: another process has it.
    :raise StoreError: it can neither be written nor read.
    :ivar setAside: where damaged files are now, oldest first.
    :ivar unwritable: why nothing can be written, or None.
    """

    def __init__(self, path: str, seconds: Callable[[], float] = time.time) -> None:
        self.path = path
        self.setAside: list[str] = []
        self.unwritable: StoreError | None = None
        self._seconds = seconds
        self._connection: sqlite3.Connection
        self._lock = opening.StoreLock(path)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def __repr__(self) -> str:
        return f"<MetaStore {self.path}: {self.unwritable or 'writable'}>"

    def close(self) -> None:
        """Put the log into the file and let another process have it."""
        self._connection.close()
        self._lock.release()

    # Reading.

    def value(self, key: str) -> str | None:
        """The value of a row, or None."""
        found: str | None = self._first("SELECT value FROM meta WHERE key = ?", key)
        return found

    def ofType(self, kind: str, after: str = "", limit: int = -1) -> list[Row]:
        """
        Rows of one type, by rising key.

        :param after: only keys behind this one.
        :param limit: at most so many; -1 for all.
        """
        query = "SELECT key, type, value FROM meta WHERE type = ? AND key > ? ORDER BY key LIMIT ?"
        return list(self._rows(query, kind, after, limit))

    def page(self, after: str = "", limit: int = 1000) -> list[Row]:
        """Rows of every type behind a key, by rising key: all rows, a part at a time."""
        query = "SELECT key, type, value FROM meta WHERE key > ? ORDER BY key LIMIT ?"
        return list(self._rows(query, after, limit))

    def rows(self) -> Iterator[Row]:
        """Every row, by rising key; never all of them in memory."""
        return self._rows("SELECT key, type, value FROM meta ORDER BY key")

    def fedBy(self, origin: str) -> list[Row]:
        """The rows that come from ``origin``."""
        query = (
            "SELECT meta.key, type, value FROM edgemesh_origin JOIN meta USING (key)"
            " WHERE origin = ? ORDER BY meta.key"
        )
        return list(self._rows(query, origin))

    def origin(self, key: str) -> str:
        """Who feeds a row; empty for the cloud, or when there is none."""
        return self._first("SELECT origin FROM edgemesh_origin WHERE key = ?", key) or ""

    def gone(self, key: str) -> Gone | None:
        """What was last deleted under this key."""
        with self._guard():
            query = "SELECT uid, version FROM edgemesh_gone WHERE key = ?"
            found = self._connection.execute(query, (key,)).fetchone()
        return None if found is None else Gone(*found)

    def counter(self, name: str) -> int:
        """A counter's value; 0 when it was never raised."""
        return self._first("SELECT value FROM edgemesh_counter WHERE name = ?", name) or 0

    # Writing.

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Everything put inside is committed together, or nothing of it.

        Nothing is begun before the first write, so that reading works where
        nothing can be written.
        """
        with self._guard():
            try:
                yield
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has given a transaction up by itself when the disk was full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def put(self, writes: Iterable[Write]) -> None:
        """Write inside a :meth:`transaction`."""
        with self._guard():
            for write in writes:
                self._begin()
                if isinstance(write, Upsert):
                    self._upsert(write)
                elif isinstance(write, Delete):
                    self._delete(write)
                else:
                    self._raise(write)

    def apply(self, writes: Iterable[Write]) -> None:
        """Write in one transaction, and commit."""
        with self.transaction():
            self.put(writes)

    def _upsert(self, write: Upsert) -> None:
        row, execute = write.row, self._connection.execute
        execute(
            "INSERT OR REPLACE INTO meta (key, type, value) VALUES (?, ?, ?)",
            (row.key, row.type, row.value),
        )
        execute("DELETE FROM edgemesh_gone WHERE key = ?", (row.key,))
        if write.origin:
            known = (row.key, write.origin)
            execute("INSERT OR REPLACE INTO edgemesh_origin (key, origin) VALUES (?, ?)", known)
        else:
            execute("DELETE FROM edgemesh_origin WHERE key = ?", (row.key,))
        if write.object is not None:
            about, names = write.object, self._generation
            execute(
                f"INSERT OR REPLACE INTO meta_v2 (key, {names.resource}, namespace, name,"
                f" {names.version}, value) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    about.key,
                    about.resource,
                    about.namespace,
                    about.name,
                    about.version,
                    row.value,
                ),
            )

    def _delete(self, write: Delete) -> None:
        execute = self._connection.execute
        execute("DELETE FROM meta WHERE key = ?", (write.key,))
        execute("DELETE FROM edgemesh_origin WHERE key = ?", (write.key,))
        execute("DELETE FROM meta_v2 WHERE key = ?", (write.objectKey,))
        if write.gone is not None:
            execute(
                "INSERT OR REPLACE INTO edgemesh_gone (key, uid, version) VALUES (?, ?, ?)",
                (write.key, write.gone.uid, write.gone.version),
            )
            execute(
                "DELETE FROM edgemesh_gone"
                " WHERE rowid <= (SELECT max(rowid) FROM edgemesh_gone) - ?",
                (MAX_GONE,),
            )

    def _raise(self, write: Raise) -> None:
        self._connection.execute(
            "INSERT INTO edgemesh_counter (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (write.counter, write.value),
        )

    # Opening, again and again.

    def _open(self) -> None:
        try:
            self._adopt(self._writable())
        except StoreDamaged:
            self._replace()
        except (StoreFull, StoreReadOnly) as fault:
            self.unwritable = fault
            self._openReadable()

    def _writable(self) -> sqlite3.Connection:
        self._lock.take()
        return opening.openWritable(self.path)

    def _openReadable(self) -> None:
        try:
            self._adopt(opening.openReadable(self.path))
        except StoreError:
            self._adopt(opening.openEmpty())

    def _adopt(self, connection: sqlite3.Connection) -> None:
        try:
            self._generation = generation(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _replace(self) -> None:
        """Set the file aside and begin an empty one."""
        try:
            self._lock.take()
            self.setAside.append(opening.setAside(self.path, self._seconds()))
            self._adopt(self._writable())
        except StoreError as fault:
            self.unwritable = fault
            self._adopt(opening.openEmpty())

    def _begin(self) -> None:
        if self._connection.in_transaction:
            return
        if self.unwritable is not None:
            readable = self._connection
            self._adopt(self._writable())
            readable.close()
            self.unwritable = None
        self._connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Name SQLite's errors; a damaged file is replaced before anybody hears of it."""
        connection, before = self._connection, len(self.setAside)
        try:
            with opening.named(self.path):
                yield
        except StoreDamaged as damage:
            if self._connection is not connection:
                raise
            connection.close()
            self._replace()
            moved = self.setAside[-1] if len(self.setAside) > before else ""
            raise StoreDamaged(str(damage), moved) from damage

    def _first(self, query: str, key: str) -> Any:
        with self._guard():
            found = self._connection.execute(query, (key,)).fetchone()
        return None if found is None else found[0]

    def _rows(self, query: str, *values: str | int) -> Iterator[Row]:
        with self._guard():
            for found in self._connection.execute(query, values):
                yield Row(*found)
