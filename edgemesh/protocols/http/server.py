# -*- test-case-name: tests.protocols.http.test_server -*-
"""
The HTTP server: one caller's connection, request after request.

Theory of operation
===================

What a caller sends ahead of an answer waits; answers leave in order::

    IDLE --first byte--> HEAD --head, no body--> ANSWER --answer ends--> IDLE ...
                           |                       ^  |
                           +--head, body--> BODY --+  +--close--> LINGER --> CLOSED

This module reads: heads, and bodies in the size they come, finding only where
they end.  What becomes of one request is its :class:`Exchange`'s business.

LINGER exists because closing a socket that still has unread bytes makes the kernel
send a reset, which can destroy the answer before the caller has read it.

May not: build header dictionaries, hold a body, wait.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import cast

from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import (
    BAD_REQUEST,
    HEADER_TIMEOUT,
    IDLE_TIMEOUT,
    UPSTREAM_TIMEOUT,
    Failure,
    RemoteProtocolError,
)
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.http.answers import CLOSE, localAnswer
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.exchange import Exchange
from edgemesh.protocols.mesh import Accepted, TCPStream
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.http1 import CHUNKED, RequestHead, parseRequest

#: Seconds and bytes that a closing connection is still read, and forgotten.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1 << 20


class State(Enum):
    """What the server waits for."""

    IDLE = "a request"
    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "the endpoint's answer"
    LINGER = "the caller's close"
    CLOSED = "nothing"


@implementer(IProtocol)
class HTTPServer:
    """
    The server of one caller's connection.

    :ivar state: what it waits for.
    :ivar exchange: the request in progress, or None.
    :ivar deadline: when that must have come, monotonic seconds.
    :ivar insert: field lines that every forwarded request gets.
    :ivar client: the transport client.
    :ivar tunnel: joins the two transports of an upgraded or CONNECT call.
    """

    __slots__ = (
        "_chunks",
        "_left",
        "_parsing",
        "_paused",
        "_pending",
        "accepted",
        "client",
        "deadline",
        "exchange",
        "insert",
        "mesh",
        "state",
        "transport",
        "tunnel",
    )

    transport: TCPStream

    def __init__(
        self,
        accepted: Accepted,
        client: HTTPClient,
        insert: bytes,
        tunnel: Callable[..., None],
    ) -> None:
        self.accepted = accepted
        self.mesh = accepted.mesh
        self.client = client
        self.insert = insert
        self.tunnel = tunnel
        self.state = State.IDLE
        self.deadline = 0.0
        self.exchange: Exchange | None = None
        self._pending = b""
        self._parsing = False
        self._paused = False
        #: Of the body, or while lingering: bytes still to be read.
        self._left = 0
        self._chunks: ChunkedBody | None = None

    def __repr__(self) -> str:
        return f"<HTTPServer of {self.accepted.caller} {self.state.name}>"

    # -- the caller's transport -------------------------------------------------

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = cast("TCPStream", transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        mesh = self.mesh
        mesh.live[self] = None
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

    def dataReceived(self, data: bytes) -> None:
        state = self.state
        if state is State.IDLE:
            self._pending = data
            self._readHeads()
        elif state is State.BODY:
            self._readBody(data)
        elif state is State.HEAD:
            self._pending += data
            # Parsing again makes sense once another line is whole, or too long.
            if b"\n" in data or len(self._pending) > self.mesh.limits.requestLine:
                self._readHeads()
        elif state is State.ANSWER:
            self._pending += data
            if len(self._pending) > self.mesh.limits.pipelined:
                self.pause()
        elif state is State.LINGER:
            self._left -= len(data)
            if self._left < 0:
                self.abort()

    def connectionLost(self, reason: Reason) -> None:
        self.state = State.CLOSED
        self.leave()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.callerGone()

    def drain(self) -> None:
        """Take no further request; an answer in progress says so and goes on."""
        if self.state is State.IDLE:
            self.close()

    def abort(self) -> None:
        """Close now, with a reset."""
        self.transport.abortConnection()

    def expired(self, now: float) -> None:
        """What was waited for has not come in time."""
        exchange = self.exchange
        if self.state is State.IDLE:
            self.close()
        elif self.state is State.HEAD:
            self._reject(HEADER_TIMEOUT)
        elif exchange is None:
            self.abort()
        elif exchange.answering:
            exchange.cutShort(IDLE_TIMEOUT)
        elif self.state is State.BODY:
            exchange.giveUp(HEADER_TIMEOUT, "request body not finished in time")
        else:
            exchange.giveUp(UPSTREAM_TIMEOUT, "no answer in time")

    def leave(self) -> None:
        """The node forgets this connection."""
        self.mesh.live.pop(self, None)
        self.mesh.connections.unwatch(self)

    # -- requests ---------------------------------------------------------------

    def _readHeads(self) -> None:
        """Serve every request that is wholly here."""
        self._parsing = True
        while self._pending and self._readOne():
            pass
        self._parsing = False

    def _readOne(self) -> bool:
        """Serve one request; False when no further one can be served now."""
        data = self._pending
        if data.startswith(b"\r\n"):  # RFC 9112 section 2.2
            self._pending = data[2:]
            return True
        limits = self.mesh.limits
        try:
            head = parseRequest(data, limits.requestLine, limits.head, limits.headerCount)
        except RemoteProtocolError as error:
            self._reject(error.failure)
            return False
        if head is None:
            if self.state is State.IDLE:
                self.state = State.HEAD
                self.deadline = self.mesh.seconds() + limits.headerTimeout
            return False
        self._pending = b""
        exchange = self.exchange = Exchange(self, head)
        try:
            body = self._takeBody(head, data[head.end :])
        except RemoteProtocolError as error:
            exchange.malformed(error.failure)
            return False
        exchange.begin(body)
        return self.state is State.IDLE

    def _takeBody(self, head: RequestHead, rest: bytes) -> bytes:
        """Split what came after the head into this body's part and what is pending."""
        size = head.body
        if size == CHUNKED:
            limits = self.mesh.limits
            self._chunks = ChunkedBody(limits.chunkLine, limits.trailer, BAD_REQUEST)
            self.state = State.BODY
            return self._chunked(rest)
        self._chunks = None
        if size > len(rest):
            self._left = size - len(rest)
            self.state = State.BODY
            return rest
        self.state = State.ANSWER
        self._pending = rest[size:]
        return rest[:size]

    def _chunked(self, data: bytes) -> bytes:
        chunks = self._chunks
        assert chunks is not None
        body = chunks.feed(data)
        if chunks.finished:
            self.state = State.ANSWER
            self._pending = chunks.surplus
        return body

    def _readBody(self, data: bytes) -> None:
        exchange = self.exchange
        assert exchange is not None
        if self._chunks is not None:
            try:
                data = self._chunked(data)
            except RemoteProtocolError as error:
                exchange.giveUp(error.failure, error.detail)
                return
        elif len(data) < self._left:
            self._left -= len(data)
        else:
            self._pending = data[self._left :]
            data = data[: self._left]
            self.state = State.ANSWER
        exchange.bodyReceived(data, self.state is State.ANSWER)

    def _reject(self, failure: Failure) -> None:
        """What came is no request that can be forwarded."""
        now = self.mesh.seconds()
        invocation = Invocation("http", self.accepted.caller, self.accepted.asked, started=now)
        answer = localAnswer(failure, CLOSE)
        outcome = Outcome(failure.http, failure, 0.0, len(self._pending), len(answer))
        self.transport.write(answer)
        self.mesh.path.finish(invocation, outcome, now)
        self.linger()

    # -- what an exchange asks for ----------------------------------------------

    def next(self) -> None:
        """The answer is out: wait for another request, or take the one that is here."""
        self.exchange = None
        self.state = State.IDLE
        self.deadline = self.mesh.seconds() + self.mesh.limits.keepAlive
        self.resume()
        if self._pending:
            if not self._parsing:
                self._readHeads()
        elif self.mesh.draining:
            self.close()

    def end(self) -> None:
        """The answer is out and was the last one."""
        if self.state is State.ANSWER and not self._pending:
            self.close()
        else:
            self.linger()

    def close(self) -> None:
        """Close once everything is written."""
        self.exchange = None
        self.state = State.CLOSED
        self._pending = b""
        # A caller that does not read the rest of its answer is cut off in the end.
        self.deadline = self.mesh.seconds() + self.mesh.limits.keepAlive
        self.transport.loseConnection()

    def linger(self) -> None:
        """Say that nothing more comes, then read until the caller has closed."""
        self.exchange = None
        self.state = State.LINGER
        self._pending = b""
        self._left = _LINGER_BYTES
        self.deadline = self.mesh.seconds() + _LINGER_SECONDS
        self.resume()
        self.transport.loseWriteConnection()

    def takePending(self) -> bytes:
        """Leave the connection to somebody else: what was read ahead."""
        self.exchange = None
        self.state = State.CLOSED
        self.leave()
        self.resume()
        pending, self._pending = self._pending, b""
        return pending

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
