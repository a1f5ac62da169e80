# -*- test-case-name: tests.protocols.http.test_exchange -*-
"""
One request and its answer: send, forward, find the end.

::

    decided --opened--> sent --answer's head--> answering --end--> reported
       |  ^               |                         |
       |  +--try again----+--failed--> answered     +--cut off--> caller's connection
       +--refused--> answered by the mesh              by the mesh         is reset

Each transport's buffer paces the reading of the other transport, so that at most one
read and one buffer (44 KiB each) are in flight in each direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol

from edgemesh.errors import BAD_RESPONSE, Failure, Refused
from edgemesh.invocation import Invocation
from edgemesh.protocols.http.answers import CLOSE, KEEP_ALIVE, UPGRADED
from edgemesh.protocols.http.call import MOST_SENDS, Call
from edgemesh.protocols.http.upstream import HTTPUpstream
from edgemesh.wire.fields import CHUNKED, UNTIL_CLOSE
from edgemesh.wire.http1 import RequestHead
from edgemesh.wire.response import ResponseHead

if TYPE_CHECKING:
    from edgemesh.protocols.http.server import HTTPServer

#: A body of so many bytes is copied behind its head: cheaper than two pieces for one write.
_SMALL = 4_096


class Exchange(Call):
    """One request over HTTP and its answer."""

    __slots__ = ("_first", "_upstream")

    def __init__(self, server: HTTPServer, head: RequestHead) -> None:
        accepted = server.accepted
        invocation = Invocation(
            "http",
            accepted.caller,
            accepted.asked,
            head.host,
            80,
            head.method,
            head.path,
            head,
            server.mesh.seconds(),
        )
        Call.__init__(self, server, head, invocation)
        self._upstream: HTTPUpstream | None = None
        #: The request as it is sent: head, and the part of the body that is here.
        self._first = b""

    # -- the request ------------------------------------------------------------

    def begin(self, body: bytes, whole: bool) -> None:
        self._bodyWhole = whole
        if body:
            self._received += len(body)
        server = self._server
        invocation = self.invocation
        try:
            server.mesh.path.decide(invocation, invocation.started)
        except Refused as refusal:
            self._refuse(refusal)
            return
        head = self._head
        if head.plain:
            # Hot: what forward would do.
            first = head.raw[:-2] + server.insertLast
        elif head.minor:
            first = head.forward(server.insert, b"")
        else:
            first = self._oldHead()
        self._first = first + body if body else first
        endpoint = invocation.endpoint
        assert endpoint is not None
        client = server.client
        upstream = client.take(endpoint)
        if upstream is not None:
            self._send(upstream, invocation.started)
            return
        self._setDeadline(invocation.started)
        client.dial(endpoint, self)
        if not whole and self._upstream is None and server.exchange is self:
            server.pause()

    def _oldHead(self) -> bytes:
        """The head of an HTTP/1.0 request, which may lack a Host, as the endpoint gets it."""
        insert = self._server.insert.replace(b"Via: 1.1 ", b"Via: 1.0 ")
        route = self.invocation.route
        assert route is not None
        host = f"{route.service.name}.{route.service.namespace}"
        return self._head.forward(insert, host.encode("ascii"))

    def bodyReceived(self, data: bytes, last: bool) -> None:
        self._bodyWhole = last
        self._received += len(data)
        self._setDeadline(self._server.mesh.seconds())
        if self._upstream is None:
            # Not connected yet; this was on its way when reading was paused.
            self._first += data
        elif data:
            self._upstream.transport.write(data)
        if last:
            # The endpoint's buffer no longer paces the caller.
            self._server.resume()

    def holdBody(self) -> None:
        """The endpoint takes no more of the request's body for now."""
        if not self._bodyWhole:
            self._server.pause()

    def sendBody(self) -> None:
        """The endpoint takes more of it again."""
        if not self._bodyWhole:
            self._server.resume()

    # -- the endpoint's side ----------------------------------------------------

    def opened(self, upstream: IProtocol) -> None:
        assert isinstance(upstream, HTTPUpstream)
        server = self._server
        now = server.mesh.seconds()
        if server.exchange is self:
            self._send(upstream, now)
        else:
            # The caller went away, or gave up, while we dialled.
            server.client.keep(upstream, now)

    def _send(self, upstream: HTTPUpstream, now: float) -> None:
        self._upstream = upstream
        self._sends += 1
        head = self._head
        first = self._first
        if not head.retryable:
            self._first = b""
        self._setDeadline(now)
        if not self._bodyWhole:
            # Before the bytes: writing them may pause the caller again.
            self._server.resume()
        upstream.request(self, head.method, first)

    def interim(self, head: ResponseHead) -> None:
        """Pass a 1xx on, to callers that know it."""
        if not self.wantsPayload:
            # Something was forwarded: this request is not sent a second time.
            self._sends = MOST_SENDS
            self._write(head.forward(b""))

    def answer(self, head: ResponseHead, body: bytes, last: bool) -> None:
        """Forward the answer's head, with the first part of its body."""
        server = self._server
        mesh = server.mesh
        self.answering = True
        self._answerAt = now = mesh.seconds()
        self._first = b""
        self._status = head.status
        plain = self._keepAlive and self._bodyWhole and not self.wantsPayload
        if plain and head.body != UNTIL_CLOSE and not mesh.draining:
            out = head.forward(b"")
        else:
            out = self._changed(head)
        size = len(body)
        self._sent += len(out) + size
        if size > _SMALL:
            server.transport.writeSequence((out, body))
        else:
            server.transport.write(out + body)
        if last:
            self._answerEnded(now)
        else:
            self._setDeadline(now)

    def _changed(self, head: ResponseHead) -> bytes:
        """The answer's head for a caller whose connection ends, or who knows HTTP/1.0 only."""
        old = self.wantsPayload
        if (
            not self._keepAlive
            or not self._bodyWhole
            or head.body == UNTIL_CLOSE
            or (head.body == CHUNKED and old)
            or self._server.mesh.draining
        ):
            self._keepAlive = False
        if old:
            # Not even in an answer to HEAD (RFC 9112 section 6.1).
            head.cut(b"transfer-encoding")
        return head.forward(KEEP_ALIVE if self._keepAlive else CLOSE)

    def answerMore(self, body: bytes, last: bool) -> None:
        """Forward more of the body."""
        if body:
            self._write(body)
        now = self._server.mesh.seconds()
        if last:
            self._answerEnded(now)
        else:
            self._setDeadline(now)

    def _answerEnded(self, now: float) -> None:
        upstream = self._upstream
        assert upstream is not None
        self._upstream = None
        upstream.finished(self._bodyWhole, now)
        self._report(None, self._status, now)
        if self._keepAlive:
            self._server.next(now)
        else:
            self._server.end()

    def holdAnswer(self) -> None:
        if self._upstream is not None:
            self._upstream.pause()

    def sendAnswer(self) -> None:
        if self._upstream is not None:
            self._upstream.resume()

    def answerFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint's connection is gone before the answer's end."""
        upstream, self._upstream = self._upstream, None
        assert upstream is not None
        if self.answering:
            self._server.mesh.refusals.failed(self.invocation, failure, detail)
            self.cutShort(failure)
        elif failure is BAD_RESPONSE:
            self._failed(failure, detail)
        elif upstream.reused and self._sends == 1 and self._head.retryable:
            self._server.client.dial(upstream.endpoint, self)
        else:
            self._tryAgain(failure, detail)

    def _open(self) -> None:
        endpoint = self.invocation.endpoint
        assert endpoint is not None
        client = self._server.client
        if self._sends == 0:
            client.open(endpoint, self)
        else:
            # The last chance is not for a kept connection, which may be dead as well.
            client.dial(endpoint, self)

    def _drop(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """The endpoint agreed to speak WebSocket."""
        upstream = self._upstream
        assert upstream is not None
        agreed = (head.header(b"upgrade") or b"").lower() == b"websocket"
        if not (self._head.websocket and agreed):
            self._drop()
            self._failed(BAD_RESPONSE, f"{upstream.endpoint.address}: 101 without an Upgrade")
            return
        self._write(head.forward(UPGRADED))
        self._status = head.status
        self._server.mesh.path.answered(self.invocation, self._server.mesh.seconds())
        self._upstream = None
        self._becomeTunnel(upstream.leave(), rest, True)
