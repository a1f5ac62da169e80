"""A socket for whole records, a reactor that is turned by hand, and who listens."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from edgemesh.link.records import RecordCounts, RecordLimits, RecordProtocol, Unsent
from edgemesh.link.seqpacket import SeqpacketTransport
from edgemesh.link.sockets import OVERHEAD, SO_SNDBUFFORCE, Credentials

PEER = Credentials(4_711, 0, 0)


class FakeSocket:
    """
    One end of a connected pair, as the kernel would behave.

    :ivar arrived: records that wait to be read; ``b""`` is the end.
    :ivar delivered: records that were sent.
    :ivar room: how many more records the peer takes now.
    :ivar ceiling: larger records fail with ENOBUFS, whatever the buffer.
    :ivar privileged: whether the buffer may be forced beyond ``allowed``.
    :ivar cuts: cut every record, as if somebody had swapped it after the look ahead.
    """

    def __init__(self, buffer: int = 212_992, allowed: int = 8_388_608) -> None:
        self.arrived: deque[bytes] = deque()
        self.delivered: list[bytes] = []
        self.room = 1_000_000
        self.ceiling = 4_260_000
        self.privileged = False
        self.cuts = False
        self.broken: OSError | None = None
        self._buffer = buffer
        self._allowed = allowed
        self._open = True

    def fileno(self) -> int:
        return 77 if self._open else -1

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        assert flags == socket.MSG_PEEK | socket.MSG_TRUNC, "the record would be lost or cut"
        return len(self._next())

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Any], int, Any]:
        assert flags == 0, "MSG_TRUNC would give memory that nobody wrote"
        record = self._next()
        self.arrived.popleft()
        cut = self.cuts or len(record) > bufsize
        return record[:bufsize], [], socket.MSG_TRUNC if cut else 0, None

    def _next(self) -> bytes:
        if self.broken is not None:
            raise self.broken
        if not self.arrived:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        return self.arrived[0]

    def send(self, data: bytes, flags: int = 0, /) -> int:
        if self.broken is not None:
            raise self.broken
        if len(data) > self._buffer - OVERHEAD:
            raise OSError(errno.EMSGSIZE, "Message too long")
        if len(data) > self.ceiling:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "full")
        self.room -= 1
        self.delivered.append(data)
        return len(data)

    def getsockopt(self, level: int, option: int, /) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_SNDBUF)
        return self._buffer

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        assert level == socket.SOL_SOCKET
        if option == SO_SNDBUFFORCE:
            if not self.privileged:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            self._buffer = value * 2
        else:
            assert option == socket.SO_SNDBUF
            self._buffer = min(value, self._allowed // 2) * 2

    def close(self) -> None:
        self._open = False


class Turned(MemoryReactorClock):
    """A reactor that goes round when a test says so, with sockets real or not."""

    def turn(self, times: int = 1) -> None:
        """Read and write whatever is registered."""
        for _ in range(times):
            for reader in list(self.getReaders()):
                if reader in self.getReaders():
                    self._end(reader, reader.doRead())
            for writer in list(self.getWriters()):
                if writer in self.getWriters():
                    self._end(writer, writer.doWrite())

    def _end(self, descriptor: Any, why: Exception | None) -> None:
        if why is not None:
            self.removeReader(descriptor)
            self.removeWriter(descriptor)
            descriptor.connectionLost(Failure(why))


class Recording(RecordProtocol):
    """A protocol that remembers what it was told, in order."""

    def __init__(self) -> None:
        self.made = 0
        self.records: list[bytes] = []
        self.refused: list[int] = []
        self.unsent: list[tuple[bytes, Unsent]] = []
        self.lost: list[Failure] = []

    def connectionMade(self) -> None:
        self.made += 1

    def recordReceived(self, record: bytes) -> None:
        self.records.append(record)

    def recordRefused(self, size: int) -> None:
        self.refused.append(size)

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        self.unsent.append((record, why))

    def connectionLost(self, reason: Failure) -> None:
        self.lost.append(reason)


class Source:
    """A producer that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")

    def stopProducing(self) -> None:
        self.asked.append("stop")


class Linked:
    """A transport with its fake socket, recording protocol and hand-turned reactor."""

    def __init__(
        self,
        limits: RecordLimits | None = None,
        fake: FakeSocket | None = None,
        protocol: RecordProtocol | None = None,
    ) -> None:
        self.reactor = Turned()
        self.socket = fake or FakeSocket()
        self.protocol = protocol or Recording()
        self.counts = RecordCounts()
        self.ended: list[SeqpacketTransport] = []
        self.transport = SeqpacketTransport(
            self.reactor,
            self.socket,
            self.protocol,
            PEER,
            limits or RecordLimits(),
            self.counts,
            self.ended.append,
        )
        self.transport.start()
