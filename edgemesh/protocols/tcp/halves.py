# -*- test-case-name: tests.protocols.tcp.test_halves -*-
"""
The two sides of a relay, as their transports see them.

A half is the protocol of one transport and the producer of the other one.  What
follows from an end or a loss is for :class:`~edgemesh.protocols.tcp.relay.Relay`
to say; per chunk there is one clock reading, one count and one write here.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.protocols.tcp.inspecting import IInspector, RefusedInStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgemesh.protocols.tcp.relay import Relay

#: Twisted's TCP transports provide several interfaces; no type names the sum.
TCPTransport = Any


class Stream(Enum):
    """What may still come from one side."""

    OPEN = "bytes"
    ENDED = "nothing; it has sent its FIN"
    LOST = "nothing; the connection is gone"


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class Half:
    """
    One side: its transport's protocol, and the other transport's producer.

    :ivar peer: the transport that this side's bytes go to.
    """

    __slots__ = ("_relay", "_seconds", "_write", "peer", "stream", "transport")

    transport: TCPTransport

    def __init__(self, relay: Relay, seconds: Callable[[], float], peer: TCPTransport) -> None:
        self._relay = relay
        self._seconds = seconds
        self._write = peer.write
        self.peer = peer
        self.stream = Stream.OPEN

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport

    def connectionMade(self) -> None:
        """The connection was made long ago."""

    def dataReceived(self, data: bytes) -> None:
        raise NotImplementedError

    def readConnectionLost(self) -> None:
        self._relay.ended(self)

    def writeConnectionLost(self) -> None:
        """Our own FIN is out; nothing follows from it."""

    def connectionLost(self, reason: Reason) -> None:
        self._relay.lost(self, reason)

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The other transport is gone; :meth:`Relay.lost` hears how."""


class _CallersHalf(Half):
    """The caller's side: what is not read may be gone, and the node would not see it."""

    __slots__ = ()

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self._relay.held.add(self.transport)

    def resumeProducing(self) -> None:
        self._relay.held.discard(self.transport)
        super().resumeProducing()

    def connectionLost(self, reason: Reason) -> None:
        self._relay.held.discard(self.transport)
        super().connectionLost(reason)


class CallerHalf(_CallersHalf):
    """The caller's bytes, as they are."""

    __slots__ = ()

    def dataReceived(self, data: bytes) -> None:
        relay = self._relay
        relay.moved = self._seconds()
        relay.received += len(data)
        self._write(data)


class InspectedHalf(_CallersHalf):
    """The caller's bytes, as an inspector lets them through."""

    __slots__ = ("_inspector",)

    def __init__(
        self, relay: Relay, seconds: Callable[[], float], peer: TCPTransport, inspector: IInspector
    ) -> None:
        super().__init__(relay, seconds, peer)
        self._inspector = inspector

    def dataReceived(self, data: bytes) -> None:
        relay = self._relay
        if relay.refusing:
            return
        relay.moved = self._seconds()
        try:
            data = self._inspector.fromCaller(data)
        except RefusedInStream as refusal:
            relay.received += len(refusal.forward)
            relay.refuseInStream(refusal)
            return
        if data:
            relay.received += len(data)
            self._write(data)

    def readConnectionLost(self) -> None:
        self.dataReceived(b"")
        super().readConnectionLost()


class EndpointHalf(Half):
    """The endpoint's bytes."""

    __slots__ = ()

    def dataReceived(self, data: bytes) -> None:
        relay = self._relay
        relay.moved = self._seconds()
        if not relay.answered:
            relay.firstByte()
        relay.sent += len(data)
        self._write(data)
