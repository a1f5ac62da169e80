# -*- test-case-name: tests.protocols.http.test_connection -*-
"""
One caller's connection as the HTTP server has it: its transport, its life, its end.

Once 44 KiB wait for a caller that does not read, the endpoint is paused and no
further request is begun.

LINGER exists because closing a socket that still has unread bytes makes the kernel
send a reset, which can destroy the answer before the caller has read it.

Knows no HTTP but the name; what the bytes mean is for its subclass
:class:`~edgemesh.protocols.http.server.HTTPServer`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from twisted.python.failure import Failure as Reason

from edgemesh.errors import CALLER_GONE, DRAINING
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.pacing import Paced
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tcp.reset import resetWhenFlushed

if TYPE_CHECKING:
    from edgemesh.protocols.http.call import Call

#: How long a closing connection is still read, and what comes is forgotten.
_LINGER_SECONDS = 5.0


class State(Enum):
    """What the server waits for."""

    IDLE = "a request"
    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "the endpoint's answer"
    FULL = "the caller to read its answers"
    LINGER = "the caller's close"
    CLOSED = "nothing"


#: Looking a member up in its class takes as long as everything around it.
IDLE, HEAD, BODY, ANSWER, FULL, LINGER, CLOSED = State


class Connection(Paced):
    """
    One caller's connection.

    :ivar state: what it waits for.
    :ivar exchange: the call in progress, or None.
    :ivar deadline: when that must have come, monotonic seconds.
    :ivar insert: field lines that every forwarded request gets.
    :ivar insertLast: the same, and the empty line behind them.
    :ivar client: the transport client.
    :ivar tunnel: joins the two transports of an upgraded or CONNECT call.
    """

    __slots__ = (
        "_pending",
        "_watched",
        "accepted",
        "client",
        "deadline",
        "exchange",
        "insert",
        "insertLast",
        "mesh",
        "state",
        "tunnel",
    )

    def __init__(
        self,
        accepted: Accepted,
        client: HTTPClient,
        insert: bytes,
        tunnel: Callable[..., object],
    ) -> None:
        super().__init__()
        self.accepted = accepted
        self.mesh = accepted.mesh
        self.client = client
        self.insert = insert
        self.insertLast = insert + b"\r\n"
        self.tunnel = tunnel
        self.state = IDLE
        self.deadline = 0.0
        self.exchange: Call | None = None
        self._pending = b""
        #: Hot: each request is watched for its own deadline.
        self._watched = accepted.mesh.requests.watched

    # -- the caller's transport -------------------------------------------------

    def connectionMade(self) -> None:
        super().connectionMade()
        mesh = self.mesh
        mesh.live[self] = None
        mesh.metrics.connectionOpened("http")
        self.deadline = mesh.seconds() + mesh.limits.keepAlive
        mesh.connections.watch(self)
        early, self.accepted.early = self.accepted.early, None
        if early is not None:
            # Dialled while the caller was silent; a request chooses for itself.
            mesh.path.release(early.invocation, mesh.seconds())
            assert early.invocation.endpoint is not None
            if early.said:
                early.transport.loseConnection()
            else:
                self.client.adopt(early.invocation.endpoint, early.transport)

    def connectionLost(self, reason: Reason) -> None:
        self.state = CLOSED
        exchange = self.exchange
        self.leave()
        if exchange is not None:
            exchange.abandon(CALLER_GONE)

    def drain(self) -> None:
        """Take no further request; an answer in progress says so and goes on."""
        if self.state is IDLE or self.state is FULL:
            self.close()

    def abort(self) -> None:
        """Close now, with a reset; the node shuts down, or has waited long enough."""
        exchange = self.exchange
        self._callOver()
        if exchange is not None:
            exchange.abandon(DRAINING)
        self.transport.abortConnection()

    def expired(self, now: float) -> None:
        """What was waited for has not come in time."""
        raise NotImplementedError

    def leave(self) -> None:
        """The node forgets this connection."""
        self._callOver()
        self.mesh.live.pop(self, None)
        self.mesh.held.discard(self.transport)
        self.mesh.connections.unwatch(self)
        self.mesh.metrics.connectionClosed("http")

    # -- the transport's buffer -------------------------------------------------

    def pause(self) -> None:
        if not self._paused:
            self.mesh.held.add(self.transport)
        super().pause()

    def resume(self) -> None:
        if self._paused:
            self.mesh.held.discard(self.transport)
        super().resume()

    def pauseProducing(self) -> None:
        self._full = True
        if self.exchange is not None:
            self.exchange.holdAnswer()

    def resumeProducing(self) -> None:
        self._full = False
        if self.exchange is not None:
            self.exchange.sendAnswer()
        elif self.state is FULL:
            self.next(self.mesh.seconds())

    # -- what a call asks for ---------------------------------------------------

    def next(self, now: float) -> None:
        """The answer is out: wait for another request, or take the one that is here."""
        raise NotImplementedError

    def end(self) -> None:
        """The answer is out and was the last one."""
        if self.state is ANSWER and not self._pending:
            self.close()
        else:
            self.linger()

    def breakOff(self) -> None:
        """Part of an answer is out and nothing follows: reset once that part is written."""
        self._callOver()
        self.state = CLOSED
        self._pending = b""
        self.deadline = self.mesh.seconds() + self.mesh.limits.keepAlive
        resetWhenFlushed(self.transport)

    def close(self) -> None:
        """Close once everything is written."""
        self._callOver()
        self.state = CLOSED
        self._pending = b""
        # A caller that does not read the rest of its answer is cut off in the end.
        self.deadline = self.mesh.seconds() + self.mesh.limits.keepAlive
        # A transport whose producer is paused would not close.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def linger(self) -> None:
        """Say that nothing more comes, then read until the caller has closed."""
        self._callOver()
        self.state = LINGER
        self._pending = b""
        wait = self.mesh.limits.keepAlive if self._full else _LINGER_SECONDS
        self.deadline = self.mesh.seconds() + wait
        self.resume()
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def takePending(self) -> bytes:
        """Leave the connection to somebody else: what was read ahead."""
        self.state = CLOSED
        self.leave()
        self.transport.unregisterProducer()
        self.resume()
        pending, self._pending = self._pending, b""
        return pending

    def _callOver(self) -> None:
        self.exchange = None
        self._watched.pop(self, None)
