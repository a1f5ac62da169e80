# -*- test-case-name: tests.protocols.test_held -*-
"""
Callers whose reading is held: nobody would see that one of them is gone.

A reactor tells of a reset only to those who read or write.  A caller that is held
because its endpoint takes no more does neither, so its reset would stay unseen for as
long as the endpoint stalls, and cost both their sockets.  Whoever holds a caller says
so here; once a second those who are still held are asked for a reset.

A FIN stays unseen: it stands in line behind the bytes that nobody takes.  Knows
transports and a sweep; not what is held, nor why.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import ISystemHandle

from edgemesh.protocols.sweep import Sweep

#: Seconds between two looks; who is held for less was not stalled.
INTERVAL = 1.0


class Held:
    """
    The callers that are not read from for now.

    :ivar deadline: when to look at them again.
    :param sweep: gives the time to look, while anybody is held.
    """

    __slots__ = ("_seconds", "_since", "_sweep", "deadline")

    def __init__(self, sweep: Sweep, seconds: Callable[[], float]) -> None:
        self._sweep = sweep
        self._seconds = seconds
        self._since: dict[object, float] = {}
        self.deadline = 0.0

    def __len__(self) -> int:
        return len(self._since)

    def add(self, transport: object) -> None:
        """It is not read from any more."""
        now = self._seconds()
        if not self._since:
            self.deadline = now + INTERVAL
            self._sweep.watch(self)
        self._since[transport] = now

    def discard(self, transport: object) -> None:
        """It is read from again, or gone; harmless when it was not held."""
        if self._since.pop(transport, None) is not None and not self._since:
            self._sweep.unwatch(self)

    def expired(self, now: float) -> None:
        """End the connections of those who have reset theirs."""
        self.deadline = now + INTERVAL
        for transport, since in list(self._since.items()):
            if now - since >= INTERVAL and _isReset(transport):
                self.discard(transport)
                transport.abortConnection()  # type: ignore[attr-defined]


def _isReset(transport: object) -> bool:
    if not ISystemHandle.providedBy(transport):
        return False
    handle: Any = transport.getHandle()
    return bool(handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
