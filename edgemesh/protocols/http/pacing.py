# -*- test-case-name: tests.protocols.http.test_pacing -*-
"""
A connection of HTTP and its pace: hold its reading, and hear when its peer holds.

Who reads one connection holds it while the other one's buffer is full; so both kinds
of connection, a caller's and an endpoint's, need the same.  Each is the producer of
its own transport for good: registering anew for each answer would cost more than it
tells.

Knows a transport; not what the bytes mean, nor who has to wait for it.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IPushProducer, ITransport
from zope.interface import implementer

from edgemesh.protocols.mesh import TCPStream


@implementer(IPushProducer)
class Paced:
    """One connection, as a producer."""

    __slots__ = ("_full", "_paused", "transport")

    transport: TCPStream

    def __init__(self) -> None:
        #: Its reading is held.
        self._paused = False
        #: Its own transport's buffer is.
        self._full = False

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = cast("TCPStream", transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """The connection is there."""
        self.transport.registerProducer(self, True)

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

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False

    def stopProducing(self) -> None:
        """The connection is lost; connectionLost says so to everybody."""
