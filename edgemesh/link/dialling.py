# -*- test-case-name: tests.link.test_dialling -*-
"""
A link of records to a path, again and again.

Connecting to a unix socket never waits: it works at once or fails at once, also
when the other process has no room to accept.  So the only waits are between
attempts: a random part of a span that doubles (full jitter), so that many who lost
the same peer do not come back together.  The span begins anew once the protocol
says :meth:`Redialler.settled`, not when the socket is connected: a peer that accepts
and then hangs up is not asked in a tight circle.

::

    IDLE --startService--> WAITING <---- refused, lost ----+
                              |                            |
                              +---- connected ----> LINKED-+

Knows sockets and the reactor; must not know what is in a record.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import RecordCounts, RecordLimits, RecordProtocol
from edgemesh.link.seqpacket import SeqpacketTransport
from edgemesh.link.sockets import credentials, newSocket


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    How long to wait after a failure, in seconds.

    :ivar first: the span after the first one.
    :ivar most: no span is longer.
    """

    first: float = 0.25
    most: float = 15.0

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """
        The wait before the next attempt.

        :param failures: in a row, at least one.
        :param random: gives a number from 0 up to 1.
        """
        # The exponent is bounded: a large one is no float any more.
        return random() * min(self.most, self.first * 2.0 ** min(failures - 1, 32))


def connected(path: str) -> socket.socket:
    """
    Connect now.

    :raise OSError: nobody listens, its queue is full, or it belongs to another user.
    """
    connection = newSocket()
    try:
        connection.connect(path)
        peer = credentials(connection)
        if not peer.trusted:
            raise PermissionError(f"{path} belongs to user {peer.uid}, not {os.geteuid()} or root")
    except BaseException:
        connection.close()
        raise
    return connection


class Redialler(Service):
    """
    Keeps one link to a path while it runs.

    :ivar records: what happened on all its links.
    :ivar failures: attempts in a row that came to nothing.
    :param make: makes the protocol of each link.
    :param random: gives a number from 0 up to 1.
    """

    log = Logger()

    def __init__(
        self,
        reactor: LinkReactor,
        path: str,
        make: Callable[[], RecordProtocol],
        limits: RecordLimits,
        backoff: Backoff,
        random: Callable[[], float],
    ) -> None:
        self.records = RecordCounts()
        self.failures = 0
        self._reactor = reactor
        self._path = path
        self._make = make
        self._limits = limits
        self._backoff = backoff
        self._random = random
        self._waiting: IDelayedCall | None = None
        self._link: SeqpacketTransport | None = None
        self._stopped: Deferred[None] | None = None

    def __repr__(self) -> str:
        state = "LINKED" if self._link else "WAITING" if self._waiting else "IDLE"
        return f"<{type(self).__name__} {state} {self._path}, {self.failures} failures>"

    def startService(self) -> None:
        """Connect, and again whenever the link is lost."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._link is None:
            self._waiting = self._reactor.callLater(0, self._dial)

    def stopService(self) -> Deferred[None]:
        """Connect no more; fires when the link is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._link is None:
            return succeed(None)
        if self._stopped is None:
            self._stopped = Deferred()
            self._link.loseConnection()
        return self._stopped

    def settled(self) -> None:
        """The peer has accepted this link in its own protocol: later failures count anew."""
        self.failures = 0

    def _dial(self) -> None:
        self._waiting = None
        try:
            connection = connected(self._path)
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        self._link = SeqpacketTransport(
            self._reactor,
            connection,
            self._make(),
            credentials(connection),
            self._limits,
            self.records,
            self._ended,
        )
        self._link.start()

    def _ended(self, link: SeqpacketTransport) -> None:
        self._link = None
        if self.running:
            self._failed("the link was lost")
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)

    def _failed(self, why: str) -> None:
        self.failures += 1
        delay = self._backoff.delay(self.failures, self._random)
        self._waiting = self._reactor.callLater(delay, self._dial)
        # One line when it begins; a peer that is away for hours must not fill the log.
        if self.failures == 1:
            self.log.warn("{path}: no link: {why}", path=self._path, why=why)
