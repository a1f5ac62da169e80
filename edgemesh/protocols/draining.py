# -*- test-case-name: tests.protocols.test_draining -*-
"""
Let the open connections of a node end, and cut off those that do not in time.

Knows a clock and what can be drained; nothing of listeners, which have stopped
before, nor of what a connection carries.
"""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from edgemesh.protocols.mesh import Drainable

#: Seconds between two looks whether the last call has ended.
LOOK = 0.05

log = Logger()


async def drain(live: Collection[Drainable], clock: IReactorTime, grace: float) -> None:
    """
    Drain every connection; return when none is left, or all have been aborted.

    :param live: shrinks as connections end.
    :param grace: seconds that calls in flight may take.
    """
    for server in list(live):
        server.drain()
    deadline = clock.seconds() + grace
    while live and clock.seconds() < deadline:
        await deferLater(clock, LOOK)
    if live:
        log.warn("{count} connections cut off", count=len(live))
    for server in list(live):
        server.abort()
