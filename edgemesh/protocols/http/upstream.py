# -*- test-case-name: tests.protocols.http.test_upstream -*-
"""
One connection to an HTTP endpoint: read its answers and find where they end.

While a request is on it, it reads the answer's head, forwards the body as it
comes and finds its end::

    IDLE --request--> HEAD --head--> LENGTH | CHUNKS | UNTIL_CLOSE --end--> IDLE
                       |  ^                                             or closed
                       |  +--1xx--+
                       +--101--> out of HTTP

A connection that says something while idle, or that said more than its answer, is
never used again.  What its transport's buffer has to say reaches whoever has a
request on it.

May not: hold a body, choose an endpoint, decide whether to try again.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import BAD_RESPONSE, UPSTREAM_RESET, Failure, RemoteProtocolError
from edgemesh.protocols.http.pacing import Paced
from edgemesh.protocols.mesh import TCPStream, prepare
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.fields import CHUNKED, UNTIL_CLOSE
from edgemesh.wire.response import ResponseHead, parseResponse

if TYPE_CHECKING:
    from edgemesh.handlers.routes import LiveEndpoint
    from edgemesh.protocols.http.client import HTTPClient


class Answered(Protocol):
    """Who gets the answer: the exchange whose request is on the connection."""

    #: The caller knows no chunks (HTTP/1.0).
    wantsPayload: bool

    def interim(self, head: ResponseHead) -> None:
        """A 1xx came."""

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """A 101 came; ``rest`` belongs to the new protocol already."""

    def answer(self, head: ResponseHead, body: bytes, last: bool) -> None:
        """The head came, with the first part of the body."""

    def answerMore(self, body: bytes, last: bool) -> None:
        """More of the body."""

    def answerFailed(self, failure: Failure, detail: str) -> None:
        """The answer will not come, or not whole; the connection is gone."""

    def holdBody(self) -> None:
        """The endpoint takes no more of the request's body for now."""

    def sendBody(self) -> None:
        """The endpoint takes more of the request's body again."""


class State(Enum):
    """What an HTTPUpstream waits for."""

    IDLE = "no request on it"
    HEAD = "waiting for the answer's head"
    LENGTH = "a body of known length"
    CHUNKS = "a chunked body"
    UNTIL_CLOSE = "a body that ends with the connection"


#: Looking a member up in its class takes as long as everything around it.
_IDLE, _HEAD, _LENGTH, _CHUNKS, _UNTIL_CLOSE = State


