# -*- test-case-name: tests.link.test_sockets -*-
"""
What Linux does with ``SOCK_SEQPACKET`` unix sockets, call by call.

Two traps are dealt with here and nowhere else.  ``socket.recv`` with
``MSG_TRUNC`` returns a bytes object as long as the record, whose tail is memory
that nobody wrote; so the length is asked for with ``recv_into`` and the record
is fetched with ``recvmsg``, which tells by a flag whether it was cut.  And a record
of no bytes reads just like the end, so none is ever sent.

How large a record may be is a matter of the *sender's* buffer: 32 bytes are the
kernel's own.  Above about 4.2 MB the kernel has no single buffer, whatever is
asked for; then sending fails with ``ENOBUFS``.  Knows no reactor.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from typing import Any, Protocol

#: Not in the socket module: set the send buffer beyond the system's limit; needs privilege.
SO_SNDBUFFORCE = 32
#: Bytes of the send buffer that are no record's.
OVERHEAD = 32

_CREDENTIALS = struct.Struct("3i")


class RecordSocket(Protocol):
    """The part of a connected, non-blocking socket that is used."""

    def fileno(self) -> int: ...
    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int: ...
    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Any], int, Any]: ...
    def send(self, data: bytes, flags: int = 0, /) -> int: ...
    def getsockopt(self, level: int, option: int, /) -> int: ...
    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who connected, by what the kernel says."""

    pid: int
    uid: int
    gid: int

    @property
    def trusted(self) -> bool:
        """
        Whether it may talk to this process: the same user, or root.

        Root can become any user and read any memory; to refuse it protects nothing.
        """
        return self.uid in (os.geteuid(), 0)


def newSocket() -> socket.socket:
    """A socket for whole records, not yet anybody's; it never blocks."""
    kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_UNIX, kind)


def credentials(connection: socket.socket) -> Credentials:
    """Who is at the other end: as of when it connected, or began to listen."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Credentials(*_CREDENTIALS.unpack(packed))


def raiseSendBuffer(connection: RecordSocket, record: int) -> int:
    """
    Make room for records of this many bytes, as far as the kernel lets.

    :return: bytes of the largest record that may be sent now.
    """
    # The kernel doubles what it is asked for.
    asked = (record + OVERHEAD + 1) // 2
    if sendLimit(connection) < record:
        try:
            connection.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, asked)
        except PermissionError:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, asked)
    return sendLimit(connection)


def sendLimit(connection: RecordSocket) -> int:
    """Bytes of the largest record that the socket's buffer takes."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - OVERHEAD


def nextLength(connection: RecordSocket) -> int:
    """
    The whole length of the record that comes next; it stays where it is.

    :return: 0 at the end.
    :raise BlockingIOError: none is there yet.
    """
    return connection.recv_into(bytearray(1), 1, socket.MSG_PEEK | socket.MSG_TRUNC)


def take(connection: RecordSocket, length: int) -> bytes | None:
    """Fetch the next record; None when it was longer than this, and is gone."""
    record, _, flags, _ = connection.recvmsg(length)
    return None if flags & socket.MSG_TRUNC else record
