# -*- test-case-name: tests.protocols.http.test_exchange -*-
"""
One request and its answer: decide, send, forward, try again, report.

::

    decided --opened--> sent --answer's head--> answering --end--> reported
       |  ^               |                         |
       |  +--try again----+--failed--> answered     +--cut off--> caller's connection
       +--refused--> answered by the mesh              by the mesh         is reset

A request may be sent again while nothing of its answer has been forwarded: to
another endpoint, once, when it never left or when repeating it does no harm; on a
fresh connection to the same endpoint when a kept one turned out to be dead.  It is
never sent more than twice.

Both ways the other side's transport is the producer, so that at most one read and
one buffer (64 KiB each) are in flight in each direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from zope.interface import implementer

from edgemesh.errors import (
    BAD_REQUEST,
    BAD_RESPONSE,
    CALLER_GONE,
    METHOD_REFUSED,
    Failure,
    Refused,
)
from edgemesh.handlers.path import failed
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.http.answers import CLOSE, CONNECTED, KEEP_ALIVE, UPGRADED, localAnswer
from edgemesh.protocols.http.client import HTTPUpstream
from edgemesh.protocols.mesh import TCPStream
from edgemesh.wire.http1 import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

if TYPE_CHECKING:
    from edgemesh.protocols.http.server import HTTPServer


@implementer(IUpstreamWaiter)
class Exchange:
    """
    One request and its answer.

    :ivar answering: the answer's head has been forwarded.
    :ivar wantsPayload: the caller knows no chunks (HTTP/1.0).
    """

    __slots__ = (
        "_answerAt",
        "_bodyWhole",
        "_client",
        "_first",
        "_head",
        "_keepAlive",
        "_received",
        "_sends",
        "_sent",
        "_server",
        "_status",
        "_streaming",
        "_upstream",
        "answering",
        "invocation",
        "wantsPayload",
    )

    log = Logger()

    def __init__(self, server: HTTPServer, head: RequestHead) -> None:
        accepted = server.accepted
        now = server.mesh.seconds()
        self._server = server
        self._head = head
        if head.method == b"CONNECT":
            self.invocation = Invocation(
                "tcp", accepted.caller, name=head.target, defaultPort=443, started=now
            )
            self._client: ITransportClient = server.mesh.clients["tcp"]
        else:
            self.invocation = Invocation(
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
            self._client = server.client
        self._upstream: HTTPUpstream | None = None
        self._first = b""
        self._bodyWhole = False
        self._sends = 0
        self._status = 0
        self._received = head.end
        self._sent = 0
        self._answerAt = 0.0
        self._streaming = False
        self._keepAlive = head.keepAlive
        self.answering = False
        self.wantsPayload = head.minor == 0

    def __repr__(self) -> str:
        return f"<Exchange {self.invocation!r} sent {self._sends}x status {self._status}>"

    # -- the request ------------------------------------------------------------

    def begin(self, body: bytes) -> None:
        """Decide the call and send it; ``body`` is the part of the body that is here."""
        server = self._server
        invocation = self.invocation
        self._bodyWhole = server.state is server.state.ANSWER
        self._received += len(body)
        try:
            if invocation.protocol == "tcp":
                self._checkConnect()
            server.mesh.path.decide(invocation, invocation.started)
        except Refused as refusal:
            self._fail(refusal.failure, refusal.status, refusal.retryAfter)
            return
        endpoint = invocation.endpoint
        route = invocation.route
        assert endpoint is not None and route is not None
        host = self._head.host or f"{route.service.name}.{route.service.namespace}".encode()
        first = self._head.forward(server.insert, host)
        self._first = first + body if body else first
        self._setDeadline(invocation.started)
        self._client.open(endpoint, self)
        if not self._bodyWhole and self._upstream is None:
            server.pause()

    def _checkConnect(self) -> None:
        if not self._server.accepted.proxy:
            raise Refused(METHOD_REFUSED, "CONNECT on a listener of one service")
        if self._head.body != 0:
            raise Refused(BAD_REQUEST, "CONNECT with a body")

    def bodyReceived(self, data: bytes, last: bool) -> None:
        """More of the request's body came; it may end with this."""
        self._bodyWhole = last
        self._received += len(data)
        self._setDeadline(self._server.mesh.seconds())
        upstream = self._upstream
        if upstream is None:
            # Not connected yet; this was on its way when reading was paused.
            self._first += data
            return
        if data:
            upstream.transport.write(data)
        if last:
            self._stopSending(upstream)

    def _stopSending(self, upstream: HTTPUpstream) -> None:
        """The request's body is over: the endpoint's buffer no longer paces the caller."""
        upstream.transport.unregisterProducer()
        self._server.transport.resumeProducing()

    def _setDeadline(self, now: float) -> None:
        route = self.invocation.route
        assert route is not None
        timeouts = route.policy.timeouts
        waiting = self._bodyWhole and not self.answering
        self._server.deadline = now + (timeouts.response if waiting else timeouts.idle)

    # -- the endpoint's side ----------------------------------------------------

    def opened(self, upstream: IProtocol) -> None:
        """A connection to the endpoint is there."""
        server = self._server
        if server.exchange is not self:
            # The caller went away, or gave up, while we dialled.
            if isinstance(upstream, HTTPUpstream):
                server.client.keep(upstream)
            else:
                cast("TCPStream", upstream.transport).loseConnection()  # type: ignore[attr-defined]
        elif isinstance(upstream, HTTPUpstream):
            self._send(upstream)
        else:
            server.transport.write(CONNECTED)
            self._becomeTunnel(upstream.transport, b"")  # type: ignore[attr-defined]

    def _send(self, upstream: HTTPUpstream) -> None:
        self._upstream = upstream
        self._sends += 1
        first = self._first
        if not self._head.retryable:
            self._first = b""
        server = self._server
        self._setDeadline(server.mesh.seconds())
        upstream.request(self, self._head.method, first)
        if not self._bodyWhole:
            upstream.transport.registerProducer(server.transport, True)
            server.resume()

    def openFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint could not be reached; no byte was sent."""
        if self._server.exchange is self:
            self._tryAgain(failure, detail)

    def interim(self, head: ResponseHead) -> None:
        """Pass a 1xx on, to callers that know them."""
        if not self.wantsPayload:
            # Something was forwarded: this request is not sent a second time.
            self._sends = 2
            self._write(head.forward(b""))

    def answer(self, head: ResponseHead, body: bytes, last: bool) -> None:
        """Forward the answer's head, with the first part of its body."""
        server = self._server
        self.answering = True
        self._answerAt = now = server.mesh.seconds()
        self._first = b""
        self._status = head.status
        insert = b""
        if (
            not self._keepAlive
            or not self._bodyWhole
            or head.body == UNTIL_CLOSE
            or (head.body == CHUNKED and self.wantsPayload)
            or server.mesh.draining
        ):
            self._keepAlive = False
            insert = CLOSE
        elif self.wantsPayload:
            insert = KEEP_ALIVE
        if head.body == CHUNKED and self.wantsPayload:
            head.cut(b"transfer-encoding")
        out = head.forward(insert)
        self._sent += len(out) + len(body)
        if body:
            server.transport.writeSequence((out, body))
        else:
            server.transport.write(out)
        if last:
            self._answerEnded()
            return
        self._setDeadline(now)
        self._streaming = True
        assert self._upstream is not None
        server.transport.registerProducer(self._upstream.transport, True)

    def answerMore(self, body: bytes, last: bool) -> None:
        """Forward more of the body."""
        if body:
            self._write(body)
        if last:
            self._answerEnded()
        else:
            self._setDeadline(self._server.mesh.seconds())

    def _answerEnded(self) -> None:
        server = self._server
        upstream = self._upstream
        assert upstream is not None
        if self._streaming:
            server.transport.unregisterProducer()
            upstream.transport.resumeProducing()
        if not self._bodyWhole:
            self._stopSending(upstream)
        upstream.finished(self._bodyWhole)
        self._report(None, self._status)
        if self._keepAlive:
            server.next()
        else:
            server.end()

    def answerFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint's connection is gone before the answer's end."""
        if self.answering:
            self._upstream = None
            self.log.info("answer cut short: {detail}", detail=detail)
            self.cutShort(failure)
        elif failure is BAD_RESPONSE:
            self._upstream = None
            self.log.info("no valid answer: {detail}", detail=detail)
            self._fail(failure)
        else:
            self._tryAgain(failure, detail)

    # -- trying again, giving up ------------------------------------------------

    def _tryAgain(self, failure: Failure, detail: str) -> None:
        """Nothing of an answer was forwarded: send once more where that is safe."""
        upstream, self._upstream = self._upstream, None
        invocation = self.invocation
        endpoint = invocation.endpoint
        assert endpoint is not None
        if self._sends == 0 or (self._sends == 1 and self._head.retryable):
            if upstream is not None and upstream.reused:
                self._server.client.dial(endpoint, self)
                return
            path = self._server.mesh.path
            now = self._server.mesh.seconds()
            if path.mayRetry(invocation, now):
                try:
                    path.retry(invocation, failed(failure, invocation, now), now)
                except Refused as refusal:
                    detail = f"{detail}; {refusal.detail}"
                else:
                    assert invocation.endpoint is not None
                    self._client.open(invocation.endpoint, self)
                    return
        self.log.info("call failed: {detail}", detail=detail)
        self._fail(failure)

    def malformed(self, failure: Failure) -> None:
        """The body's framing is broken; the call was not decided yet."""
        self._fail(failure)

    def giveUp(self, failure: Failure, detail: str) -> None:
        """End a call whose endpoint may still be working on it."""
        self._drop()
        if self.answering:
            self.cutShort(failure)
        else:
            self.log.info("call given up: {detail}", detail=detail)
            self._fail(failure)

    def cutShort(self, failure: Failure) -> None:
        """Part of the answer is out: end so that the caller can see that it is cut off."""
        self._drop()
        self._report(failure, self._status)
        self._server.close()
        self._server.abort()

    def callerGone(self) -> None:
        """The caller's connection is lost: free the endpoint."""
        self._drop()
        self._report(CALLER_GONE, self._status or CALLER_GONE.http)

    def _drop(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()

    def _fail(self, failure: Failure, status: int = 0, retryAfter: float | None = None) -> None:
        """Answer in the mesh's own name; keep the connection if the request is wholly read."""
        server = self._server
        keep = self._keepAlive and self._bodyWhole and not server.mesh.draining
        if keep:
            connection = KEEP_ALIVE if self.wantsPayload else b""
        else:
            connection = CLOSE
        bodyless = self._head.method == b"HEAD"
        self._write(localAnswer(failure, connection, status, retryAfter, bodyless))
        self._report(failure, status or failure.http)
        if keep:
            server.next()
        else:
            server.end()

    def _write(self, data: bytes) -> None:
        self._sent += len(data)
        self._server.transport.write(data)

    def _report(self, failure: Failure | None, status: int) -> None:
        invocation = self.invocation
        now = self._server.mesh.seconds()
        latency = (self._answerAt or now) - invocation.started
        outcome = Outcome(status, failure, latency, self._received, self._sent)
        self._server.mesh.path.finish(invocation, outcome, now)

    # -- tunnels: CONNECT and Upgrade -------------------------------------------

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """The endpoint agreed to speak WebSocket."""
        upstream = self._upstream
        assert upstream is not None
        agreed = (head.header(b"upgrade") or b"").lower() == b"websocket"
        if not (self._head.websocket and agreed):
            self._drop()
            self.log.info("101 without a matching Upgrade")
            self._fail(BAD_RESPONSE)
            return
        self._write(head.forward(UPGRADED))
        upstream.leave()
        self._becomeTunnel(upstream.transport, rest)

    def _becomeTunnel(self, upstream: TCPStream, said: bytes) -> None:
        """Join the two transports; HTTP is out of the path for good."""
        server = self._server
        pending = server.takePending()
        self._upstream = None
        server.tunnel(server.mesh, self.invocation, server.transport, upstream, pending, said)
