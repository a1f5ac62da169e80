# -*- test-case-name: tests.edgecore.test_opening -*-
"""
How the database file is opened: directory, lock, connection; and set aside when damaged.

The lock is a file of its own beside the database.  SQLite's exclusive mode would
shut out readers such as the ``sqlite3`` program as well, and a lock on the
database itself would be lost as soon as anything in the process closed it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgemesh.edgecore.faults import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
    faultOf,
)
from edgemesh.edgecore.schema import migrate

#: How long SQLite waits for another program's lock, in seconds.
PATIENCE = 5.0

#: What the log may keep of the disk after it grew, in bytes.
LOG_LIMIT = 4 * 1024 * 1024

#: The log goes first: it must not be found beside a new database.
_COMPANIONS = ("-wal", "-shm", "")


@contextmanager
def named(path: str) -> Iterator[None]:
    """Raise SQLite's errors by the names of :mod:`edgemesh.edgecore.faults`."""
    try:
        yield
    except sqlite3.Error as error:
        raise faultOf(error, path) from error


class StoreLock:
    """
    Only one process may write to the store.

    :param path: the database; the lock is ``<path>.lock``.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """
        Have it from now on; nothing happens if this process has it.

        :raise StoreInUse: another process has it.
        :raise StoreError: by name, if there can be no lock.
        """
        if self._descriptor >= 0:
            return
        try:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(f"{self._path}.lock", flags, 0o600)
        except OSError as error:
            raise _openingFault(error, f"{self._path}.lock") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreInUse(f"{self._path} is in use by process {holder or '?'}") from None
        self._descriptor = descriptor
        self._sign()

    def _sign(self) -> None:
        """Say who has it; that the disk has no room for that does no harm."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            return

    def release(self) -> None:
        """Let another process have it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def openWritable(path: str) -> sqlite3.Connection:
    """
    Open the database for reading and writing; make it if it is not there.

    :raise StoreError: by name, if that cannot be done.
    """
    _make(path)
    with named(path):
        connection = _connect(path, "mode=rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # The commit is on the disk before anybody is told.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
            _examine(connection, path)
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def openReadable(path: str) -> sqlite3.Connection:
    """
    Open a database that cannot be written.

    :raise StoreError: it cannot be read either, or was never made.
    """
    # Without a log SQLite would begin one, even to read, unless nothing can change.
    mode = "mode=ro" if _size(f"{path}-wal") else "mode=ro&immutable=1"
    with named(path):
        connection = _connect(path, mode)
        try:
            _examine(connection, path)
            connection.execute("SELECT count(*) FROM edgemesh_counter").fetchone()
        except BaseException:
            connection.close()
            raise
    return connection


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def openEmpty() -> sqlite3.Connection:
    """A database without a file, to read nothing from."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection


def setAside(path: str, now: float) -> str:
    """
    Move a damaged database out of the way, with what belongs to it.

    :param now: for its new name, Unix seconds.
    :return: the new name.
    :raise StoreDamaged: it cannot be moved.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    aside, number = f"{path}.damaged-{stamp}", 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{path}.damaged-{stamp}-{number}"
    try:
        for companion in _COMPANIONS:
            if os.path.lexists(path + companion):
                os.rename(path + companion, aside + companion)
    except OSError as error:
        raise StoreDamaged(f"{path} is damaged and cannot be moved: {error.strerror}") from error
    return aside


def _make(path: str) -> None:
    """Make the directory and an empty file, for this user alone; the log gets the file's mode."""
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        if os.path.lexists(path):
            # By its name: to close a descriptor would end locks that a connection has.
            os.chmod(path, os.stat(path).st_mode & 0o700)
        else:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise _openingFault(error, path) from error
    # SQLite opens for reading what it may not write, and does not say so.
    if not os.access(path, os.W_OK, effective_ids=True):
        raise StoreReadOnly(f"{path}: the file may not be written")


def _openingFault(error: OSError, path: str) -> StoreError:
    kinds: dict[int | None, type[StoreError]] = {
        errno.ENOSPC: StoreFull,
        errno.EDQUOT: StoreFull,
        errno.EROFS: StoreReadOnly,
        errno.EACCES: StoreReadOnly,
        errno.EPERM: StoreReadOnly,
    }
    return kinds.get(error.errno, StoreError)(f"{path}: {error.strerror}")


def _connect(path: str, mode: str) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    connection.text_factory = _decoded
    return connection


def _decoded(text: bytes) -> str:
    """Text as it is read: only UTF-8 is ever written."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise StoreDamaged(f"a row has text that is not UTF-8: {error.reason}") from error


def _examine(connection: sqlite3.Connection, path: str) -> None:
    """Read every page once: damage shows now, not in the middle of a call."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreDamaged(f"{path}: {' '.join(str(found).split())}")
