"""
What hostile heads may cost: CPU time, far from every limit on a slow machine.

The bounds are those that were promised; measured are a tenth of them or less.
"""

from collections.abc import Callable
from contextlib import suppress as accept  # trial reads a module's "suppress"
from time import process_time

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import BAD_REQUEST, RemoteProtocolError
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.http1 import parseRequest
from edgemesh.wire.response import parseResponse

#: Seconds of CPU.
_PROMISED = 0.05
_START = b"GET / HTTP/1.1\r\nHost: b\r\n"


def cost(work: Callable[[], object]) -> float:
    """The least CPU time out of three."""
    times = []
    for _ in range(3):
        began = process_time()
        with accept(RemoteProtocolError):
            work()
        times.append(process_time() - began)
    return min(times)


def read(data: bytes) -> Callable[[], object]:
    """Read and forward a head without caring for its size."""

    def work() -> object:
        head = parseRequest(data, 1 << 30, 1 << 30, 1 << 30)
        return head and head.forward(b"Via: 1.1 edgemesh\r\n", b"b")

    return work


class CostTests(SynchronousTestCase):
    """No head costs more than reading it."""

    def assertCheap(self, work: Callable[[], object], seconds: float = _PROMISED) -> None:
        """It takes no longer than this."""
        self.assertLess(cost(work), seconds)

    def test_equalFields(self) -> None:
        """2,000 equal fields, refused by the limits or read without any."""
        data = _START + b"X: 1\r\n" * 2_000 + b"\r\n"
        self.assertCheap(lambda: parseRequest(data, 8_192, 65_536, 100))
        self.assertCheap(read(data))

    def test_distinctFields(self) -> None:
        """10,000 distinct fields."""
        data = _START + b"".join(b"X-%d: 1\r\n" % number for number in range(10_000)) + b"\r\n"
        self.assertCheap(lambda: parseRequest(data, 8_192, 65_536, 100))
        self.assertCheap(read(data))

    def test_connectionOptions(self) -> None:
        """64 KiB of connection options, with as many fields as there may be."""
        options = b",".join(b"%d" % number for number in range(11_000))
        fields = b"".join(b"%d: 1\r\n" % number for number in range(95))
        self.assertCheap(read(_START + b"Connection: " + options + b"\r\n" + fields + b"\r\n"))

    def test_unfinished(self) -> None:
        """64 KiB that are no head yet, or never will be."""
        for filler in (b"a", b"a:", b"a: b\r\n", b" ", b"\r", b"GET / HTTP/1.1\r\n"):
            data = _START + filler * (65_000 // len(filler))
            self.assertCheap(read(data))
            self.assertCheap(read(data + b"\0\r\n\r\n"))

    def test_answers(self) -> None:
        """The same from an endpoint."""
        for filler in (b"a", b"a: b\r\n", b" "):
            data = b"HTTP/1.1 200 OK\r\n" + filler * (65_000 // len(filler))
            self.assertCheap(lambda data=data: parseResponse(data, b"GET", 1 << 30, 1 << 30))

    def test_linear(self) -> None:
        """Twice the bytes cost about twice the time, not four times."""
        for filler in (b"a: b\r\n", b"a", b"Connection: x\r\n"):
            once, twice = (read(_START + filler * number) for number in (10_000, 20_000))
            self.assertLess(cost(twice), 3.5 * cost(once) + 0.002)

    def test_smallChunks(self) -> None:
        """64 KiB of chunks of one byte; 64 KiB of extensions."""
        for data in (b"1\r\na\r\n" * 11_000, b"1" + b";a=b" * 16_000, b'1;a="' + b"\\a" * 32_000):
            self.assertCheap(lambda data=data: ChunkedBody(256, 8_192, BAD_REQUEST).feed(data), 0.1)
