# -*- test-case-name: tests.protocols.http.test_server -*-
"""
The HTTP server: one caller's connection, request after request.

Theory of operation
===================

What a caller sends ahead of an answer waits; answers leave in order::

    IDLE --first byte--> HEAD --head, no body--> ANSWER --answer ends--> IDLE ...
     ^                     |                       ^  |
     |                     +--head, body--> BODY --+  +--close--> LINGER --> CLOSED
     +--caller reads on-- FULL <--answer ends, but the caller does not read--+

This module reads: heads, and bodies in the size they come, finding only where
they end.  What becomes of one request is its :class:`Exchange`'s business.

May not: build header dictionaries, hold a body, wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
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
from edgemesh.protocols.http.body import SizedBody
from edgemesh.protocols.http.call import Call
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.connect import Connect
from edgemesh.protocols.http.connection import ANSWER, BODY, FULL, HEAD, IDLE, Connection
from edgemesh.protocols.http.exchange import Exchange
from edgemesh.protocols.mesh import Accepted
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.fields import CHUNKED
from edgemesh.wire.http1 import RequestHead, parseRequest

_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")


@implementer(IProtocol)
class HTTPServer(Connection):
    """The server of one caller's connection."""

    __slots__ = ("_body", "_parsing")

    def __init__(
        self,
        accepted: Accepted,
        client: HTTPClient,
        insert: bytes,
        tunnel: Callable[..., object],
    ) -> None:
        super().__init__(accepted, client, insert, tunnel)
        self._parsing = False
        self._body: SizedBody | ChunkedBody | None = None

    def __repr__(self) -> str:
        return f"<HTTPServer of {self.accepted.caller} {self.state.name}>"

    def dataReceived(self, data: bytes) -> None:
        state = self.state
        if state is IDLE:
            self._pending = data
            self._readHeads()
        elif state is BODY:
            self._readBody(data)
        elif state is HEAD:
            self._readMore(data)
        elif state is ANSWER or state is FULL:
            self._pending += data
            if len(self._pending) > self.mesh.limits.pipelined:
                self.pause()
        # LINGER, CLOSED: what comes now is read only so that closing is no reset.

    def expired(self, now: float) -> None:
        exchange = self.exchange
        if self.state is IDLE:
            self.close()
        elif self.state is HEAD:
            self._reject(HEADER_TIMEOUT)
        elif exchange is None:
            self.abort()
        elif exchange.answering:
            exchange.cutShort(IDLE_TIMEOUT)
        elif self.state is not BODY:
            exchange.giveUp(UPSTREAM_TIMEOUT, "no answer in time")
        elif self._paused:
            exchange.giveUp(IDLE_TIMEOUT, "request body not taken in time")
        else:
            exchange.giveUp(HEADER_TIMEOUT, "request body not finished in time")

    # -- requests ---------------------------------------------------------------

    def _readHeads(self) -> None:
        """Serve every request that is wholly here."""
        self._parsing = True
        while self._pending and self._readOne():
            pass
        self._parsing = False

    def _readMore(self, data: bytes) -> None:
        """Take more of a head; read it again once that makes sense."""
        limits = self.mesh.limits
        pending = self._pending = self._pending + data
        # To try after every byte would let a caller cost as much as thousands.
        if (
            b"\n" in data
            or len(pending) > limits.head
            or (len(pending) > limits.requestLine and b"\n" not in pending)
        ):
            self._readHeads()

    def _readOne(self) -> bool:
        """Serve one request; False when no further one can be served now."""
        data = self._pending
        if data[0] == 13 and data.startswith(b"\r\n"):  # RFC 9112 section 2.2
            self._pending = data = _EMPTY_LINES.sub(b"", data)
            if not data:
                # The deadline stays: empty lines do not keep a connection.
                self.state = IDLE
                return False
        limits = self.mesh.limits
        try:
            head = parseRequest(data, limits.requestLine, limits.head, limits.headerCount)
        except RemoteProtocolError as error:
            self._reject(error.failure)
            return False
        if head is None:
            self._awaitHead()
            return False
        self._pending = b""
        exchange: Call = Connect(self, head) if head.method == b"CONNECT" else Exchange(self, head)
        self.exchange = exchange
        self._watched[self] = None
        if head.body == 0 and head.end == len(data):
            # Hot: most requests are a head and nothing else.
            self.state = ANSWER
            exchange.begin(b"", True)
        else:
            self._beginWith(exchange, head, data[head.end :])
        return self.state is IDLE

    def _beginWith(self, exchange: Call, head: RequestHead, rest: bytes) -> None:
        """Begin a call with what came after its head."""
        try:
            body = self._takeBody(head, rest)
        except RemoteProtocolError as error:
            exchange.malformed(error.failure)
        else:
            exchange.begin(body, self.state is ANSWER)

    def _awaitHead(self) -> None:
        """Part of a head is here; the rest must come in time, however it trickles."""
        if self.state is IDLE:
            self.state = HEAD
            # The time that recognising the protocol took counts as well.
            began = self.accepted.began or self.mesh.seconds()
            self.deadline = began + self.mesh.limits.headerTimeout
            self._watched[self] = None

    def _takeBody(self, head: RequestHead, rest: bytes) -> bytes:
        """Split what came after the head into this body's part and what is pending."""
        size = head.body
        if 0 <= size <= len(rest):
            self.state = ANSWER
            self._pending = rest[size:]
            return rest[:size]
        limits = self.mesh.limits
        self.state = BODY
        if size == CHUNKED:
            self._body = ChunkedBody(limits.chunkLine, limits.trailer, BAD_REQUEST)
        else:
            self._body = SizedBody(size)
        return self._bodyPart(rest)

    def _bodyPart(self, data: bytes) -> bytes:
        body = self._body
        assert body is not None
        data = body.feed(data)
        if body.finished:
            self.state = ANSWER
            self._pending = body.surplus
            self._body = None
        return data

    def _readBody(self, data: bytes) -> None:
        exchange = self.exchange
        assert exchange is not None
        try:
            data = self._bodyPart(data)
        except RemoteProtocolError as error:
            exchange.giveUp(error.failure, error.detail)
        else:
            exchange.bodyReceived(data, self.state is ANSWER)

    def _reject(self, failure: Failure) -> None:
        """What came is no request that can be forwarded."""
        now = self.mesh.seconds()
        invocation = Invocation("http", self.accepted.caller, self.accepted.asked, started=now)
        answer = localAnswer(failure, CLOSE)
        outcome = Outcome(failure.http, failure, 0.0, len(self._pending), len(answer))
        self.transport.write(answer)
        self.mesh.path.finish(invocation, outcome, now)
        self.linger()

    def next(self, now: float) -> None:
        self.exchange = None
        self.accepted.began = 0.0
        mesh = self.mesh
        self._watched.pop(self, None)
        self.deadline = now + mesh.limits.keepAlive
        if self._full:
            self.state = FULL
            return
        self.state = IDLE
        if self._paused:
            self.resume()
        if self._pending:
            if not self._parsing:
                self._readHeads()
        elif mesh.draining:
            self.close()
