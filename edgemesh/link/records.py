# -*- test-case-name: tests.link.test_records -*-
"""
What a link of whole records promises, whatever carries it.

A record arrives whole or not at all, in order, and so does what is sent.  What
cannot be carried is told to who sent it, with its size.  Knows no socket and no
reactor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.python.failure import Failure

from edgemesh.errors import MeshError


class Unsent(MeshError):
    """
    A record was not sent; not a byte of it.

    :ivar size: its bytes.
    """

    def __init__(self, size: int, why: str) -> None:
        super().__init__(f"a record of {size} bytes was not sent: {why}")
        self.size = size


class TooLarge(Unsent):
    """The kernel carries no record of this size, now or at all."""


class QueueFull(Unsent):
    """The peer reads too slowly, and as much waits for it as may."""


class LinkClosed(Unsent):
    """The link is closed or being closed."""


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """
    Sizes in bytes.

    :ivar receive: the largest record that is taken.
    :ivar send: the largest record that the send buffer is to have room for; the
        kernel may allow less.
    :ivar queue: what may wait for a slow peer.
    """

    receive: int = 4 << 20
    send: int = 4 << 20
    queue: int = 8 << 20


@dataclass(slots=True)
class RecordCounts:
    """
    What happened on links; several may count together.

    :ivar received: records that came whole and were taken.
    :ivar sent: records that the kernel took whole.
    :ivar refused: records that came, were too large and were thrown away.
    :ivar truncated: records that the kernel cut nevertheless; thrown away too.
    :ivar unsent: records that were given back to their sender.
    """

    received: int = 0
    sent: int = 0
    refused: int = 0
    truncated: int = 0
    unsent: int = 0


class PauseSource(Protocol):
    """Who can be asked to send no more for a while; a push producer."""

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def stopProducing(self) -> None: ...


class RecordTransport(PauseSource, Protocol):
    """
    A connected link, as a :class:`RecordProtocol` sees it.

    :ivar sendLimit: bytes of the largest record that can be sent.
    """

    @property
    def sendLimit(self) -> int: ...

    def sendRecord(self, record: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: PauseSource, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...


class RecordProtocol:
    """
    One end of a link: override what is of interest.

    :ivar transport: the link; set before :meth:`connectionMade`.
    """

    transport: RecordTransport

    def makeConnection(self, transport: RecordTransport) -> None:
        """The link is up."""
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """The link is up; records may be sent."""

    def recordReceived(self, record: bytes) -> None:
        """One whole record came."""

    def recordRefused(self, size: int) -> None:
        """A record of more bytes than are taken came, and was thrown away whole."""

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        """
        A record that this end sent will not arrive; the link goes on.

        Called from within ``sendRecord`` when that is known at once, else later.
        """

    def connectionLost(self, reason: Failure) -> None:
        """The link is down; nothing else will be called."""
