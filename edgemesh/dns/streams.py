# -*- test-case-name: tests.dns.test_streams -*-
"""
Queries and replies over TCP, each behind its length.

Bounded: connections at once, queries in flight on each, silence.  Knows the
responder and its transport; not what a name is.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int16StringReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from edgemesh.dns.addresses import callerAt
from edgemesh.dns.packets import Malformed
from edgemesh.dns.respond import Responder

#: A connection without a query for this long is closed.
IDLE_SECONDS = 10.0
#: Connections at once; one more is closed as soon as it is there.
MOST_CONNECTIONS = 256
#: Queries of one connection that wait for their answers; then it is read no further.
MOST_PIPELINED = 32


@implementer(IHalfCloseableProtocol)
class StreamServer(Int16StringReceiver, TimeoutMixin):
    """
    Queries and replies on one connection, each behind its length.

    It is read while few answers are due and the caller takes what it gets.
    """

    factory: StreamFactory
    transport: Any

    def __init__(self, caller: str) -> None:
        self._caller = caller
        self._due = 0
        self._blocked = False
        self._open = False
        self._asksNoMore = False

    def __repr__(self) -> str:
        return f"<StreamServer for {self._caller}, {self._due} answers due>"

    def connectionMade(self) -> None:
        if len(self.factory.connections) >= MOST_CONNECTIONS:
            self.transport.abortConnection()
            return
        self._open = True
        self.factory.connections[self] = None
        self.transport.registerProducer(_Replies(self), True)
        self.setTimeout(IDLE_SECONDS)  # type: ignore[no-untyped-call]

    def callLater(self, period: float, func: Any) -> Any:
        return self.factory.clock.callLater(period, func)

    def stringReceived(self, string: bytes) -> None:
        self.resetTimeout()  # type: ignore[no-untyped-call]
        self._due += 1
        try:
            self.factory.responder.take(string, self._caller, True, self._send)
        except Malformed:
            self.transport.abortConnection()
        self._balance()

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._open = False
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        self.factory.lost(self)

    def readConnectionLost(self) -> None:
        """The caller asks no more, and waits for what is due."""
        self._asksNoMore = True
        self._balance()

    def writeConnectionLost(self) -> None:
        """The caller takes no more; nothing is left to do."""
        self.transport.abortConnection()

    def block(self, blocked: bool) -> None:
        """Whether the caller lets its answers pile up: no more queries then."""
        self._blocked = blocked
        self._balance()

    def _send(self, reply: bytes) -> None:
        self._due -= 1
        if self._open:
            self.sendString(reply)  # type: ignore[no-untyped-call]
            self._balance()

    def _balance(self) -> None:
        if self._asksNoMore and not self._due:
            self.transport.loseConnection()
            return
        full = self._blocked or self._due >= MOST_PIPELINED
        if full and not self.paused:
            self.pauseProducing()  # type: ignore[no-untyped-call]
        elif self.paused and not full:
            self.resumeProducing()  # type: ignore[no-untyped-call]


@implementer(IPushProducer)
class _Replies:
    """The replies of one connection, as its transport holds them back."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    def pauseProducing(self) -> None:
        self._server.block(True)

    def resumeProducing(self) -> None:
        self._server.block(False)

    def stopProducing(self) -> None:
        """The connection is lost; the server hears of that itself."""


class StreamFactory(Factory):
    """
    Every connection of a name server.

    :ivar connections: those that are open.
    """

    noisy = False

    def __init__(self, responder: Responder, clock: Any) -> None:
        self.responder = responder
        self.clock = clock
        self.connections: dict[StreamServer, None] = {}
        self._closed: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        server = StreamServer(callerAt(getattr(addr, "host", "")))
        server.factory = self
        return server

    def lost(self, server: StreamServer) -> None:
        """A connection is gone."""
        self.connections.pop(server, None)
        if self._closed is not None and not self.connections:
            self._closed.callback(None)
            self._closed = None

    def close(self) -> Deferred[None]:
        """Close every connection; fires when none is left."""
        closed: Deferred[None] = Deferred()
        if not self.connections:
            closed.callback(None)
            return closed
        self._closed = closed
        for server in list(self.connections):
            server.transport.abortConnection()
        return closed
