"""The database of a node: what it keeps, and what it does when it cannot."""

import os
import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore import store as module
from edgemesh.edgecore.faults import StoreDamaged, StoreFull, StoreInUse
from edgemesh.edgecore.rows import Delete, Gone, ObjectRow, Raise, Row, Upsert
from edgemesh.edgecore.store import MetaStore

NOON = 1_700_000_000.0


def row(name: str, value: str = "{}", kind: str = "service") -> Row:
    """A row of the namespace ``default``."""
    return Row(f"default/{kind}/{name}", kind, value)


WEB = ObjectRow("/core/v1/services/default/web", "/v1, Resource=services", "default", "web", 7)


class Case(SynchronousTestCase):
    """A store that is not there yet."""

    def setUp(self) -> None:
        self.path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")

    def open(self) -> MetaStore:
        """Open it; closed after the test."""
        store = MetaStore(self.path, lambda: NOON)
        self.addCleanup(store.close)
        return store


class ReadingTests(Case):
    """What was written is found."""

    def setUp(self) -> None:
        super().setUp()
        self.store = self.open()
        rows = [row("b", "2"), row("a", "1"), row("a", "3", "endpoints")]
        self.store.apply(Upsert(each) for each in rows)

    def test_value(self) -> None:
        """By key; None for what is not there."""
        self.assertEqual(self.store.value("default/service/b"), "2")
        self.assertIsNone(self.store.value("default/service/c"))

    def test_ofType(self) -> None:
        """By type, in order of the key."""
        self.assertEqual(self.store.ofType("service"), [row("a", "1"), row("b", "2")])

    def test_ofTypePaged(self) -> None:
        """A type can be read a part at a time."""
        first = self.store.ofType("service", limit=1)
        second = self.store.ofType("service", first[-1].key, 1)
        self.assertEqual((first, second), ([row("a", "1")], [row("b", "2")]))
        self.assertEqual(self.store.ofType("service", second[-1].key, 1), [])

    def test_everything(self) -> None:
        """All rows at once, and a part at a time, are the same."""
        pages, after = [], ""
        while page := self.store.page(after, 2):
            pages += page
            after = page[-1].key
        self.assertEqual(pages, list(self.store.rows()))
        self.assertEqual([each.value for each in pages], ["3", "1", "2"])

    def test_again(self) -> None:
        """A row is replaced, not doubled."""
        self.store.apply([Upsert(row("a", "9"))])
        self.assertEqual(self.store.ofType("service"), [row("a", "9"), row("b", "2")])

    def test_nextStart(self) -> None:
        """All of it is there after a restart."""
        before = list(self.store.rows())
        self.store.close()
        self.assertEqual(list(self.open().rows()), before)

    def test_otherPrograms(self) -> None:
        """``sqlite3`` can read the file while the node has it."""
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        self.assertEqual(other.execute("SELECT count(*) FROM meta").fetchone(), (3,))

    def test_secondProcess(self) -> None:
        """A second store on the same file is refused."""
        self.assertRaises(StoreInUse, MetaStore, self.path)


class WritingTests(Case):
    """What a write does beside its row."""

    def setUp(self) -> None:
        super().setUp()
        self.store = self.open()

    def objects(self) -> list[tuple[object, ...]]:
        """The whole of ``meta_v2``, read by another program."""
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        return other.execute("SELECT * FROM meta_v2").fetchall()

    def test_object(self) -> None:
        """An object is found by KubeEdge's API server as well, until it is deleted."""
        self.store.apply([Upsert(row("web", "{...}"), object=WEB)])
        columns = (WEB.key, WEB.resource, "default", "web", 7, "{...}")
        self.assertEqual(self.objects(), [columns])
        self.store.apply([Delete("default/service/web", WEB.key)])
        self.assertEqual(self.objects(), [])

    def test_origin(self) -> None:
        """Who feeds a row is known, as long as he does."""
        self.store.apply([Upsert(row("a"), "manifests"), Upsert(row("b"))])
        self.assertEqual(self.store.fedBy("manifests"), [row("a")])
        origins = [self.store.origin(f"default/service/{name}") for name in "abc"]
        self.assertEqual(origins, ["manifests", "", ""])
        self.store.apply([Upsert(row("a"))])
        self.assertEqual(self.store.fedBy("manifests"), [])

    def test_gone(self) -> None:
        """What was deleted is remembered until it is written again."""
        gone = Gone("u1", 12)
        self.store.apply([Upsert(row("a")), Delete("default/service/a", gone=gone)])
        self.assertEqual(self.store.gone("default/service/a"), gone)
        self.store.apply([Upsert(row("a"))])
        self.assertIsNone(self.store.gone("default/service/a"))

    def test_goneBounded(self) -> None:
        """The oldest of too many deleted objects are forgotten."""
        self.patch(module, "MAX_GONE", 2)
        keys = [f"default/service/{name}" for name in "abc"]
        self.store.apply(Delete(key, gone=Gone("u", 1)) for key in keys)
        known = [key for key in keys if self.store.gone(key)]
        self.assertEqual(known, keys[1:])

    def test_counter(self) -> None:
        """A counter never falls."""
        for value in (3, 8, 5):
            self.store.apply([Raise("version", value)])
        self.assertEqual(self.store.counter("version"), 8)
        self.assertEqual(self.store.counter("other"), 0)

    def test_together(self) -> None:
        """A transaction that fails leaves nothing behind."""

        def write() -> None:
            with self.store.transaction():
                self.store.put([Upsert(row("a"))])
                self.assertEqual(self.store.value("default/service/a"), "{}")
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, write)
        self.assertEqual(list(self.store.rows()), [])
        self.store.apply([Upsert(row("b"))])
        self.assertEqual(list(self.store.rows()), [row("b")])

    def test_repr(self) -> None:
        """Its text says where it is and whether it takes writes."""
        self.assertEqual(repr(self.store), f"<MetaStore {self.path}: writable>")


