# -*- test-case-name: tests.protocols.test_sweep -*-
"""
One timer for many deadlines.

A connection or call that must end in time stores its ``deadline`` (monotonic
seconds) and is looked at once an interval.  Moving a deadline is an attribute
store; no timer is made per request.  The price: a deadline is met up to one
interval late.
"""

from __future__ import annotations

from typing import Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Sweepable(Protocol):
    """What can be watched."""

    deadline: float

    def expired(self, now: float) -> None:
        """The deadline has passed; set another one, or be unwatched."""


class Sweep(Service):
    """
    Look at every watched deadline, every ``interval`` seconds.

    :ivar watched: an ordered set, the same for good.  Add and remove with the two
        methods; who does so for each request may use it itself.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self.watched: dict[Sweepable, None] = {}
        self._loop = LoopingCall(self.sweep)
        self._loop.clock = clock

    def watch(self, entry: Sweepable) -> None:
        """Begin to look at ``entry.deadline``."""
        self.watched[entry] = None

    def unwatch(self, entry: Sweepable) -> None:
        """Look no more; harmless when it is not watched."""
        self.watched.pop(entry, None)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(self._interval, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def sweep(self) -> None:
        """Tell every entry whose deadline has passed."""
        now = self._clock.seconds()
        late = [entry for entry in self.watched if entry.deadline <= now]
        for entry in late:
            # An earlier one may have ended this one, or given it more time.
            if entry not in self.watched or entry.deadline > now:
                continue
            try:
                entry.expired(now)
            except Exception:
                # One defect must not stop everybody else's deadlines.
                self.log.failure("deadline of {entry!r}", entry=entry)
                self.watched.pop(entry, None)
