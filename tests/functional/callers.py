"""
Callers for tests with real sockets: one that reads strictly, and many at once.

Nothing of the mesh is used here: what a caller sees is what the kernel gave it.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


class Broken(Exception):
    """There was no answer, or not a whole one; the text says how it ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A whole answer.

    :ivar head: its status line and fields, with a line end after each.
    :ivar closes: no other one will follow on this connection.
    """

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        return _CLOSES.search(self.head) is not None

    def field(self, name: str) -> str:
        """The first field of this name, or an empty string."""
        found = re.search(rb"\r\n%s: *([^\r]*)\r\n" % name.encode(), self.head, re.IGNORECASE)
        return found[1].decode() if found else ""

    @property
    def reason(self) -> str:
        """Why the mesh itself answered, or an empty string."""
        return self.field("x-edgemesh-reason")


def request(target: str, host: str = "web", method: str = "GET", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n".encode() + body


class Caller:
    """One connection, kept alive from call to call and made anew when it must be."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self._where = (HOST, port)
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._pending = b""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def socket(self) -> socket.socket:
        """The connection; opened when there is none."""
        if self._socket is None:
            self._socket = socket.create_connection(self._where, self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def get(self, target: str = "/", host: str = "web") -> Answer:
        """GET and read the whole answer; raise :class:`Broken` otherwise."""
        return self.call(request(target, host))

    def post(self, target: str, body: bytes = b"x") -> Answer:
        """POST and read the whole answer; raise :class:`Broken` otherwise."""
        return self.call(request(target, method="POST", body=body))

    def call(self, data: bytes) -> Answer:
        """Send any bytes and read one whole answer; raise :class:`Broken` otherwise."""
        try:
            self.socket.sendall(data)
            answer = self.answer()
        except (OSError, Broken) as error:
            self.close()
            raise Broken(str(error) or type(error).__name__) from error
        if answer.closes:
            self.close()
        return answer

    def answer(self) -> Answer:
        """Read one whole answer with a Content-Length, or none."""
        while b"\r\n\r\n" not in self._pending:
            self._read("before its head")
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        head += b"\r\n"
        length = _LENGTH.search(head)
        if length is None and b"\r\nTransfer-Encoding" in head:
            raise Broken("a chunked answer")
        size = int(length[1]) if length else 0
        while len(self._pending) < size:
            self._read("in its body")
        body, self._pending = self._pending[:size], self._pending[size:]
        return Answer(int(head[9:12]), head, body)

    def _read(self, when: str) -> None:
        part = self.socket.recv(65_536)
        if not part:
            raise Broken(f"closed {when}")
        self._pending += part


#: One call of a load: gets the connection and a number; tells its outcome in a word.
Call = Callable[[Caller, int], str]


def getting(caller: Caller, number: int) -> str:
    """A GET, with its status as the outcome."""
    return str(caller.get(f"/?call={number}").status)


@dataclass
class Load:
    """
    Callers that call as fast as they are answered, while it is entered.

    :ivar outcomes: how often each outcome came; what broke is in words.
    :ivar latencies: seconds of every call.
    """

    ports: tuple[int, ...]
    call: Call = getting
    callers: int = 6
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(self.callers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        """How many calls there were."""
        return sum(self.outcomes.values())

    def wait(self, calls: int, seconds: float = 30.0) -> None:
        """Until so many more calls were made."""
        end, most = time.monotonic() + seconds, self.total + calls
        while self.total < most and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self, number: int) -> None:
        with Caller(self.ports[number % len(self.ports)]) as caller:
            while not self._over.is_set():
                began = time.monotonic()
                try:
                    outcome = self.call(caller, number)
                except Broken as broken:
                    outcome = str(broken)
                self.latencies.append(time.monotonic() - began)
                self.outcomes[outcome] += 1
                number += self.callers