class DamageTests(Case):
    """A file that is no sound database."""

    def garble(self, offset: int) -> None:
        """Write nonsense over a page of the closed file."""
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(b"\xa5" * 4096)

    def filled(self) -> MetaStore:
        """A store with some pages in it."""
        store = self.open()
        store.apply(Upsert(row(f"s{number}", "x" * 500)) for number in range(100))
        return store

    def test_header(self) -> None:
        """A destroyed beginning is seen at the start; the file is kept under another name."""
        self.filled().close()
        self.garble(0)
        store = self.open()
        self.assertEqual(store.setAside, [f"{self.path}.damaged-20231114T221320Z"])
        self.assertEqual(list(store.rows()), [])
        self.assertTrue(os.path.exists(store.setAside[0]))

    def test_page(self) -> None:
        """A destroyed page in the middle is seen at the start, too."""
        self.filled().close()
        self.garble(8 * 4096)
        store = self.open()
        self.assertEqual(len(store.setAside), 1)
        store.apply([Upsert(row("a"))])
        self.assertEqual(list(store.rows()), [row("a")])

    def test_whileRunning(self) -> None:
        """Damage that shows later costs one error; what follows works, on an empty file."""
        # A page that no longer fits into the cache is read again.
        store = self.filled()
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._connection.execute("PRAGMA shrink_memory")
        for page in range(2, 8):
            self.garble(page * 4096)
        error = self.assertRaises(StoreDamaged, lambda: list(store.rows()))
        self.assertEqual(error.setAside, store.setAside[0])
        self.assertEqual(list(store.rows()), [])
        store.apply([Upsert(row("a"))])
        self.assertEqual(list(store.rows()), [row("a")])

    def test_text(self) -> None:
        """Text that nobody can have written is damage as well."""
        store = self.filled()
        store._connection.execute("UPDATE meta SET value = CAST(x'78a578' AS TEXT)")
        self.assertRaises(StoreDamaged, store.value, "default/service/s5")
        self.assertEqual((len(store.setAside), list(store.rows())), (1, []))

    def test_notMovable(self) -> None:
        """A damaged file that cannot be moved is reported; the store is empty meanwhile."""
        self.filled().close()
        self.garble(0)
        obstacle = f"{self.path}.damaged-20231114T221320Z-wal"
        os.mkdir(obstacle)
        with open(self.path + "-wal", "w"):
            pass
        store = self.open()
        self.assertEqual((store.setAside, list(store.rows())), ([], []))
        self.assertIn("cannot be moved", repr(store))
        os.rmdir(obstacle)
        self.assertRaises(StoreDamaged, store.apply, [Upsert(row("a"))])
        store.apply([Upsert(row("a"))])
        self.assertEqual((len(store.setAside), store.unwritable), (1, None))


class FullTests(Case):
    """A database that may not grow any more."""

    def test_full(self) -> None:
        """Writing raises, reading goes on, and writing works again when there is room."""
        store = self.open()
        store.apply([Upsert(row("a"))])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = Upsert(row("b", "x" * 50_000))
        self.assertRaises(StoreFull, store.apply, [Upsert(row("c")), big])
        self.assertEqual(list(store.rows()), [row("a")])
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.apply([big])
        self.assertEqual(len(list(store.rows())), 2)
