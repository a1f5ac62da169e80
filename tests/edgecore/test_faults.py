"""Each way the store can fail has a name."""

import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.faults import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
    faultOf,
)


def withCode(code: int) -> sqlite3.Error:
    """An error as SQLite raises it."""
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


class FaultTests(SynchronousTestCase):
    """From SQLite's codes to names."""

    def test_named(self) -> None:
        """What somebody can do something about has a type of its own."""
        codes = {
            sqlite3.SQLITE_FULL: StoreFull,
            sqlite3.SQLITE_IOERR_SHMSIZE: StoreFull,
            sqlite3.SQLITE_READONLY_DBMOVED: StoreReadOnly,
            sqlite3.SQLITE_BUSY_SNAPSHOT: StoreInUse,
            sqlite3.SQLITE_CORRUPT_INDEX: StoreDamaged,
            sqlite3.SQLITE_NOTADB: StoreDamaged,
            sqlite3.SQLITE_IOERR_READ: StoreError,
        }
        named = {code: type(faultOf(withCode(code), "x.db")) for code in codes}
        self.assertEqual(named, codes)

    def test_withoutCode(self) -> None:
        """An error that is not from the library itself is an error of the store all the same."""
        fault = faultOf(sqlite3.ProgrammingError("closed"), "x.db")
        self.assertEqual((type(fault), str(fault)), (StoreError, "x.db: closed"))