@implementer(IProtocol)
class HTTPUpstream(Paced):
    """
    One connection to an endpoint.

    :ivar reused: it has been idle in the pool, so it may have died unnoticed.
    :ivar idleSince: clock reading when it became idle.
    """

    __slots__ = (
        "_caller",
        "_chunks",
        "_client",
        "_left",
        "_method",
        "_pending",
        "_reusable",
        "_state",
        "endpoint",
        "idleSince",
        "reused",
    )

    _chunks: ChunkedBody

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint) -> None:
        super().__init__()
        self._client = client
        self.endpoint = endpoint
        self._caller: Answered | None = None
        self._method = b""
        self._state = _IDLE
        self._pending = b""
        self._left = 0
        self._reusable = True
        self.reused = False
        self.idleSince = 0.0

    def __repr__(self) -> str:
        return f"<HTTPUpstream {self.endpoint.address} {self._state.name}>"

    def connectionMade(self) -> None:
        prepare(self.transport)
        super().connectionMade()

    # -- what an exchange asks for ----------------------------------------------

    def request(self, caller: Answered, method: bytes, data: bytes) -> None:
        """Send a request's head, with the part of its body that is there."""
        self._caller = caller
        self._method = method
        self._state = _HEAD
        self.transport.write(data)

    def finished(self, keep: bool, now: float) -> None:
        """
        The caller has the whole answer.

        :param keep: the whole request was sent as well, so that the connection may
            carry another one.
        """
        self._caller = None
        if not keep or self._full:
            self.transport.abortConnection()
        elif self._reusable:
            if self._paused:
                self.resume()
            self._client.keep(self, now)
        else:
            self.transport.loseConnection()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._caller = None
        self.transport.abortConnection()

    def leave(self) -> TCPStream:
        """Give the transport away; it belongs to a tunnel now."""
        self._caller = None
        self.transport.unregisterProducer()
        self.resume()
        return self.transport

    # -- the transport's buffer -------------------------------------------------

    def pauseProducing(self) -> None:
        self._full = True
        if self._caller is not None:
            self._caller.holdBody()

    def resumeProducing(self) -> None:
        self._full = False
        if self._caller is not None:
            self._caller.sendBody()

    # -- the endpoint's bytes ---------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        caller = self._caller
        if caller is None:
            # An endpoint that speaks without being asked cannot be trusted to
            # keep its answers apart.
            self._client.lost(self)
            self.transport.abortConnection()
            return
        state = self._state
        try:
            if state is _HEAD:
                self._headReceived(caller, data)
            elif state is _LENGTH:
                self._lengthReceived(caller, data)
            elif state is _CHUNKS:
                body = self._chunks.feed(data)
                last = self._chunksEnded()
                if body or last:
                    caller.answerMore(body, last)
            else:
                caller.answerMore(data, False)
        except RemoteProtocolError as error:
            self._fail(error.failure, error.detail)

    def _lengthReceived(self, caller: Answered, data: bytes) -> None:
        left = self._left - len(data)
        if left < 0:
            self._reusable = False
            data = data[:left]
            left = 0
        self._left = left
        if left == 0:
            self._state = _IDLE
            caller.answerMore(data, True)
        else:
            caller.answerMore(data, False)

    def _headReceived(self, caller: Answered, data: bytes) -> None:
        limits = self._client.mesh.limits
        if self._pending:
            whole = b"\n" in data
            data = self._pending + data
            if not whole and len(data) <= limits.head:
                # Reading again makes sense once another line is whole, or too long.
                self._pending = data
                return
            self._pending = b""
        while True:
            head = parseResponse(data, self._method, limits.head, limits.headerCount)
            if head is None:
                self._pending = data
                return
            rest = data[head.end :]
            if head.status >= 200:
                break
            if head.status == 101:
                caller.switched(head, rest)
                return
            caller.interim(head)
            if not rest:
                return
            data = rest
        self._reusable = head.reusable
        # Hot: most answers come whole, in one piece.
        if head.body == len(rest):
            self._state = _IDLE
            caller.answer(head, rest, True)
        else:
            self._begin(caller, head, rest)

    def _begin(self, caller: Answered, head: ResponseHead, rest: bytes) -> None:
        last = False
        if head.body >= 0:
            self._left = head.body - len(rest)
            last = self._left <= 0
            self._state = _IDLE if last else _LENGTH
            if self._left < 0:
                self._reusable = False
                rest = rest[: head.body]
        elif head.body == CHUNKED:
            limits = self._client.mesh.limits
            self._chunks = ChunkedBody(
                limits.chunkLine, limits.trailer, BAD_RESPONSE, caller.wantsPayload
            )
            rest = self._chunks.feed(rest)
            self._state = _CHUNKS
            last = self._chunksEnded()
        else:
            assert head.body == UNTIL_CLOSE
            self._state = _UNTIL_CLOSE
        caller.answer(head, rest, last)

    def _chunksEnded(self) -> bool:
        if not self._chunks.finished:
            return False
        self._state = _IDLE
        if self._chunks.surplus:
            self._reusable = False
        return True

    def _fail(self, failure: Failure, detail: str) -> None:
        caller = self._caller
        self.cancel()
        if caller is not None:
            caller.answerFailed(failure, f"{self.endpoint.address}: {detail}")

    def connectionLost(self, reason: Reason) -> None:
        self._client.lost(self)
        caller = self._caller
        if caller is None:
            return
        clean = isinstance(reason.value, ConnectionDone)
        if self._state is _UNTIL_CLOSE and clean:
            self._state = _IDLE
            caller.answerMore(b"", True)
            return
        self._caller = None
        when = "before its answer" if self._state is _HEAD else "in its answer"
        how = "closed" if clean else "reset"
        caller.answerFailed(UPSTREAM_RESET, f"{self.endpoint.address} {how} {when}")
