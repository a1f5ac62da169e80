# -*- test-case-name: tests.protocols.http.test_client -*-
"""
The HTTP transport client: pooled connections to endpoints, and what they answer.

:class:`HTTPUpstream` is one connection.  While a request is on it, it reads the
answer's head, forwards the body as it comes and finds its end::

    IDLE --request--> HEAD --head--> LENGTH | CHUNKS | UNTIL_CLOSE --end--> IDLE
                        |                                                or closed
                        +--1xx--> HEAD      +--101--> out of HTTP

:class:`HTTPClient` keeps idle connections, the last used one first, a list for
each endpoint.  A connection that says something while idle, or that said more
than its answer, is never used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IConnector, IProtocol, ITransport
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import (
    BAD_RESPONSE,
    CONNECT_FAILED,
    UPSTREAM_RESET,
    Failure,
    RemoteProtocolError,
)
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.protocols.mesh import Mesh, TCPStream, handOver
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.http1 import CHUNKED, UNTIL_CLOSE, ResponseHead, parseResponse

if TYPE_CHECKING:
    from edgemesh.handlers.routes import LiveEndpoint


class Answered(Protocol):
    """Who gets the answer: the server of the caller's connection."""

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


class _State(Enum):
    IDLE = "no request on it"
    HEAD = "waiting for the answer's head"
    LENGTH = "a body of known length"
    CHUNKS = "a chunked body"
    UNTIL_CLOSE = "a body that ends with the connection"


@implementer(IProtocol)
class HTTPUpstream:
    """
    One connection to an endpoint.

    :ivar reused: it has carried a request before this one.
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
        "transport",
    )

    transport: TCPStream
    _chunks: ChunkedBody

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint) -> None:
        self._client = client
        self.endpoint = endpoint
        self._caller: Answered | None = None
        self._method = b""
        self._state = _State.IDLE
        self._pending = b""
        self._left = 0
        self._reusable = True
        self.reused = False
        self.idleSince = 0.0

    def __repr__(self) -> str:
        return f"<HTTPUpstream {self.endpoint.address} {self._state.name}>"

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = cast("TCPStream", transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def request(self, caller: Answered, method: bytes, data: bytes) -> None:
        """Send a request's head, with the part of its body that is there."""
        self._caller = caller
        self._method = method
        self._state = _State.HEAD
        self.transport.write(data)

    def finished(self, keep: bool) -> None:
        """
        The caller has the whole answer.

        :param keep: the whole request was sent as well, so that the connection may
            carry another one.
        """
        self._caller = None
        if not keep:
            self.transport.abortConnection()
        elif self._reusable:
            self.reused = True
            self._client.keep(self)
        else:
            self.transport.loseConnection()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._caller = None
        self.transport.abortConnection()

    def leave(self) -> None:
        """The transport belongs to a tunnel now."""
        self._caller = None

    def dataReceived(self, data: bytes) -> None:
        caller = self._caller
        if caller is None:
            # An endpoint that speaks without being asked cannot be trusted to
            # keep its answers apart.
            self.transport.abortConnection()
            return
        try:
            if self._state is _State.LENGTH:
                self._lengthReceived(caller, data)
            elif self._state is _State.CHUNKS:
                body = self._chunks.feed(data)
                last = self._chunksEnded()
                if body or last:
                    caller.answerMore(body, last)
            elif self._state is _State.UNTIL_CLOSE:
                caller.answerMore(data, False)
            else:
                self._headReceived(caller, data)
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
            self._state = _State.IDLE
            caller.answerMore(data, True)
        else:
            caller.answerMore(data, False)

    def _headReceived(self, caller: Answered, data: bytes) -> None:
        if self._pending:
            data = self._pending + data
            self._pending = b""
        limits = self._client.mesh.limits
        while True:
            head = parseResponse(data, self._method, limits.head, limits.headerCount)
            if head is None:
                self._pending = data
                return
            rest = data[head.end :]
            if head.status >= 200:
                self._begin(caller, head, rest)
                return
            if head.status == 101:
                caller.switched(head, rest)
                return
            caller.interim(head)
            if self._caller is None or not rest:
                return
            data = rest

    def _begin(self, caller: Answered, head: ResponseHead, rest: bytes) -> None:
        self._reusable = head.reusable
        last = False
        if head.body >= 0:
            self._left = head.body - len(rest)
            last = self._left <= 0
            self._state = _State.IDLE if last else _State.LENGTH
            if self._left < 0:
                self._reusable = False
                rest = rest[: head.body]
        elif head.body == CHUNKED:
            limits = self._client.mesh.limits
            self._chunks = ChunkedBody(
                limits.chunkLine, limits.trailer, BAD_RESPONSE, caller.wantsPayload
            )
            rest = self._chunks.feed(rest)
            self._state = _State.CHUNKS
            last = self._chunksEnded()
        else:
            assert head.body == UNTIL_CLOSE
            self._state = _State.UNTIL_CLOSE
        caller.answer(head, rest, last)

    def _chunksEnded(self) -> bool:
        if not self._chunks.finished:
            return False
        self._state = _State.IDLE
        if self._chunks.surplus:
            self._reusable = False
        return True

    def _fail(self, failure: Failure, detail: str) -> None:
        caller = self._caller
        self.cancel()
        if caller is not None:
            caller.answerFailed(failure, detail)

    def connectionLost(self, reason: Reason) -> None:
        self._client.lost(self)
        caller = self._caller
        if caller is None:
            return
        clean = isinstance(reason.value, ConnectionDone)
        if self._state is _State.UNTIL_CLOSE and clean:
            self._state = _State.IDLE
            caller.answerMore(b"", True)
            return
        self._caller = None
        when = "before its answer" if self._state is _State.HEAD else "in its answer"
        how = "closed" if clean else "reset"
        caller.answerFailed(UPSTREAM_RESET, f"{self.endpoint.address} {how} {when}")


