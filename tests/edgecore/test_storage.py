"""The store as a service: jobs in order, told after the commit."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore import storage as module
from edgemesh.edgecore.faults import StoreError, StoreFull, StoreInUse
from edgemesh.edgecore.rows import Row, Upsert, Write
from edgemesh.edgecore.storage import Storage
from edgemesh.edgecore.store import MetaStore


class Reactor:
    """Runs at once what a thread hands over."""

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        """Run it."""
        call(*args)


class Pool:
    """A thread that works when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.running = False

    def start(self) -> None:
        """Begin."""
        self.running = True

    def stop(self) -> None:
        """End."""
        self.running = False

    def callInThreadWithCallback(
        self, told: Callable[[bool, Any], None], work: Callable[..., Any], *args: Any
    ) -> None:
        """Keep it for :meth:`work`."""

        def perform() -> None:
            try:
                result = work(*args)
            except Exception:
                told(False, Failure())  # type: ignore[no-untyped-call]
            else:
                told(True, result)

        self.jobs.append(perform)

    def work(self) -> None:
        """Do one piece of work."""
        self.jobs.pop(0)()


def upsert(name: str, value: str = "{}") -> Upsert:
    """A row to write."""
    return Upsert(Row(f"default/service/{name}", "service", value))


def writing(*writes: Write) -> Callable[[MetaStore], None]:
    """A job that writes."""
    return lambda store: store.put(writes)


def names(store: MetaStore) -> list[str]:
    """A job that reads."""
    return [row.key.rpartition("/")[2] for row in store.rows()]


