# -*- test-case-name: tests.test_monotonic -*-
"""
Give a reactor a clock that never jumps.

Twisted's reactors read the time of day.  On an edge node that clock is often
wrong until the network is up and then jumps by years: set back, every timer
sleeps through the difference; set forward, every timer fires at once.  Knows
the reactor's public face only and nothing of edgemesh.
"""

from __future__ import annotations

import time

from twisted.internet.interfaces import IReactorTime


def makeMonotonic(reactor: IReactorTime) -> bool:
    """
    Let ``reactor.seconds`` read the monotonic clock, if that is safe.

    A clock that is no longer the time of day (a test's, somebody's own) is left
    alone.  So is one with pending timers: they were set by the old clock, and
    by the new one they would never be due.

    :return: whether timers are now safe from jumps of the time of day.
    """
    if reactor.seconds is not time.time:
        return True
    if reactor.getDelayedCalls():
        return False
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    return True
