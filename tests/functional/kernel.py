"""What the kernel says of a process, and odd listeners that only a kernel can make."""

from __future__ import annotations

import os
import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOST = "127.0.0.1"
KIB = 1 << 10
MIB = 1 << 20


def memory(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory: ``VmRSS`` now, ``VmHWM`` at most since :func:`forgetPeak`."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * KIB


def forgetPeak(pid: int) -> None:
    """Let ``VmHWM`` begin at what is in use now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> int:
    """How many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def processorTime(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def allowDescriptors(wanted: int) -> int:
    """How many of the wanted descriptors this process may open, some spared for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 200)


@contextmanager
def blackHole() -> Iterator[int]:
    """A port that answers no connection: its queue is full and nobody accepts."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        where = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(where)
        try:
            yield where[1]
        finally:
            for filler in fillers:
                filler.close()


class Peer:
    """
    A listener of this process: every connection gets a thread.

    :ivar port: where.
    :ivar accepted: how many connections it got.
    :param serve: what to do with a connection; it is closed afterwards.
    :param window: bytes that the kernel may take in ahead of it; 0 is the kernel's choice.
    """

    def __init__(
        self,
        serve: Callable[[socket.socket], object],
        host: str = HOST,
        port: int = 0,
        window: int = 0,
    ) -> None:
        self._serve = serve
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        if window:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more, and end every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with connection:
            # That the mesh ended the connection is the test's affair.
            with suppress(OSError):
                self._serve(connection)
            self._open.discard(connection)


def requests(connection: socket.socket) -> Iterator[bytes]:
    """Every request head without a body that comes on a connection."""
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            part = connection.recv(65_536)
            if not part:
                return
            pending += part
        head, _, pending = pending.partition(b"\r\n\r\n")
        yield head + b"\r\n"
