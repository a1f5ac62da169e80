# -*- test-case-name: tests.admin.test_accesslog -*-
"""
The access log: a line for every call, written together once a second.

A call never waits for the log and never fails because of it.  Lines wait in a
bounded buffer; they are written once a second, earlier when there are many.  When
the sink takes nothing (the disk is full, nobody reads the pipe) the buffer fills,
then further lines are dropped and counted in ``edgemesh_access_log_dropped_total``;
the reason goes to the node's own log once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from edgemesh.admin.accessline import LineWriter
from edgemesh.admin.sinks import Sink
from edgemesh.errors import ConfigurationError
from edgemesh.invocation import Invocation, Outcome
from edgemesh.metrics import Metrics


class AccessLog(Service):
    """
    Writes calls down.

    :ivar flushAt: bytes that are not kept waiting for the next second.
    :ivar room: most bytes that wait for the sink.
    :param wall: the time of day, in seconds since the epoch.
    """

    log = Logger()
    interval = 1.0
    flushAt = 64 * 1024
    room = 1024 * 1024
    #: Seconds between two complaints about the sink.
    silence = 60.0

    def __init__(
        self,
        node: str,
        sink: Sink,
        clock: IReactorTime,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = "access log"
        self._writer = LineWriter(node)
        self._sink = sink
        self._seconds = clock.seconds
        self._metrics = metrics
        self._wall = wall
        self._buffer = bytearray()
        self._stuck = False
        self._complainAfter = float("-inf")
        self._loop = LoopingCall(self.flush)
        self._loop.clock = clock

    def startService(self) -> None:
        """
        Open the sink and begin.

        :raise ConfigurationError: it cannot be opened.
        """
        try:
            self._sink.check()
        except OSError as error:
            raise ConfigurationError(
                f"accessLog: expected a file that can be written, found {self._sink!r}:"
                f" {error.strerror}"
            ) from None
        super().startService()  # type: ignore[no-untyped-call]
        ended = self._loop.start(self.interval, now=False)
        ended.addErrback(lambda failure: self.log.failure("the access log stopped", failure))

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        self.flush()
        self._metrics.linesDropped += self._buffer.count(b"\n")
        self._buffer.clear()
        self._sink.close()

    def reopen(self) -> None:
        """Write what waits, then begin again with the file that now has the name."""
        self.flush()
        # In the middle of a line the sink looks for itself, at the line's end.
        if not self._stuck:
            self._sink.close()

    def callEnded(self, invocation: Invocation, outcome: Outcome) -> None:
        """Write a call down, soon."""
        duration = self._seconds() - invocation.started
        line = self._writer.line(invocation, outcome, self._wall() - duration, duration)
        waiting = len(self._buffer) + len(line)
        if waiting > self.room:
            self._metrics.linesDropped += 1
            return
        self._buffer += line
        if waiting >= self.flushAt and not self._stuck:
            self.flush()

    def flush(self) -> None:
        """Offer everything that waits to the sink."""
        if not self._buffer:
            return
        try:
            taken = self._sink.write(bytes(self._buffer))
        except OSError as error:
            taken = 0
            self._complain(error)
        del self._buffer[:taken]
        # Until it takes everything again it is only tried once a second.
        self._stuck = bool(self._buffer)

    def _complain(self, error: OSError) -> None:
        now = self._seconds()
        if now >= self._complainAfter:
            self._complainAfter = now + self.silence
            self.log.warn(
                "cannot write the access log to {sink}: {error}", sink=self._sink, error=error
            )
