# -*- test-case-name: tests.interceptor.test_deadlines -*-
"""
Many short waits of one length, with one timer.

All waits are equally long, so a queue of them is sorted by nature: waiting costs
an append, and a wait that is called off is skipped when its time comes.  Knows a
clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger


class Wait:
    """One wait; what it waits for may come first."""

    __slots__ = ("_call", "_due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self._due = due
        self._call: Callable[[], None] | None = call

    @property
    def due(self) -> float:
        """When it ends, by the clock."""
        return self._due

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._call = None

    def end(self) -> None:
        """Its time has come."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Deadlines:
    """
    Waits of ``delay`` seconds each.

    :param clock: runs the one timer.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, delay: float) -> None:
        self._clock = clock
        self._delay = delay
        self._waits: deque[Wait] = deque()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waits)

    def wait(self, call: Callable[[], None]) -> Wait:
        """Call ``call`` after the delay, unless the wait is cancelled."""
        wait = Wait(self._clock.seconds() + self._delay, call)
        self._waits.append(wait)
        if self._timer is None:
            self._timer = self._clock.callLater(self._delay, self._end)
        return wait

    def stop(self) -> None:
        """Everybody has left: forget all waits, and leave no timer."""
        self._waits.clear()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _end(self) -> None:
        self._timer = None
        waits = self._waits
        now = self._clock.seconds()
        while waits and waits[0].due <= now:
            try:
                waits.popleft().end()
            except Exception:
                # One defect must not stop everybody else's waits.
                self.log.failure("at the end of a wait")
        if waits and self._timer is None:
            later = max(0.0, waits[0].due - now)
            self._timer = self._clock.callLater(later, self._end)