class _Dial(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        self._client = client
        self._endpoint = endpoint
        self._waiter = waiter

    def buildProtocol(self, addr: IAddress | None) -> _Dialled:  # type: ignore[override]
        return _Dialled(self._client, self._endpoint, self._waiter)

    def clientConnectionFailed(self, connector: IConnector, reason: Reason) -> None:
        detail = f"{self._endpoint.address}: {reason.getErrorMessage()}"
        self._waiter.openFailed(CONNECT_FAILED, detail)


class _Dialled(HTTPUpstream):
    """A fresh connection that tells its waiter once, when it is there."""

    __slots__ = ("_waiter",)

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        super().__init__(client, endpoint)
        self._waiter: IUpstreamWaiter | None = waiter

    def connectionMade(self) -> None:
        super().connectionMade()
        waiter, self._waiter = self._waiter, None
        assert waiter is not None
        waiter.opened(self)


@implementer(ITransportClient)
class HTTPClient:
    """
    Every connection of this node to HTTP endpoints.

    :ivar deadline: when idle connections are next looked through.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._idle: dict[LiveEndpoint, list[HTTPUpstream]] = {}
        self.deadline = 0.0
        mesh.connections.watch(self)

    def __repr__(self) -> str:
        idle = sum(len(pool) for pool in self._idle.values())
        return f"<HTTPClient {idle} idle>"

    def open(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        pool = self._idle.get(endpoint)
        if pool:
            waiter.opened(pool.pop())
        else:
            self.dial(endpoint, waiter)

    def dial(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        """Get a fresh connection, whatever is in the pool."""
        where = endpoint.endpoint
        timeout = waiter.invocation.route.policy.timeouts.connect
        dial = _Dial(self, endpoint, waiter)
        self.mesh.reactor.connectTCP(where.address, where.port, dial, timeout)

    def adopt(self, endpoint: LiveEndpoint, transport: ITransport) -> None:
        upstream = HTTPUpstream(self, endpoint)
        handOver(transport, upstream, b"")
        upstream.transport.resumeProducing()
        self.keep(upstream)

    def keep(self, upstream: HTTPUpstream) -> None:
        """Put an idle connection into the pool."""
        pool = self._idle.get(upstream.endpoint)
        if pool is None:
            pool = self._idle[upstream.endpoint] = []
        if len(pool) >= self.mesh.limits.poolSize or self.mesh.draining:
            upstream.transport.loseConnection()
            return
        upstream.idleSince = self.mesh.seconds()
        pool.append(upstream)

    def lost(self, upstream: HTTPUpstream) -> None:
        """A connection ended; it may have been idle."""
        pool = self._idle.get(upstream.endpoint)
        if pool is not None and upstream in pool:
            pool.remove(upstream)

    def retain(self, endpoints: Sequence[LiveEndpoint]) -> None:
        known = set(endpoints)
        for endpoint in [one for one in self._idle if one not in known]:
            self._drop(self._idle.pop(endpoint))

    def close(self) -> None:
        idle, self._idle = self._idle, {}
        for pool in idle.values():
            self._drop(pool)

    def expired(self, now: float) -> None:
        """Close what has been idle for too long; the oldest are in front."""
        self.deadline = now + 1.0
        oldest = now - self.mesh.limits.poolIdle
        for pool in self._idle.values():
            stale = 0
            while stale < len(pool) and pool[stale].idleSince <= oldest:
                stale += 1
            if stale:
                gone = pool[:stale]
                del pool[:stale]
                self._drop(gone)

    def _drop(self, pool: list[HTTPUpstream]) -> None:
        for upstream in pool:
            upstream.transport.loseConnection()
