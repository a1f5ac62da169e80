"""
How long it takes to read a head and to forward it: CPU time, one core.

Run from a checkout, with edgemesh installed::

    python benchmarks/heads.py
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from edgemesh.errors import BAD_REQUEST
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.http1 import parseRequest
from edgemesh.wire.response import parseResponse

INSERT = b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 edgemesh\r\n"
PLAIN = (
    b"GET /api/items/42?verbose=1 HTTP/1.1\r\nHost: b.default\r\nUser-Agent: curl/8.5.0\r\n"
    b"Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"X-Request-Id: 6f1f2d9e-7a3b-4d7e-9f0e-0b6f7a4ddc11\r\nCookie: session=0123456789abcdef\r\n"
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
)
CUT = PLAIN.replace(b"Accept:", b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nAccept:")
ABSOLUTE = PLAIN.replace(b" /api", b" http://b.default/api")
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 512\r\nConnection: keep-alive\r\n"
    b'ETag: "655dd0a0-200"\r\nCache-Control: no-store\r\n\r\n'
)
CHUNKS = b"2000\r\n" + b"a" * 0x2000 + b"\r\n"


def request(data: bytes) -> Callable[[], object]:
    """Read and forward a request's head."""

    def work() -> object:
        head = parseRequest(data, 8_192, 65_536, 100)
        assert head is not None
        return head.forward(INSERT, b"b")

    return work


def answer() -> object:
    """Read and forward an answer's head."""
    head = parseResponse(ANSWER, b"GET", 65_536, 100)
    assert head is not None
    return head.forward(b"")


def show(name: str, work: Callable[[], object], count: int = 50_000) -> None:
    """The best of five runs, in microseconds."""
    best = float("inf")
    for _ in range(5):
        began = process_time()
        for _ in range(count // 5):
            work()
        best = min(best, process_time() - began)
    print(f"{name:<44} {best / (count // 5) * 1e6:8.2f} us")


def main() -> None:
    """Show a table."""
    show(f"request, {len(PLAIN)} bytes, nothing to cut", request(PLAIN))
    show(f"request, {len(CUT)} bytes, two fields cut", request(CUT))
    show(f"request, {len(ABSOLUTE)} bytes, absolute form", request(ABSOLUTE))
    show(f"answer, {len(ANSWER)} bytes, one field cut", answer)
    chunks = ChunkedBody(256, 8_192, BAD_REQUEST)
    show("chunk of 8 KiB", lambda: chunks.feed(CHUNKS))
    distinct = b"".join(b"X-%d: 1\r\n" % number for number in range(10_000))
    start = b"GET / HTTP/1.1\r\nHost: b\r\n"
    for name, fields in (("2,000 equal", b"X: 1\r\n" * 2_000), ("10,000 distinct", distinct)):
        data = start + fields + b"\r\n"
        show(f"{name} fields, no limit", lambda data=data: unlimited(data), 100)


def unlimited(data: bytes) -> object:
    """Read and forward a head without any limit."""
    head = parseRequest(data, 1 << 30, 1 << 30, 1 << 30)
    assert head is not None
    return head.forward(INSERT, b"b")


if __name__ == "__main__":
    main()
