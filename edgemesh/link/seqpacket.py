# -*- test-case-name: tests.link.test_seqpacket -*-
"""
A link of records over a connected ``SOCK_SEQPACKET`` socket, on any reactor.

Theory of operation
===================

Twisted's own transports are for streams, and would glue records together.  This
one is a plain descriptor: the reactor says when it can be read or written, and
every read is one record and every write is one record.

A record that is larger than ``receiveLimit`` is thrown away whole and its size is
told; one that cannot be sent is given back to its sender.  Neither ends the link.
Records wait in a queue while the peer does not read: above half of
``queueLimit`` a registered producer is paused, above ``queueLimit`` records are
given back.  A producer that is the transport itself stops the link from taking
requests whose answers would have to wait.

::

    OPEN ----- loseConnection, or the peer sends no more ----> FLUSHING
      |                                                           |
      |  error, abortConnection              all sent, error, LINGER seconds
      +--------------------------> CLOSED <-----------------------+

A peer that has ended its sending direction may still read: what was queued for
it is sent, as with ``loseConnection``, and then the link is closed.

Knows sockets and the reactor; must not know what is in a record.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum

from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReadWriteDescriptor,
)
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from zope.interface import implementer

from edgemesh.errors import LocalProtocolError
from edgemesh.link.queue import RecordQueue
from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import (
    LinkClosed,
    PauseSource,
    QueueFull,
    RecordCounts,
    RecordLimits,
    RecordProtocol,
    TooLarge,
    Unsent,
)
from edgemesh.link.sockets import (
    Credentials,
    RecordSocket,
    nextLength,
    raiseSendBuffer,
    take,
)

#: Seconds that a peer may take to read what was queued for it when the link is closed.
LINGER = 5.0
#: Records read or written before others get their turn.
TURN = 32


class State(Enum):
    """See the diagram above."""

    OPEN = "records go both ways"
    FLUSHING = "nothing is read, what is queued is sent"
    CLOSED = "nothing goes"


@implementer(IReadWriteDescriptor, IPushProducer)
class SeqpacketTransport:
    """
    One connected socket, and the protocol on it.

    :ivar counts: may be shared with other links.
    :ivar peer: who is at the other end.
    :ivar sendLimit: bytes of the largest record that can be sent.
    :param connection: non-blocking; closed with the link.
    :param ended: told once, after the protocol's ``connectionLost``.
    """

    def __init__(
        self,
        reactor: LinkReactor,
        connection: RecordSocket,
        protocol: RecordProtocol,
        peer: Credentials,
        limits: RecordLimits,
        counts: RecordCounts,
        ended: Callable[[SeqpacketTransport], None],
    ) -> None:
        self.counts = counts
        self.peer = peer
        self.sendLimit = raiseSendBuffer(connection, limits.send)
        self._reactor = reactor
        self._socket = connection
        self._protocol = protocol
        self._limits = limits
        self._ended = ended
        self._state = State.OPEN
        self._paused = False
        self._queue = RecordQueue(limits.queue)
        self._linger: IDelayedCall | None = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._state.name} to process {self.peer.pid}, "
            f"{self._queue.size} bytes queued>"
        )

    def start(self) -> None:
        """Let the protocol begin, and read."""
        self._reactor.addReader(self)
        self._protocol.makeConnection(self)

    # Sending.

    def sendRecord(self, record: bytes) -> None:
        """
        Send one whole record, when the peer has room for it.

        :param record: at least one byte.  If it will not arrive, the protocol's
            ``recordUnsent`` is called with it.
        """
        size = len(record)
        if not size:
            raise LocalProtocolError("a record of no bytes would read as the end of the link")
        if self._state is not State.OPEN:
            self._giveBack(record, LinkClosed(size, f"the link is {self._state.name}"))
        elif size > self.sendLimit:
            self._giveBack(record, TooLarge(size, f"the limit is {self.sendLimit} bytes"))
        elif not self._queue.takes(size):
            self._giveBack(record, QueueFull(size, f"{self._queue.size} bytes wait for the peer"))
        else:
            self._reactor.addWriter(self)
            self._queue.append(record)

    def doWrite(self) -> Exception | None:  # type: ignore[override]
        """Send what is queued; the reactor says that there is room."""
        for _ in range(TURN):
            if not self._queue:
                break
            record = self._queue.first()
            try:
                self._socket.send(record)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                    return ConnectionLost(error.strerror)
                self._queue.remove()
                self._giveBack(record, TooLarge(len(record), str(error.strerror)))
            else:
                self._queue.remove()
                self.counts.sent += 1
        if self._queue:
            return None
        if self._state is State.FLUSHING:
            return CONNECTION_DONE
        self._reactor.removeWriter(self)
        return None

    def _giveBack(self, record: bytes, why: Unsent) -> None:
        self.counts.unsent += 1
        self._protocol.recordUnsent(record, why)

    # Who fills the queue.

    def registerProducer(self, producer: PauseSource, streaming: bool) -> None:
        """Pause and resume this push producer as the peer reads."""
        if not streaming:
            raise LocalProtocolError(f"{producer!r} would have to be a push producer")
        if self._state is State.OPEN:
            self._queue.register(producer)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """Nobody is to be paused any more."""
        self._queue.unregister()

    # Receiving.

    def doRead(self) -> Exception | None:  # type: ignore[override]
        """Take records; the reactor says that there are some."""
        for _ in range(TURN):
            # What is done about one record may pause or end the link.
            if self._paused or self._state is not State.OPEN:
                break
            try:
                length = nextLength(self._socket)
                if not length:
                    return self._peerEnded()
                fits = length <= self._limits.receive
                record = take(self._socket, length if fits else 1)
            except BlockingIOError:
                break
            except OSError as error:
                return ConnectionLost(error.strerror)
            self._received(record, length, fits)
        return None

    def _received(self, record: bytes | None, length: int, fits: bool) -> None:
        if record is not None:
            self.counts.received += 1
            self._protocol.recordReceived(record)
            return
        if fits:
            self.counts.truncated += 1
        else:
            self.counts.refused += 1
        self._protocol.recordRefused(length)

    def _peerEnded(self) -> Exception | None:
        if not self._queue:
            return CONNECTION_DONE
        self.loseConnection()
        return None

    def pauseProducing(self) -> None:
        """Read no more; what comes stays with the kernel and its sender."""
        self._paused = True
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """Read again."""
        self._paused = False
        if self._state is State.OPEN:
            self._reactor.addReader(self)

    def stopProducing(self) -> None:
        """Read no more, for good."""
        self.loseConnection()

    # The end.

    def loseConnection(self) -> None:
        """Read no more, send what is queued, then close."""
        if self._state is State.OPEN:
            self._state = State.FLUSHING
            self._reactor.removeReader(self)
            self._reactor.addWriter(self)
            self._linger = self._reactor.callLater(LINGER, self._close, ConnectionAborted())

    def abortConnection(self) -> None:
        """Close at once; what is queued is lost."""
        if self._state is State.CLOSED:
            return
        self.loseConnection()
        self._reactor.removeWriter(self)
        # Not from within what the protocol is doing now.
        if self._linger is not None and self._linger.active():
            self._linger.reset(0)

    def _close(self, reason: Exception) -> None:
        self._linger = None
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self.connectionLost(Failure(reason))  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure) -> None:
        """The link is over; the reactor has forgotten it."""
        if self._state is State.CLOSED:
            return
        self._state = State.CLOSED
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._queue.close()
        self._socket.close()
        self._protocol.connectionLost(reason)
        self._ended(self)

    # For the reactor.

    def fileno(self) -> int:
        """The socket's descriptor; -1 when it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """How the reactor names this link in its log."""
        return type(self._protocol).__name__
