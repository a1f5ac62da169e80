"""The store when processes are killed, disks fill up, and files break."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from edgemesh.edgecore.faults import StoreDamaged, StoreFull, StoreInUse, StoreReadOnly
from edgemesh.edgecore.rows import Row, Upsert
from edgemesh.edgecore.store import MetaStore
from tests.functional import storewriter
from tests.functional.storewriter import KEPT, ROWS
from tests.sourcetree import ROOT

_NOBODY = 65534


def row(name: str, value: str = "{}") -> Row:
    """A Service."""
    return Row(f"default/service/{name}", "service", value)


class Writer:
    """The program that writes, for a moment."""

    def __init__(self, path: str) -> None:
        self.program = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.storewriter", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def first(self) -> int:
        """Wait for the first batch."""
        assert self.program.stdout is not None
        return int(self.program.stdout.readline())

    def kill(self) -> int:
        """End it without warning; the last batch that it acknowledged, or 0."""
        self.program.kill()
        output, errors = self.program.communicate(timeout=10)
        assert errors == b"", errors.decode()
        complete = output.rpartition(b"\n")[0]
        return int(complete.split(b"\n")[-1]) if complete else 0


class KillTests(SynchronousTestCase):
    """``kill -9`` while writing."""

    def test_killed(self) -> None:
        """
        Whenever it is killed: the file is sound, what was acknowledged is there, nothing by half.

        ``EDGEMESH_KILLS`` says how often, and ``EDGEMESH_SEED`` repeats a run.
        """
        seed = int(os.environ.get("EDGEMESH_SEED") or random.SystemRandom().randrange(2**32))
        print(f"seed {seed}", file=sys.stderr)
        chance = random.Random(seed)
        path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")
        acknowledged = 0
        for number in range(int(os.environ.get("EDGEMESH_KILLS") or 40)):
            writer = Writer(path)
            # One in five is killed while it starts, the others while they write.
            if chance.random() < 0.2:
                time.sleep(chance.uniform(0, 0.2))
            else:
                acknowledged = max(acknowledged, writer.first())
                time.sleep(chance.uniform(0, 0.06))
            acknowledged = max(acknowledged, writer.kill())
            # What was found is the least that has to be there the next time.
            acknowledged = self.check(path, acknowledged, f"seed {seed}, kill {number}")
        self.assertGreater(acknowledged, 0)

    def check(self, path: str, acknowledged: int, which: str) -> int:
        """The promises; the last batch that is there."""
        with closing(MetaStore(path)) as store:
            self.assertEqual(store.setAside, [], which)
            with closing(sqlite3.connect(path)) as other:
                judged = other.execute("PRAGMA integrity_check").fetchall()
            self.assertEqual(judged, [("ok",)], which)
            batch = store.counter("batch")
            # The last one may have been killed between its commit and its word.
            found = f"{which}: {batch} is there, {acknowledged} was acknowledged"
            self.assertIn(batch - acknowledged, (0, 1), found)
            values = [store.value(storewriter.replaced(number)) for number in range(ROWS)]
            batches = {json.loads(value)["batch"] for value in values if value is not None}
            self.assertEqual(batches, {batch} if batch else set(), which)
            kept = {row.key for row in store.ofType("listener")}
            recent = range(max(1, batch - KEPT + 1), batch + 1)
            self.assertEqual(kept, set(map(storewriter.added, recent)), which)
            self.assertEqual({row.key for row in store.fedBy("manifests")}, kept, which)
            return batch

    def test_second(self) -> None:
        """A second process is refused in one line that names the first; a killed one frees it."""
        path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")
        writer = Writer(path)
        writer.first()
        error = self.assertRaises(StoreInUse, MetaStore, path)
        self.assertEqual(str(error), f"{path} is in use by process {writer.program.pid}")
        writer.kill()
        MetaStore(path).close()


class DiskTests(SynchronousTestCase):
    """A small disk of its own: full, and read-only."""

    def setUp(self) -> None:
        self.disk = os.path.abspath(self.mktemp())
        os.mkdir(self.disk)
        if os.geteuid() != 0:
            raise SkipTest("only root can mount a disk")
        mounted = self.mount("-t", "tmpfs", "-o", "size=2m", "tmpfs")
        if mounted.returncode != 0:
            raise SkipTest(f"a disk cannot be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.path = os.path.join(self.disk, "state", "edgecore.db")

    def mount(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Mount it, in another way perhaps."""
        return subprocess.run(["mount", *options, self.disk], capture_output=True, text=True)

    def remount(self, how: str) -> None:
        """Make it ``ro`` or ``rw``."""
        done = self.mount("-o", f"remount,{how}")
        self.assertEqual(done.returncode, 0, done.stderr)

    @property
    def ballast(self) -> Path:
        """What fills the disk."""
        return Path(self.disk, "ballast")

    def fill(self) -> None:
        """Leave no room."""
        with self.ballast.open("wb", buffering=0) as file:
            for size in (65_536, 512):
                try:
                    while file.write(b"x" * size):
                        continue
                except OSError:
                    continue

    def test_full(self) -> None:
        """Writes fail by name, reads go on; with room again writes do, too."""
        with closing(MetaStore(self.path)) as store:
            store.apply([Upsert(row("a"))])
            self.fill()
            big = Upsert(row("b", "x" * 100_000))
            for _ in range(3):
                self.assertRaises(StoreFull, store.apply, [Upsert(row("a", "new")), big])
                self.assertEqual(list(store.rows()), [row("a")])
            self.ballast.unlink()
            store.apply([big])
            self.assertEqual(len(list(store.rows())), 2)

    def test_fullAtStart(self) -> None:
        """A node that starts on a full disk knows what it knew."""
        with closing(MetaStore(self.path)) as store:
            store.apply([Upsert(row("a"))])
        self.fill()
        with closing(MetaStore(self.path)) as store:
            self.assertEqual(list(store.rows()), [row("a")])
            self.assertRaises(StoreFull, store.apply, [Upsert(row("b", "x" * 100_000))])
            self.ballast.unlink()
            store.apply([Upsert(row("b"))])
            self.assertEqual(list(store.rows()), [row("a"), row("b")])

    def test_fullAtFirst(self) -> None:
        """On a disk without room for anything it knows nothing, and begins when there is."""
        self.fill()
        with closing(MetaStore(self.path)) as store:
            self.assertEqual(list(store.rows()), [])
            self.assertRaises(StoreFull, store.apply, [Upsert(row("a"))])
            self.ballast.unlink()
            store.apply([Upsert(row("a"))])
        with closing(MetaStore(self.path)) as store:
            self.assertEqual(list(store.rows()), [row("a")])

    def test_readOnly(self) -> None:
        """On a read-only disk reads go on; writes fail by name until it is writable."""
        with closing(MetaStore(self.path)) as store:
            store.apply([Upsert(row("a"))])
        self.remount("ro")
        with closing(MetaStore(self.path)) as store:
            self.assertEqual(list(store.rows()), [row("a")])
            self.assertRaises(StoreReadOnly, store.apply, [Upsert(row("b"))])
            self.remount("rw")
            store.apply([Upsert(row("b"))])
            self.assertEqual(list(store.rows()), [row("a"), row("b")])

    def test_readOnlyAfterKill(self) -> None:
        """What was acknowledged before a kill is read from a disk that became read-only."""
        writer = Writer(self.path)
        writer.first()
        acknowledged = writer.kill()
        self.remount("ro")
        with closing(MetaStore(self.path)) as store:
            self.assertGreaterEqual(store.counter("batch"), acknowledged)
            self.assertEqual(len(store.ofType("service")), ROWS)
        self.remount("rw")


