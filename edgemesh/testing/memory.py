# -*- test-case-name: tests.testing.test_memory -*-
"""
TCP in memory: Twisted's own connections over sockets that are not there.

:class:`Loop` is a reactor of one's own: it dials, it has a clock, and it moves
bytes only in :meth:`Loop.turn`.  Half-close, producers and resets are therefore
Twisted's, not imitations.  Knows nothing of the mesh.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.internet.posixbase import _DisconnectSelectableMixin
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason


class FakeSocket:
    """
    One end of a connection whose other end is the test.

    :ivar taken: what was sent so far.
    :ivar room: how many more bytes the peer takes.
    :ivar finished: a FIN was sent.
    :ivar reset: a RST was sent.
    """

    def __init__(self) -> None:
        self.incoming: deque[bytes | None] = deque()
        self.taken = bytearray()
        self.room = 1 << 30
        self.finished = self.closed = self.reset = self.broken = False

    @property
    def readable(self) -> bool:
        """Whether a read would return at once."""
        return bool(self.incoming) or self.broken

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def fileno(self) -> int:
        """Some number."""
        return 1

    def recv(self, size: int) -> bytes:
        """The next bytes; nothing at the end; an error after a reset."""
        if self.incoming:
            data = self.incoming[0]
            if data is None:
                return b""
            self.incoming.popleft()
            if len(data) > size:
                self.incoming.appendleft(data[size:])
            return data[:size]
        if self.broken:
            raise ConnectionResetError(104, "reset")
        raise BlockingIOError(11, "nothing there")

    def send(self, data: Any) -> int:
        """Take what there is room for."""
        if self.broken or self.finished:
            raise BrokenPipeError(32, "broken")
        if data and not self.room:
            raise BlockingIOError(11, "full")
        part = bytes(data[: self.room])
        self.room -= len(part)
        self.taken += part
        return len(part)

    def shutdown(self, how: int) -> None:
        """Send a FIN."""
        self.finished = True

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """A linger time of zero makes the close a reset."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.reset = True

    def getsockopt(self, level: int, option: int) -> int:
        """The pending error: there is one after a reset."""
        return errno.ECONNRESET if self.broken else 0

    def close(self) -> None:
        """Close it."""
        self.closed = True


class Wire(Connection):
    """A Twisted TCP connection over a :class:`FakeSocket`."""

    socket: Any

    def __init__(self, loop: Loop, protocol: Any, host: str = "10.0.0.9") -> None:
        self.fake = FakeSocket()
        super().__init__(self.fake, protocol, loop)  # type: ignore[arg-type]
        self.connected = 1
        self._peer = IPv4Address("TCP", host, 40_000)
        loop.wires.append(self)
        self.startReading()  # type: ignore[no-untyped-call]

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "10.0.0.1", 80)

    def says(self, *data: bytes) -> None:
        """The peer sends something."""
        self.fake.incoming.extend(data)

    def ends(self) -> None:
        """The peer sends its FIN."""
        self.fake.incoming.append(None)

    def breaks(self) -> None:
        """The peer sends a RST; what came before it can still be read."""
        self.fake.broken = True

    @property
    def heard(self) -> bytes:
        """Everything the peer got."""
        return bytes(self.fake.taken)


@dataclass
class Dialling:
    """One call of ``connectTCP``."""

    loop: Loop
    host: str
    port: int
    factory: Any
    timeout: float

    def succeed(self) -> Wire:
        """The endpoint accepts."""
        protocol = self.factory.buildProtocol(None)
        wire = Wire(self.loop, protocol)
        protocol.makeConnection(wire)
        return wire

    def fail(self) -> None:
        """The endpoint refuses."""
        self.factory.clientConnectionFailed(None, Reason(Refusal()))  # type: ignore[no-untyped-call]


class Loop(_DisconnectSelectableMixin, Clock):
    """
    A reactor whose turns the test takes.

    :ivar dialled: every connection that was asked for.
    """

    log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self.wires: list[Wire] = []
        self.dialled: list[Dialling] = []
        self._readers: dict[Any, None] = {}
        self._writers: dict[Any, None] = {}

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30.0) -> None:
        """Remember that somebody dials."""
        self.dialled.append(Dialling(self, host, port, factory, timeout))

    def accept(self, protocol: Any, host: str = "10.0.0.9") -> Wire:
        """A caller's connection with this protocol."""
        wire = Wire(self, protocol, host)
        protocol.makeConnection(wire)
        return wire

    def addReader(self, reader: Any) -> None:
        """Wait for bytes."""
        self._readers[reader] = None

    def removeReader(self, reader: Any) -> None:
        """Wait no more."""
        self._readers.pop(reader, None)

    def addWriter(self, writer: Any) -> None:
        """Wait for room."""
        self._writers[writer] = None

    def removeWriter(self, writer: Any) -> None:
        """Wait no more."""
        self._writers.pop(writer, None)

    def isReading(self, wire: Wire) -> bool:
        """Whether bytes of this connection would be read."""
        return wire in self._readers

    def turn(self, times: int = 6) -> None:
        """Let everything happen that can, a few times over."""
        for _ in range(times):
            self.advance(0)
            for wire in list(self._readers):
                if wire in self._readers and wire.fake.readable:
                    self._work(wire, wire.doRead, True)
            for wire in list(self._writers):
                if wire in self._writers and (wire.fake.room or wire.fake.broken):
                    self._work(wire, wire.doWrite, False)

    def _work(self, wire: Wire, work: Callable[[], Any], isRead: bool) -> None:
        try:
            why = work()
        except Exception as error:
            # As Twisted's reactors do it.
            self.log.failure("in {wire!r}", wire=wire)
            why = error
        if why is not None:
            self._disconnectSelectable(wire, why, isRead)  # type: ignore[no-untyped-call]
