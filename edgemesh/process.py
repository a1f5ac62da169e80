# -*- test-case-name: tests.test_process -*-
"""
What the whole process needs once: file descriptors, and a calm garbage collector.

Each connection of a caller may need a second one to an endpoint, and shells give
a process 1,024 descriptors as a rule.  The collector's default makes it look at
every young object each 700 allocations; the data path makes no cycles, so it may
look less often, and never at what was there at start-up.
"""

from __future__ import annotations

import gc
import resource

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20


class ProcessTuning(Service):
    """Tune the process when the node starts; nothing is undone at its end."""

    log = Logger()

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor
        self.setName("process")  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self.log.info("file descriptors: {soft} -> {hard}", soft=soft, hard=hard)
        self._reactor.callWhenRunning(_calmCollector)


def _calmCollector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
