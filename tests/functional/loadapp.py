"""
An app under load, as a process of its own that can be ended like one.

Run it with ``python -m tests.functional.loadapp PORT LEDGER``; port 0 takes any free
one, and the first line it prints says which.  What a request's path asks for is what
it does; every request's target is a line of the file LEDGER before anything else
happens, so that nobody can forget that it came.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

HOST = "127.0.0.1"
#: What ``/stream`` repeats; random enough that no shift goes unseen.
BLOCK = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2048))


class Serving(asyncio.Protocol):
    """One connection, request after request."""

    transport: asyncio.Transport

    def __init__(self, ledger: int) -> None:
        self._ledger = ledger
        self._pending = b""
        self._left = 0
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._toSend = 0
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._bodyReceived(data)
            return
        self._pending += data
        while b"\r\n\r\n" in self._pending and not self._left:
            head, _, self._pending = self._pending.partition(b"\r\n\r\n")
            self._requestReceived(head)

    def _requestReceived(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        os.write(self._ledger, f"{method} {target}\n".encode())
        fields = {name.lower(): value.strip() for name, _, value in _split(lines[1:])}
        self._left = int(fields.get("content-length", 0))
        if self._left:
            self._digest = hashlib.sha1(usedforsecurity=False)
            body, self._pending = self._pending, b""
            self._bodyReceived(body)
        else:
            where = urlsplit(target)
            asked = dict(parse_qsl(where.query))
            _ANSWERS.get(where.path, Serving.answer)(self, asked)

    def _bodyReceived(self, data: bytes) -> None:
        self._digest.update(data)
        self._left -= len(data)
        if not self._left:
            self._answer(self._digest.hexdigest())

    def _answer(self, text: str) -> None:
        size = len(text)
        self.transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{text}".encode())

    # -- what a path asks for ----------------------------------------------------

    def answer(self, asked: dict[str, str]) -> None:
        """Answer at once, or ``after`` so many seconds."""
        loop = asyncio.get_running_loop()
        loop.call_later(float(asked.get("after", "0")), self._answer, str(os.getpid()))

    def stream(self, asked: dict[str, str]) -> None:
        """Answer with ``size`` bytes of the block, again and again."""
        self._toSend = int(asked["size"])
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._toSend)
        self._sendMore()

    def endless(self, asked: dict[str, str]) -> None:
        """Begin an answer that never ends, framed as ``framing`` says."""
        fields = {"length": "Content-Length: 99999", "chunked": "Transfer-Encoding: chunked"}
        field = fields.get(asked["framing"], "X-Framing: none")
        self.transport.write(f"HTTP/1.1 200 OK\r\n{field}\r\n\r\n5\r\nbegun\r\n".encode())

    def hangUp(self, asked: dict[str, str]) -> None:
        """Close without a word."""
        self.transport.close()

    def silence(self, asked: dict[str, str]) -> None:
        """Never answer."""

    def _sendMore(self) -> None:
        while self._toSend and not self._full:
            piece = BLOCK[: self._toSend]
            self._toSend -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._sendMore()


_ANSWERS: dict[str, Callable[[Serving, dict[str, str]], None]] = {
    "/stream": Serving.stream,
    "/endless": Serving.endless,
    "/hangup": Serving.hangUp,
    "/silence": Serving.silence,
}


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines]


async def serve(port: int, ledger: int) -> None:
    """Serve until somebody ends the process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Serving(ledger), HOST, port, backlog=1024)
    print(f"listens on {HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(
        serve(int(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    )