class FileTests(SynchronousTestCase):
    """Files that may not be written, and broken ones."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "edgecore.db")

    @contextmanager
    def ordinaryUser(self) -> Iterator[None]:
        """Be nobody, if we are root: root may write everything."""
        if os.geteuid() != 0:
            yield
            return
        os.chown(self.folder, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    def test_readOnly(self) -> None:
        """A file that its owner made read-only stays so, and is read."""
        with self.ordinaryUser():
            with closing(MetaStore(self.path)) as store:
                store.apply([Upsert(row("a"))])
            os.chmod(self.path, 0o444)
            with closing(MetaStore(self.path)) as store:
                self.assertEqual(list(store.rows()), [row("a")])
                self.assertRaises(StoreReadOnly, store.apply, [Upsert(row("b"))])
                os.chmod(self.path, 0o600)
                store.apply([Upsert(row("b"))])
                self.assertEqual(list(store.rows()), [row("a"), row("b")])

    def read(self, store: MetaStore) -> list[Row]:
        """All rows; damage in the text of one shows only now."""
        try:
            return list(store.rows())
        except StoreDamaged:
            return list(store.rows())

    def test_damaged(self) -> None:
        """Whatever is written over the file, the next start works, with every row or none."""
        chance = random.Random(5)
        rows = [row(f"s{number:03}", "x" * 300) for number in range(200)]
        outcomes = set()
        for _ in range(30):
            with closing(MetaStore(self.path)) as store:
                store.apply(map(Upsert, rows))
            size = os.path.getsize(self.path)
            with open(self.path, "r+b") as file:
                file.seek(chance.randrange(size))
                file.write(chance.randbytes(chance.choice((1, 30, 4096))))
            with closing(MetaStore(self.path)) as store:
                found = self.read(store)
                outcomes.add(len(store.setAside))
                self.assertEqual(len(found), 0 if store.setAside else len(rows))
                store.apply([Upsert(row("s000", "again"))])
                self.assertEqual(store.value("default/service/s000"), "again")
            os.unlink(self.path)
        self.assertEqual(outcomes, {0, 1})


class LoadTests(SynchronousTestCase):
    """10,000 Services with 30,000 endpoints."""

    def test_load(self) -> None:
        """They are opened and read in less than two seconds, a few at a time."""
        path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")
        with closing(MetaStore(path)) as store:
            store.apply(Upsert(each) for each in self.objects(10_000))
        begun = time.perf_counter()
        with closing(MetaStore(path)) as store:
            count = sum(1 for _ in store.rows())
            took = time.perf_counter() - begun
            tracemalloc.start()
            try:
                for _ in store.rows():
                    continue
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        print(f"{count} rows in {took:.2f} s, {peak / 1024:.0f} KiB", file=sys.stderr)
        self.assertEqual(count, 20_000)
        self.assertLess(took, 2.0)
        self.assertLess(peak, 1 << 20)

    def objects(self, services: int) -> Iterator[Row]:
        """Services, and Endpoints with three addresses each."""
        for number in range(services):
            name = f"service-{number:05}"
            about = {"name": name, "namespace": "default", "resourceVersion": str(number)}
            ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
            spec = {"selector": {"app": name}, "ports": ports}
            whole = {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}
            yield row(name, json.dumps(whole))
            addresses = [{"ip": f"10.{n}.{number >> 8}.{number & 255}"} for n in range(3)]
            subsets = [{"addresses": addresses, "ports": [{"name": "http", "port": 8080}]}]
            whole = {"apiVersion": "v1", "kind": "Endpoints", "metadata": about}
            value = json.dumps({**whole, "subsets": subsets})
            yield Row(f"default/endpoints/{name}", "endpoints", value)
