# -*- test-case-name: tests.edgecore.test_storage -*-
"""
The store as a Twisted service: one thread, jobs in order, many in one commit.

Theory of operation.  A job is a function of the
:class:`~edgemesh.edgecore.store.MetaStore`.  While the thread works on one batch
the next one gathers; all jobs of a batch share one transaction, so that a burst
costs one flush of the disk and not one each.  A Deferred fires after the commit:
what it says is on the disk.  When the transaction fails, each job of the batch
runs again by itself, so that only those fail that have to: a job may run twice
and must change nothing but the store.

Knows nothing of what jobs do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from edgemesh.edgecore.faults import StoreError, StoreInUse
from edgemesh.edgecore.store import MetaStore

_T = TypeVar("_T")

#: So many jobs share one commit at most.
MAX_BATCH = 256

#: So many jobs wait at most; later ones are refused.
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done, and who is told."""

    work: Callable[[MetaStore], Any]
    told: Deferred[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one batch, in the order of its jobs."""

    results: list[Any]
    setAside: list[str]


class Storage(Service):
    """
    The store, for the reactor.

    :param reactor: only carries results back from the thread.
    :param path: the database.
    :param lost: called with the new name of each damaged file: everything in it
        has to come again from where it once came.
    :param pool: runs the one thread; made here but for tests.
    :param seconds: Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        path: str,
        lost: Callable[[str], None],
        pool: ThreadPool | None = None,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self.setName("storage")  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._path = path
        self._lost = lost
        self._pool: Any = pool or ThreadPool(1, 1, "storage")
        self._seconds = seconds
        #: Touched by the thread alone.
        self._store: MetaStore | None = None
        self._waiting: list[_Job] = []
        self._working = False
        self._stopped: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._stopped = None
        self._pool.start()
        self._next()

    def stopService(self) -> Deferred[None]:
        """Refuse new jobs; fires when those that wait are done and the file is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._next()
        return stopped

    def run(self, work: Callable[[MetaStore], _T]) -> Deferred[_T]:
        """
        Do something with the store; in the order of these calls.

        :param work: runs in the thread, perhaps twice; changes only the store.
        :return: its result, after the commit.  Fails with what ``work`` raised or
            with a :class:`~edgemesh.edgecore.faults.StoreError`: then nothing of
            it is stored.
        """
        told: Deferred[_T] = Deferred()
        if self._stopped is not None:
            told.errback(StoreError(f"{self._path}: the store is closed"))
        elif len(self._waiting) >= MAX_WAITING:
            told.errback(StoreInUse(f"{self._path}: {MAX_WAITING} jobs wait already"))
        else:
            self._waiting.append(_Job(work, told))
            if self.running:
                self._next()
        return told

    def _next(self) -> None:
        """Give the thread something to do, if it has nothing."""
        if self._working:
            return
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        if batch:
            self._working = True
            done = deferToThreadPool(
                self._reactor, self._pool, self._perform, [job.work for job in batch]
            )
            done.addCallbacks(self._performed, self._broken, (batch,), errbackArgs=(batch,))
        elif self._stopped is not None:
            self._working = True
            closed = deferToThreadPool(self._reactor, self._pool, self._close)
            closed.addErrback(lambda failure: self.log.failure("the store did not close", failure))
            closed.addCallback(self._closed)

    def _performed(self, outcome: _Outcome, batch: list[_Job]) -> None:
        self._working = False
        for name in outcome.setAside:
            self.log.error("{path} was damaged; it is now {name}", path=self._path, name=name)
            self._lost(name)
        for job, result in zip(batch, outcome.results, strict=True):
            # A Failure makes it an errback.
            job.told.callback(result)
        self._next()

    def _broken(self, failure: Failure, batch: list[_Job]) -> None:
        """The store cannot be opened: nobody gets anything."""
        self._working = False
        for job in batch:
            job.told.errback(failure)
        self._next()

    def _closed(self, _: object) -> None:
        self._working = False
        self._pool.stop()
        assert self._stopped is not None
        self._stopped.callback(None)

    # In the thread.

    def _perform(self, works: list[Callable[[MetaStore], Any]]) -> _Outcome:
        before = len(self._store.setAside) if self._store is not None else 0
        if self._store is None:
            self._store = MetaStore(self._path, self._seconds)
        store = self._store
        try:
            with store.transaction():
                results = [work(store) for work in works]
        except Exception:
            results = [_alone(store, work) for work in works]
        return _Outcome(results, store.setAside[before:])

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def _alone(store: MetaStore, work: Callable[[MetaStore], Any]) -> Any:
    """Do one job in a transaction of its own; its failure is its result."""
    try:
        with store.transaction():
            return work(store)
    except Exception:
        return Failure()  # type: ignore[no-untyped-call]
