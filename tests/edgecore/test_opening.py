"""The file of the store: who may have it, and what becomes of a damaged one."""

import os
import sqlite3
import stat

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.faults import StoreDamaged, StoreError, StoreInUse
from edgemesh.edgecore.opening import (
    StoreLock,
    openEmpty,
    openReadable,
    openWritable,
    setAside,
)

NOON = 1_700_000_000.0


class Case(SynchronousTestCase):
    """A path for a database in a directory that is not there yet."""

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.path = os.path.join(self.folder, "edgecore.db")

    def mode(self, path: str) -> int:
        """The permissions of a file."""
        return stat.S_IMODE(os.stat(path).st_mode)

    def open(self) -> sqlite3.Connection:
        """Open it; closed after the test."""
        connection = openWritable(self.path)
        self.addCleanup(connection.close)
        return connection


class OpenTests(Case):
    """Opening for writing and reading."""

    def test_modes(self) -> None:
        """Only this user can read what the node knows, the log included."""
        self.open().execute("INSERT INTO edgemesh_counter VALUES ('a', 1)")
        self.assertEqual(self.mode(self.folder), 0o700)
        modes = {name: self.mode(os.path.join(self.folder, name)) for name in
                 os.listdir(self.folder)}  # fmt: skip
        self.assertEqual(
            modes, dict.fromkeys(("edgecore.db", "edgecore.db-wal", "edgecore.db-shm"), 0o600)
        )

    def test_modeNarrowed(self) -> None:
        """A file that others could read no longer is."""
        self.open().close()
        os.chmod(self.path, 0o644)
        self.open()
        self.assertEqual(self.mode(self.path), 0o600)

    def test_durable(self) -> None:
        """A commit is on the disk before it is told of."""
        connection = self.open()
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        self.assertEqual(settings, ["wal", 2])

    def test_readable(self) -> None:
        """A file that was closed in order is read without writing anything beside it."""
        connection = self.open()
        connection.execute("INSERT INTO edgemesh_counter VALUES ('a', 1)")
        connection.close()
        reader = openReadable(self.path)
        self.addCleanup(reader.close)
        self.assertEqual(reader.execute("SELECT value FROM edgemesh_counter").fetchone(), (1,))
        self.assertRaises(sqlite3.OperationalError, reader.execute, "DELETE FROM meta")

    def test_nothingToRead(self) -> None:
        """A file that is not there cannot be read."""
        self.assertRaises(StoreError, openReadable, self.path)

    def test_empty(self) -> None:
        """Without a file there is an empty database to ask."""
        connection = openEmpty()
        self.addCleanup(connection.close)
        self.assertEqual(connection.execute("SELECT * FROM meta").fetchall(), [])

    def test_notADirectory(self) -> None:
        """A path below a file is an error of one line."""
        with open(self.folder, "w"):
            pass
        error = self.assertRaises(StoreError, openWritable, self.path)
        self.assertEqual(str(error), f"{self.path}: File exists")

    def test_garbage(self) -> None:
        """A file that is no database is called damaged, for writing and for reading."""
        os.mkdir(self.folder)
        with open(self.path, "wb") as file:
            file.write(b"neither SQLite nor anything else " * 100)
        self.assertRaises(StoreDamaged, openWritable, self.path)
        self.assertRaises(StoreDamaged, openReadable, self.path)


class LockTests(Case):
    """One process at a time."""

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.folder)

    def lock(self) -> StoreLock:
        """Another process's lock."""
        lock = StoreLock(self.path)
        self.addCleanup(lock.release)
        return lock

    def test_second(self) -> None:
        """The second one is told in one line who has the store."""
        self.lock().take()
        error = self.assertRaises(StoreInUse, self.lock().take)
        self.assertEqual(str(error), f"{self.path} is in use by process {os.getpid()}")

    def test_twice(self) -> None:
        """Who has it may ask again."""
        lock = self.lock()
        lock.take()
        lock.take()

    def test_released(self) -> None:
        """After the first one ended the store is free, though the file is still there."""
        for _ in range(2):
            lock = self.lock()
            lock.take()
            lock.release()

    def test_noPlace(self) -> None:
        """Where there can be no lock nobody has it."""
        with open(self.path, "w"):
            pass
        lock = StoreLock(os.path.join(self.path, "edgecore.db"))
        self.assertRaises(StoreError, lock.take)

    def test_symlink(self) -> None:
        """A lock that points elsewhere is not followed."""
        os.symlink(os.path.join(self.folder, "elsewhere"), f"{self.path}.lock")
        self.assertRaises(StoreError, self.lock().take)
        self.assertEqual(os.listdir(self.folder), ["edgecore.db.lock"])


class SetAsideTests(Case):
    """A damaged file."""

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.folder)

    def damage(self) -> None:
        """Make a file and its log."""
        for name in (self.path, self.path + "-wal"):
            with open(name, "w"):
                pass

    def test_named(self) -> None:
        """It keeps its name, with the time behind it; its log goes along."""
        self.damage()
        aside = setAside(self.path, NOON)
        self.assertEqual(aside, f"{self.path}.damaged-20231114T221320Z")
        self.assertEqual(
            sorted(os.listdir(self.folder)),
            ["edgecore.db.damaged-20231114T221320Z", "edgecore.db.damaged-20231114T221320Z-wal"],
        )

    def test_twice(self) -> None:
        """Two in one second do not hide each other."""
        for expected in ("Z", "Z-2", "Z-3"):
            self.damage()
            self.assertTrue(setAside(self.path, NOON).endswith(expected))

    def test_impossible(self) -> None:
        """A file that cannot be moved is named."""
        self.damage()
        target = f"{self.path}.damaged-20231114T221320Z-wal"
        os.mkdir(target)
        error = self.assertRaises(StoreDamaged, setAside, self.path, NOON)
        self.assertIn(self.path, str(error))