class StorageTests(SynchronousTestCase):
    """A service with a thread that the test drives."""

    def setUp(self) -> None:
        self.path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")
        self.pool = Pool()
        self.lost: list[str] = []
        self.storage = Storage(Reactor(), self.path, self.lost.append, self.pool)
        self.storage.startService()
        self.addCleanup(self.finish)

    def finish(self) -> None:
        """Stop, unless the test did."""
        if self.storage.running:
            self.storage.stopService()
        while self.pool.jobs:
            self.pool.work()

    def commits(self) -> int:
        """How many commits of this store another program has seen."""
        with sqlite3.connect(self.path) as other:
            return int(other.execute("SELECT count(*) FROM meta").fetchone()[0])

    def test_result(self) -> None:
        """A job's result comes when its work is done, not before."""
        told = self.storage.run(names)
        self.assertNoResult(told)
        self.pool.work()
        self.assertEqual(self.successResultOf(told), [])

    def test_afterCommit(self) -> None:
        """Who is told that something is stored finds it on the disk."""
        told = self.storage.run(writing(upsert("a")))
        seen: list[int] = []
        told.addCallback(lambda _: seen.append(self.commits()))
        self.pool.work()
        self.assertEqual(seen, [1])

    def test_batch(self) -> None:
        """What comes while the thread works is done together, in its order."""
        first = self.storage.run(writing(upsert("a")))
        later = [self.storage.run(writing(upsert(name))) for name in "bc"]
        read = self.storage.run(names)
        self.pool.work()
        self.successResultOf(first)
        self.assertEqual(len(self.pool.jobs), 1)
        self.pool.work()
        for told in later:
            self.successResultOf(told)
        self.assertEqual(self.successResultOf(read), ["a", "b", "c"])

    def test_batchBounded(self) -> None:
        """A batch has a largest size."""
        self.patch(module, "MAX_BATCH", 2)
        told = [self.storage.run(writing(upsert(name))) for name in "abcd"]
        rounds = 0
        while self.pool.jobs:
            self.pool.work()
            rounds += 1
        self.assertEqual([self.successResultOf(each) for each in told], [None] * 4)
        self.assertEqual(rounds, 3)

    def test_oneFails(self) -> None:
        """A job that fails takes nothing of its neighbours with it."""

        def broken(store: MetaStore) -> None:
            store.put([upsert("b")])
            raise ZeroDivisionError

        self.storage.run(names)
        told = [self.storage.run(job) for job in (writing(upsert("a")), broken, names)]
        self.pool.work()
        self.pool.work()
        self.successResultOf(told[0])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.assertEqual(self.successResultOf(told[2]), ["a"])

    def test_full(self) -> None:
        """On a full disk writers are told so by name; readers are served."""

        def limit(store: MetaStore) -> None:
            pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
            store._connection.execute(f"PRAGMA max_page_count = {pages}")

        self.storage.run(writing(upsert("a")))
        self.pool.work()
        self.storage.run(limit)
        self.pool.work()
        self.storage.run(names)
        big = self.storage.run(writing(upsert("b", "x" * 90_000)))
        read = self.storage.run(names)
        self.pool.work()
        self.pool.work()
        self.failureResultOf(big, StoreFull)
        self.assertEqual(self.successResultOf(read), ["a"])

    def test_waitingBounded(self) -> None:
        """With too much waiting a job is refused at once."""
        self.patch(module, "MAX_WAITING", 1)
        self.storage.run(names)
        self.storage.run(names)
        self.failureResultOf(self.storage.run(names), StoreInUse)

    def test_inUse(self) -> None:
        """While another process has the store every job fails; then it is opened."""
        other = MetaStore(self.path)
        told = self.storage.run(names)
        self.pool.work()
        failure = self.failureResultOf(told, StoreInUse)
        self.assertIn("is in use by process", failure.getErrorMessage())
        other.close()
        told = self.storage.run(names)
        self.pool.work()
        self.assertEqual(self.successResultOf(told), [])

    def test_damaged(self) -> None:
        """A damaged file is named, in the log and to who can fill the new one again."""
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "wb") as file:
            file.write(b"no database " * 100)
        told = self.storage.run(names)
        self.pool.work()
        self.assertEqual(self.successResultOf(told), [])
        self.assertEqual([name.startswith(f"{self.path}.damaged-") for name in self.lost], [True])

    def test_damagedWhileRunning(self) -> None:
        """Damage that shows later is named as well; what was asked is done on the new file."""

        def settle(store: MetaStore) -> None:
            # So that pages are read from the file again.
            store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            store._connection.execute("PRAGMA shrink_memory")

        self.storage.run(writing(*[upsert(f"s{n}", "x" * 500) for n in range(100)]))
        self.pool.work()
        self.storage.run(settle)
        self.pool.work()
        with open(self.path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 4096 * 8)
        told = self.storage.run(names)
        self.pool.work()
        self.assertEqual(self.successResultOf(told), [])
        self.assertEqual(len(self.lost), 1)

    def test_stop(self) -> None:
        """Stopping waits until everything that was asked for is stored and the file closed."""
        told = [self.storage.run(writing(upsert(name))) for name in "ab"]
        stopped = self.storage.stopService()
        self.pool.work()
        self.pool.work()
        self.assertEqual([self.successResultOf(each) for each in told], [None, None])
        self.assertNoResult(stopped)
        self.pool.work()
        self.successResultOf(stopped)
        self.assertFalse(self.pool.running)
        MetaStore(self.path).close()

    def test_stopped(self) -> None:
        """A stopped store takes no job."""
        self.storage.stopService()
        self.failureResultOf(self.storage.run(names), StoreError)

    def test_beforeStart(self) -> None:
        """A job given before the start waits for it."""
        pool = Pool()
        early = Storage(Reactor(), self.path + "-early", self.lost.append, pool)
        told = early.run(names)
        self.assertEqual(pool.jobs, [])
        early.startService()
        stopped = early.stopService()
        while pool.jobs:
            pool.work()
        self.assertEqual(self.successResultOf(told), [])
        self.successResultOf(stopped)


class ThreadTests(SynchronousTestCase):
    """The one thread, for real."""

    def test_oneThread(self) -> None:
        """SQLite's connection is made, used and closed by the same thread."""
        path = os.path.join(os.path.abspath(self.mktemp()), "edgecore.db")
        handed: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        arrived = threading.Semaphore(0)

        class Loop:
            """Hands calls over to the test's thread."""

            def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
                """Keep it."""
                handed.append((call, args))
                arrived.release()

        def until(told: Deferred[Any]) -> Any:
            while not told.called:
                arrived.acquire(timeout=5)
                call, args = handed.pop(0)
                call(*args)
            return self.successResultOf(told)

        storage = Storage(Loop(), path, lambda name: None, ThreadPool(1, 1, "test"))
        storage.startService()
        here = {threading.get_ident()}
        threads = {until(storage.run(lambda store: threading.get_ident())) for _ in range(3)}
        until(storage.stopService())
        self.assertEqual((len(threads), threads & here), (1, set()))
