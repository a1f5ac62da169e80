# -*- test-case-name: tests.protocols.http.test_server -*-
"""
The HTTP server: one caller's connection, from a request's head to its answer's end.

Theory of operation
===================

Requests are served one after the other; what a caller sends ahead waits::

    IDLE --first byte--> HEAD --head, no body--> ANSWER --answer ends--> IDLE ...
                           |                       ^  |
                           +--head, body--> BODY --+  +--close--> LINGER --> CLOSED

A head becomes an :class:`~edgemesh.invocation.Invocation`; the call path decides
it synchronously; the transport client gives a connection to the endpoint, at once
or later; head and the body's first part leave in one write.  From then on bytes
go through in the size they come, both ways, with the other side's transport as
the producer, so that at most one read and one buffer (64 KiB each) are in flight.

A request may be sent again while nothing of its answer has been forwarded: to
another endpoint, once, when it never left or when repeating it does no harm; on a
fresh connection to the same endpoint when a kept one turned out to be dead.  It is
never sent more than twice.

LINGER exists because closing a socket that still has unread bytes makes the kernel
send a reset, which can destroy the answer before the caller has read it.

May not: parse bodies, build header dictionaries, wait.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import cast

from twisted.internet.interfaces import IProtocol, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import (
    BAD_REQUEST,
    BAD_RESPONSE,
    CALLER_GONE,
    HEADER_TIMEOUT,
    IDLE_TIMEOUT,
    METHOD_REFUSED,
    UPSTREAM_TIMEOUT,
    Failure,
    Refused,
    RemoteProtocolError,
)
from edgemesh.handlers.path import failed
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.http.answers import CLOSE, CONNECTED, KEEP_ALIVE, UPGRADED, localAnswer
from edgemesh.protocols.http.client import HTTPClient, HTTPUpstream
from edgemesh.protocols.mesh import Accepted, TCPStream
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.http1 import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead, parseRequest

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


@implementer(IProtocol, IUpstreamWaiter)
class HTTPServer:
    """
    The server of one caller's connection.

    :ivar deadline: when what is waited for must have come.
    :ivar wantsPayload: the caller knows no chunks.
    :param tunnel: joins the two transports of an upgraded or CONNECT call.
    """

    __slots__ = (
        "_accepted",
        "_answerAt",
        "_answered",
        "_chunks",
        "_client",
        "_closing",
        "_dialler",
        "_first",
        "_head",
        "_insert",
        "_left",
        "_mesh",
        "_parsing",
        "_paused",
        "_pending",
        "_received",
        "_sends",
        "_sent",
        "_state",
        "_status",
        "_streaming",
        "_tunnel",
        "_upstream",
        "deadline",
        "invocation",
        "transport",
        "wantsPayload",
    )

    log = Logger()

    transport: TCPStream
    _head: RequestHead
    _chunks: ChunkedBody | None

    def __init__(
        self,
        accepted: Accepted,
        client: HTTPClient,
        insert: bytes,
        tunnel: Callable[..., None],
    ) -> None:
        self._accepted = accepted
        self._mesh = accepted.mesh
        self._client = client
        self._insert = insert
        self._tunnel = tunnel
        self._state = State.IDLE
        self._pending = b""
        self._parsing = False
        self._paused = False
        self.deadline = 0.0
        self._forget()

    def _forget(self) -> None:
        """No call is in progress."""
        self.invocation: Invocation | None = None
        self._upstream: HTTPUpstream | None = None
        self._dialler: ITransportClient = self._client
        self._first = b""
        self._left = 0
        self._chunks = None
        self._answered = False
        self._answerAt = 0.0
        self._closing = False
        self._sends = 0
        self._status = 0
        self._streaming = False
        self._received = 0
        self._sent = 0
        self.wantsPayload = False

    def __repr__(self) -> str:
        return f"<HTTPServer of {self._accepted.caller} {self._state.name}>"

    # -- the caller's transport -------------------------------------------------

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = cast("TCPStream", transport)
        mesh = self._mesh
        mesh.live[self] = None
        self.deadline = mesh.seconds() + mesh.limits.keepAlive
        mesh.connections.watch(self)
        early = self._accepted.early
        if early is not None:
            # Dialled while the caller was silent; a request chooses for itself.
            mesh.path.release(early.invocation, mesh.seconds())
            endpoint = early.invocation.endpoint
            assert endpoint is not None
            if early.said:
                early.transport.loseConnection()
            else:
                self._client.adopt(endpoint, early.transport)
            self._accepted.early = None

    def dataReceived(self, data: bytes) -> None:
        state = self._state
        if state is State.IDLE:
            self._pending = data
            self._readHeads()
        elif state is State.HEAD:
            self._pending += data
            # Parsing again makes sense once another line is whole, or too long.
            if b"\n" in data or len(self._pending) > self._mesh.limits.requestLine:
                self._readHeads()
        elif state is State.BODY:
            self._readBody(data)
        elif state is State.ANSWER:
            self._hold(data)
        elif state is State.LINGER:
            self._left -= len(data)
            if self._left < 0:
                self.abort()

    def connectionLost(self, reason: Reason) -> None:
        self._state = State.CLOSED
        self._leave()
        invocation = self.invocation
        if invocation is not None:
            self._drop()
            self._finish(CALLER_GONE, self._status or CALLER_GONE.http)

    def drain(self) -> None:
        """Take no further request; an answer in progress says so and goes on."""
        if self._state is State.IDLE:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close now, with a reset."""
        self.transport.abortConnection()

    def expired(self, now: float) -> None:
        """What was waited for has not come in time."""
        if self._state is State.IDLE:
            self._close()
        elif self._state is State.HEAD:
            self._reject(HEADER_TIMEOUT)
        elif self._state is State.LINGER or self.invocation is None:
            self.abort()
        elif self._answered:
            self._cutShort(IDLE_TIMEOUT)
        elif self._state is State.BODY:
            self._giveUp(HEADER_TIMEOUT, "request body not finished in time")
        else:
            self._giveUp(UPSTREAM_TIMEOUT, "no answer in time")

    def _leave(self) -> None:
        self._mesh.live.pop(self, None)
        self._mesh.connections.unwatch(self)

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
        limits = self._mesh.limits
        try:
            head = parseRequest(data, limits.requestLine, limits.head, limits.headerCount)
        except RemoteProtocolError as error:
            self._reject(error.failure)
            return False
        if head is None:
            if self._state is State.IDLE:
                self._state = State.HEAD
                self.deadline = self._mesh.seconds() + limits.headerTimeout
            return False
        self._begin(head, data[head.end :])
        return self._state is State.IDLE

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        mesh = self._mesh
        accepted = self._accepted
        now = mesh.seconds()
        invocation = Invocation(
            "http",
            accepted.caller,
            accepted.asked,
            head.host,
            80,
            head.method,
            head.path,
            head,
            now,
        )
        self._head = head
        self.invocation = invocation
        self._received = head.end
        self.wantsPayload = head.minor == 0
        self._pending = b""
        if head.method == b"CONNECT":
            self._beginConnect(head, rest, now)
            return
        try:
            mesh.path.decide(invocation, now)
            body = self._takeBody(head, rest)
        except Refused as refusal:
            self._refused(refusal, rest)
            return
        except RemoteProtocolError as error:
            self._failCall(error.failure, error.detail, close=True)
            return
        assert invocation.endpoint is not None
        first = head.forward(self._insert, self._hostOf(invocation))
        self._first = first + body if body else first
        self._setDeadline(now)
        self._client.open(invocation.endpoint, self)
        if self._upstream is None and self._state is State.BODY:
            self._pause()

    def _hostOf(self, invocation: Invocation) -> bytes:
        """The Host for a caller that said none (HTTP/1.0)."""
        assert invocation.route is not None
        service = invocation.route.service
        return f"{service.name}.{service.namespace}".encode("ascii")

    def _takeBody(self, head: RequestHead, rest: bytes) -> bytes:
        """Split what came after the head into this body's part and what is pending."""
        size = head.body
        if size == CHUNKED:
            limits = self._mesh.limits
            self._chunks = ChunkedBody(limits.chunkLine, limits.trailer, BAD_REQUEST)
            self._state = State.BODY
            return self._chunked(rest)
        if size > len(rest):
            self._left = size - len(rest)
            self._state = State.BODY
            self._received += len(rest)
            return rest
        self._state = State.ANSWER
        self._received += size
        self._pending = rest[size:]
        return rest[:size]

    def _chunked(self, data: bytes) -> bytes:
        chunks = self._chunks
        assert chunks is not None
        body = chunks.feed(data)
        self._received += len(body)
        if chunks.finished:
            self._state = State.ANSWER
            self._pending = chunks.surplus
        return body

    def _readBody(self, data: bytes) -> None:
        if self._chunks is not None:
            try:
                body = self._chunked(data)
            except RemoteProtocolError as error:
                self._giveUp(error.failure, error.detail)
                return
        elif len(data) < self._left:
            self._left -= len(data)
            self._received += len(data)
            body = data
        else:
            body = data[: self._left]
            self._pending = data[self._left :]
            self._received += self._left
            self._left = 0
            self._state = State.ANSWER
        self._setDeadline(self._mesh.seconds())
        upstream = self._upstream
        if upstream is None:
            # Not connected yet and paused; this was on its way already.
            self._first += body
            return
        if body:
            upstream.transport.write(body)
        if self._state is State.ANSWER:
            self._stopProducing(upstream)

    def _stopProducing(self, upstream: HTTPUpstream) -> None:
        """The request's body has ended: whoever paused the caller resumes it no more."""
        upstream.transport.unregisterProducer()
        self.transport.resumeProducing()

    def _hold(self, data: bytes) -> None:
        """The caller sends ahead; keep a little of it."""
        self._pending += data
        if len(self._pending) > self._mesh.limits.pipelined:
            self._pause()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    def _setDeadline(self, now: float) -> None:
        invocation = self.invocation
        assert invocation is not None and invocation.route is not None
        timeouts = invocation.route.policy.timeouts
        waiting = self._state is State.ANSWER and not self._answered
        self.deadline = now + (timeouts.response if waiting else timeouts.idle)

    # -- the endpoint's side ----------------------------------------------------

    def opened(self, upstream: IProtocol) -> None:
        """A connection to the endpoint is there."""
        if self.invocation is None:
            self._unwanted(upstream)
        elif self._dialler is not self._client:
            self._openTunnel(upstream)
        else:
            assert isinstance(upstream, HTTPUpstream)
            self._send(upstream)

    def _unwanted(self, upstream: IProtocol) -> None:
        """The caller went away while we dialled."""
        if isinstance(upstream, HTTPUpstream):
            self._client.keep(upstream)
        else:
            upstream.transport.loseConnection()

    def _send(self, upstream: HTTPUpstream) -> None:
        self._upstream = upstream
        self._sends += 1
        first = self._first
        if not self._head.retryable:
            self._first = b""
        self._setDeadline(self._mesh.seconds())
        upstream.request(self, self._head.method, first)
        if self._state is State.BODY and self._upstream is upstream:
            upstream.transport.registerProducer(self.transport, True)
        self._resume()

    def openFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint could not be reached; no byte was sent."""
        if self.invocation is not None:
            self._attemptFailed(failure, detail)

    def interim(self, head: ResponseHead) -> None:
        """Pass a 1xx on, to callers that know them."""
        if not self.wantsPayload:
            # Something was forwarded: this request is not sent a second time.
            self._sends = 2
            out = head.forward(b"")
            self._sent += len(out)
            self.transport.write(out)

    def answer(self, head: ResponseHead, body: bytes, last: bool) -> None:
        """Forward the answer's head, with the first part of its body."""
        request = self._head
        now = self._mesh.seconds()
        self._answered = True
        self._answerAt = now
        self._first = b""
        self._status = head.status
        if (
            not request.keepAlive
            or self._state is State.BODY
            or head.body == UNTIL_CLOSE
            or (head.body == CHUNKED and self.wantsPayload)
            or self._mesh.draining
        ):
            self._closing = True
            insert = CLOSE
        else:
            insert = KEEP_ALIVE if request.minor == 0 else b""
        if self.wantsPayload and head.body == CHUNKED:
            head.cut(b"transfer-encoding")
        out = head.forward(insert)
        self._sent += len(out) + len(body)
        if body:
            self.transport.writeSequence((out, body))
        else:
            self.transport.write(out)
        if last:
            self._answerEnded()
            return
        self._setDeadline(now)
        self._streaming = True
        upstream = self._upstream
        assert upstream is not None
        self.transport.registerProducer(upstream.transport, True)

    def answerMore(self, body: bytes, last: bool) -> None:
        """Forward more of the body."""
        if body:
            self._sent += len(body)
            self.transport.write(body)
        if last:
            self._answerEnded()
        else:
            self._setDeadline(self._mesh.seconds())

    def _answerEnded(self) -> None:
        complete = self._state is State.ANSWER
        upstream = self._upstream
        self._upstream = None
        if self._streaming:
            self._streaming = False
            self.transport.unregisterProducer()
            if upstream is not None:
                upstream.transport.resumeProducing()
        if upstream is not None:
            if not complete:
                self._stopProducing(upstream)
            upstream.finished(complete)
        closing = self._closing
        self._finish(None, self._status)
        if not complete:
            self._linger()
        elif closing:
            self._close()
        else:
            self._next()

    def answerFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint's connection is gone before the answer's end."""
        if self._answered:
            self.log.info("answer cut short: {detail}", detail=detail)
            self._upstream = None
            self._cutShort(failure)
        elif failure is BAD_RESPONSE:
            self._upstream = None
            self._failCall(failure, detail, close=self._state is State.BODY)
        else:
            self._attemptFailed(failure, detail)

    # -- trying again, giving up ------------------------------------------------

    def _attemptFailed(self, failure: Failure, detail: str) -> None:
        """Nothing of an answer was forwarded: try again where that is safe."""
        invocation = self.invocation
        assert invocation is not None and invocation.endpoint is not None
        stale = self._upstream is not None and self._upstream.reused
        self._upstream = None
        if self._sends == 0 or (self._sends == 1 and self._head.retryable):
            if stale:
                self._client.dial(invocation.endpoint, self)
                return
            now = self._mesh.seconds()
            if self._mesh.path.mayRetry(invocation, now):
                try:
                    self._mesh.path.retry(invocation, failed(failure, invocation, now), now)
                except Refused as refusal:
                    detail = f"{detail}; then {refusal.detail}"
                else:
                    self._dialler.open(invocation.endpoint, self)
                    return
        self._failCall(failure, detail, close=self._state is State.BODY)

    def _giveUp(self, failure: Failure, detail: str) -> None:
        """End a call whose endpoint may still be working on it."""
        self._drop()
        if self._answered:
            self._cutShort(failure)
        else:
            self._failCall(failure, detail, close=True)

    def _drop(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()

    def _cutShort(self, failure: Failure) -> None:
        """Part of the answer is out: end so that the caller can see that it is cut off."""
        self._drop()
        self._finish(failure, self._status)
        self.abort()

    def _refused(self, refusal: Refused, rest: bytes) -> None:
        """The chain refused; keep the connection when the request is wholly here."""
        size = self._head.body
        whole = 0 <= size <= len(rest)
        if whole:
            self._pending = rest[size:]
        self._state = State.ANSWER if whole else State.BODY
        self._failCall(
            refusal.failure,
            refusal.detail,
            close=not whole,
            status=refusal.status,
            retryAfter=refusal.retryAfter,
        )

    def _failCall(
        self,
        failure: Failure,
        detail: str,
        *,
        close: bool,
        status: int = 0,
        retryAfter: float | None = None,
    ) -> None:
        """Answer a call in the mesh's own name and end it."""
        close = close or not self._head.keepAlive or self._mesh.draining
        out = localAnswer(
            failure,
            status=status,
            retryAfter=retryAfter,
            close=close,
            bodyless=self._head.method == b"HEAD",
        )
        if self._head.minor == 0 and not close:
            out = out.replace(b"\r\n", b"\r\n" + KEEP_ALIVE, 1)
        self._sent += len(out)
        self.transport.write(out)
        complete = self._state is State.ANSWER
        self._finish(failure, status or failure.http)
        if not close:
            self._next()
        elif complete and not self._pending:
            self._close()
        else:
            self._linger()

    def _reject(self, failure: Failure) -> None:
        """What came is no request that can be forwarded."""
        accepted = self._accepted
        now = self._mesh.seconds()
        self.invocation = Invocation("http", accepted.caller, accepted.asked, started=now)
        self._received = len(self._pending)
        self._pending = b""
        out = localAnswer(failure, close=True)
        self._sent += len(out)
        self.transport.write(out)
        self._finish(failure, failure.http)
        self._linger()

    def _finish(self, failure: Failure | None, status: int) -> None:
        """Report the call; nothing of it is left here."""
        invocation = self.invocation
        assert invocation is not None
        now = self._mesh.seconds()
        latency = (self._answerAt or now) - invocation.started
        outcome = Outcome(status, failure, latency, self._received, self._sent)
        self._forget()
        self._mesh.path.finish(invocation, outcome, now)

    # -- between calls, and after the last --------------------------------------

    def _next(self) -> None:
        """Wait for the next request, or take the one that is here already."""
        self._state = State.IDLE
        self.deadline = self._mesh.seconds() + self._mesh.limits.keepAlive
        self._resume()
        if self._pending:
            if not self._parsing:
                self._readHeads()
        elif self._mesh.draining:
            self._close()

    def _close(self) -> None:
        self._state = State.CLOSED
        self._pending = b""
        # A caller that does not read the rest of its answer is cut off in the end.
        self.deadline = self._mesh.seconds() + self._mesh.limits.keepAlive
        self.transport.loseConnection()

    def _linger(self) -> None:
        """Say that nothing more comes, then read until the caller has closed."""
        self._state = State.LINGER
        self._pending = b""
        self._left = _LINGER_BYTES
        self.deadline = self._mesh.seconds() + _LINGER_SECONDS
        self._resume()
        self.transport.loseWriteConnection()

    # -- tunnels: CONNECT and Upgrade -------------------------------------------

    def _beginConnect(self, head: RequestHead, rest: bytes, now: float) -> None:
        invocation = Invocation(
            "tcp", self._accepted.caller, name=head.target, defaultPort=443, started=now
        )
        self.invocation = invocation
        if not self._accepted.proxy or head.body != 0:
            why = METHOD_REFUSED if not self._accepted.proxy else BAD_REQUEST
            self._refused(Refused(why, "CONNECT"), rest)
            return
        try:
            self._mesh.path.decide(invocation, now)
        except Refused as refusal:
            self._refused(refusal, rest)
            return
        assert invocation.endpoint is not None
        self._state = State.ANSWER
        self._pending = rest
        self._dialler = self._mesh.clients["tcp"]
        self._setDeadline(now)
        self._dialler.open(invocation.endpoint, self)

    def _openTunnel(self, upstream: IProtocol) -> None:
        """The endpoint of a CONNECT is connected."""
        self.transport.write(CONNECTED)
        self._sent += len(CONNECTED)
        self._becomeTunnel(upstream.transport, b"")

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """The endpoint agreed to speak WebSocket."""
        upstream = self._upstream
        assert upstream is not None
        if not self._head.websocket or (head.header(b"upgrade") or b"").lower() != b"websocket":
            self._drop()
            self._failCall(BAD_RESPONSE, "101 without a matching Upgrade", close=False)
            return
        out = head.forward(UPGRADED)
        self._status = 101
        self._sent += len(out)
        self.transport.write(out)
        upstream.leave()
        self._client.lost(upstream)
        self._becomeTunnel(upstream.transport, rest)

    def _becomeTunnel(self, upstream: ITransport, said: bytes) -> None:
        """Join the two transports; this server is out of the path for good."""
        invocation = self.invocation
        assert invocation is not None
        self._state = State.CLOSED
        self._leave()
        self._resume()
        pending, self._pending = self._pending, b""
        self.invocation = None
        self._upstream = None
        self._tunnel(self._mesh, invocation, self.transport, upstream, pending, said)
