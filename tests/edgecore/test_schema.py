"""Files of both generations of KubeEdge, and of later versions of edgemesh."""

import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.faults import StoreError
from edgemesh.edgecore.schema import BEEGO, GORM, generation, migrate

#: As the object mapper of KubeEdge up to 1.22 makes them.
OLD = """
CREATE TABLE meta (key varchar(256) NOT NULL PRIMARY KEY,
    type varchar(32) NOT NULL DEFAULT '', value text);
CREATE TABLE meta_v2 (key varchar(256) NOT NULL PRIMARY KEY,
    groupversionresource varchar(256) NOT NULL DEFAULT '', namespace varchar(256) NOT NULL
    DEFAULT '', name varchar(256) NOT NULL DEFAULT '', resourceversion bigint unsigned NOT NULL
    DEFAULT 0, value text);
INSERT INTO meta VALUES ('default/service/web', 'service', '{}');
"""


class SchemaTests(SynchronousTestCase):
    """Migrations in memory."""

    def setUp(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(self.connection.close)

    def version(self) -> int:
        """Which migration the file has reached."""
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    def test_new(self) -> None:
        """An empty file gets the tables of a current KubeEdge."""
        migrate(self.connection)
        self.assertEqual((self.version(), generation(self.connection)), (1, GORM))

    def test_old(self) -> None:
        """A file of an old KubeEdge keeps its tables and what is in them."""
        self.connection.executescript(OLD)
        migrate(self.connection)
        self.assertEqual(generation(self.connection), BEEGO)
        rows = self.connection.execute("SELECT key FROM meta").fetchall()
        self.assertEqual(rows, [("default/service/web",)])

    def test_twice(self) -> None:
        """A current file stays as it is."""
        migrate(self.connection)
        before = self.connection.execute("SELECT sql FROM sqlite_master").fetchall()
        migrate(self.connection)
        after = self.connection.execute("SELECT sql FROM sqlite_master").fetchall()
        self.assertEqual(before, after)

    def test_newer(self) -> None:
        """A file that a newer edgemesh made is refused, not guessed at."""
        self.connection.execute("PRAGMA user_version = 7")
        error = self.assertRaises(StoreError, migrate, self.connection)
        self.assertIn("version 7", str(error))

    def test_halfWay(self) -> None:
        """A migration that fails changes nothing."""
        self.connection.execute("CREATE TABLE edgemesh_counter (other text)")
        self.assertRaises(sqlite3.OperationalError, migrate, self.connection)
        tables = self.connection.execute("SELECT name FROM sqlite_master").fetchall()
        self.assertEqual((tables, self.version()), ([("edgemesh_counter",)], 0))
        self.assertFalse(self.connection.in_transaction)

    def test_strangers(self) -> None:
        """A database of somebody else's is not written into."""
        for table in ("meta (a)", "meta_v2 (a)"):
            other = sqlite3.connect(":memory:", isolation_level=None)
            self.addCleanup(other.close)
            other.execute(f"CREATE TABLE {table}")
            if table.startswith("meta_v2"):
                migrate(other)
            error = self.assertRaises(StoreError, generation, other)
            self.assertIn(table.split()[0], str(error))
