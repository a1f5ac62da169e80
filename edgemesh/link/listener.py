# -*- test-case-name: tests.link.test_listener -*-
"""
Accepting links of records at a path.

Only processes of the same user, or root's, get a link; only so many at a time.
Others are closed without a word, counted, and named in the log.  Knows sockets and
the reactor; must not know what is in a record.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from edgemesh.link.address import Claim, claim
from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import RecordCounts, RecordLimits, RecordProtocol
from edgemesh.link.seqpacket import SeqpacketTransport
from edgemesh.link.sockets import credentials

#: Connections accepted before others get their turn.
TURN = 16
#: Seconds to wait when this process or the system has no descriptor left.
RESPITE = 1.0

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(slots=True)
class ListenerCounts:
    """
    Whom a listener met.

    :ivar accepted: processes that got a link.
    :ivar strangers: processes of other users; refused.
    :ivar surplus: processes that came when all links were in use; refused.
    """

    accepted: int = 0
    strangers: int = 0
    surplus: int = 0


@implementer(IReadDescriptor)
class RecordListener(Service):
    """
    Listens at a path while it runs.

    :ivar counts: whom it met.
    :ivar records: what happened on all its links.
    :param make: makes the protocol of each link.
    :param most: links at a time.
    """

    log = Logger()

    def __init__(
        self,
        reactor: LinkReactor,
        path: str,
        make: Callable[[], RecordProtocol],
        limits: RecordLimits,
        most: int = 10,
    ) -> None:
        self.counts = ListenerCounts()
        self.records = RecordCounts()
        self._reactor = reactor
        self._path = path
        self._make = make
        self._limits = limits
        self._most = most
        self._claim: Claim | None = None
        self._links: set[SeqpacketTransport] = set()
        self._stopped: Deferred[None] | None = None

    def __repr__(self) -> str:
        state = "listening" if self._claim else "closed"
        return f"<{type(self).__name__} {state} at {self._path}, {len(self._links)} links>"

    def startService(self) -> None:
        """
        Listen.

        :raise ConfigurationError: the path cannot be had.
        """
        self._claim = claim(self._path)
        super().startService()  # type: ignore[no-untyped-call]
        self._reactor.addReader(self)

    def stopService(self) -> Deferred[None]:
        """Listen no more and close every link; fires when all are closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._close()
        if not self._links:
            return succeed(None)
        self._stopped = Deferred()
        for link in list(self._links):
            link.loseConnection()
        return self._stopped

    def doRead(self) -> None:
        """Accept; the reactor says that somebody is there."""
        for _ in range(TURN):
            if self._claim is None:
                return
            try:
                connection, _ = self._claim.listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._rest(error)
                return
            self._accepted(connection)

    def _rest(self, error: OSError) -> None:
        """There is no descriptor for whoever waits; look again later."""
        self.log.warn("{path}: cannot accept: {why}", path=self._path, why=error.strerror)
        self._reactor.removeReader(self)
        self._reactor.callLater(RESPITE, self._resume)

    def _resume(self) -> None:
        if self._claim is not None:
            self._reactor.addReader(self)

    def _accepted(self, connection: socket.socket) -> None:
        peer = credentials(connection)
        if not peer.trusted:
            self.counts.strangers += 1
            self.log.warn(
                "{path}: refused process {pid} of user {uid}",
                path=self._path,
                pid=peer.pid,
                uid=peer.uid,
            )
            connection.close()
        elif len(self._links) >= self._most:
            self.counts.surplus += 1
            self.log.warn(
                "{path}: refused process {pid}, all {most} links are in use",
                path=self._path,
                pid=peer.pid,
                most=self._most,
            )
            connection.close()
        else:
            self.counts.accepted += 1
            connection.setblocking(False)
            link = SeqpacketTransport(
                self._reactor,
                connection,
                self._make(),
                peer,
                self._limits,
                self.records,
                self._ended,
            )
            self._links.add(link)
            link.start()

    def _ended(self, link: SeqpacketTransport) -> None:
        self._links.discard(link)
        if not self._links and self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def _close(self) -> None:
        closing, self._claim = self._claim, None
        if closing is not None:
            self._reactor.removeReader(self)
            closing.release()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends, or the listening socket is broken."""
        self._close()

    def fileno(self) -> int:
        """The listening socket's descriptor; -1 when it is closed."""
        return -1 if self._claim is None else self._claim.listening.fileno()

    def logPrefix(self) -> str:
        """How the reactor names this listener in its log."""
        return type(self).__name__
