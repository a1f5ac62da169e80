"""
What the mesh forwards of some bytes, by its parser alone: no transport, no chain.

The order of reading is the servers'; ``test_server`` shows that the real ones,
with everything around them, forward the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgemesh.errors import BAD_REQUEST, BAD_RESPONSE, Failure, RemoteProtocolError
from edgemesh.protocols.http.answers import CLOSE
from edgemesh.protocols.limits import Limits
from edgemesh.wire.chunked import ChunkedBody
from edgemesh.wire.fields import CHUNKED, UNTIL_CLOSE
from edgemesh.wire.http1 import RequestHead, parseRequest
from edgemesh.wire.response import ResponseHead, parseResponse
from tests.conformance.corpus import Verdict

LIMITS = Limits()
INSERTED = b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 edgemesh\r\n"
FALLBACK = b"web.default"


def whole(data: bytes) -> Iterable[bytes]:
    """All at once."""
    return (data,)


def byteByByte(data: bytes) -> Iterator[bytes]:
    """One byte at a time."""
    return (data[at : at + 1] for at in range(len(data)))


@dataclass(slots=True)
class Forwarded:
    """
    One message that left, or began to.

    :ivar start: method and target, or the status, as we read them.
    :ivar head: the head as it left.
    :ivar body: the body as it left.
    :ivar payload: the body without its coding.
    :ivar complete: it left whole.
    """

    start: tuple[bytes, ...]
    head: bytes
    body: bytes = b""
    payload: bytes = b""
    complete: bool = False

    @property
    def data(self) -> bytes:
        """Everything that left."""
        return self.head + self.body


class _Body:
    """
    The body that follows a head: what of it leaves, and where it ends.

    :ivar endsByClose: nothing else says where it ends.
    """

    def __init__(
        self, size: int, message: Forwarded, failure: Failure, decode: bool = False
    ) -> None:
        self.endsByClose = size == UNTIL_CLOSE
        self._left = size
        self._message = message
        self._coded = size == CHUNKED
        self._chunks = ChunkedBody(LIMITS.chunkLine, LIMITS.trailer, failure, decode)
        # Reads the same bytes once more, for what they mean.
        self._payload = ChunkedBody(LIMITS.chunkLine, LIMITS.trailer, failure, True)
        message.complete = size == 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those behind the end."""
        message = self._message
        if not self._coded:
            taken = data if self.endsByClose else data[: self._left]
            if not self.endsByClose:
                self._left -= len(taken)
                message.complete = self._left == 0
            message.body += taken
            message.payload += taken
            return data[len(taken) :]
        message.body += self._chunks.feed(data)
        message.payload += self._payload.feed(data)
        message.complete = self._chunks.finished
        return self._chunks.surplus


class RequestPassage:
    """
    A caller's bytes, as the server of its connection reads them.

    :ivar messages: what was forwarded.
    :ivar verdicts: what became of each message.
    """

    def __init__(self) -> None:
        self.messages: list[Forwarded] = []
        self.verdicts: list[Verdict] = []
        self._pending = b""
        self._body: _Body | None = None
        self._closed = False
        self._keepAlive = True

    @classmethod
    def of(cls, segments: Iterable[bytes]) -> RequestPassage:
        """Read these segments, and then no more."""
        passage = cls()
        for segment in segments:
            passage._feed(segment)
        if not passage._closed and (passage._body is not None or passage._pending):
            passage.verdicts.append("more")
        return passage

    def _feed(self, data: bytes) -> None:
        self._pending += data
        while self._pending and not self._closed:
            try:
                if not (self._readHead() if self._body is None else self._readBody()):
                    return
            except RemoteProtocolError as error:
                self.verdicts.append(error.failure.http)
                self._closed = True

    def _readHead(self) -> bool:
        data = self._pending
        if data.startswith(b"\r\n"):
            self._pending = data[2:]
            return True
        head = parseRequest(data, LIMITS.requestLine, LIMITS.head, LIMITS.headerCount)
        if head is None:
            return False
        self._pending = data[head.end :]
        if head.method == b"CONNECT":
            self.verdicts.append("tunnel")
            self._closed = True
            return False
        message = Forwarded(_start(head), head.forward(INSERTED, FALLBACK))
        self.messages.append(message)
        self._keepAlive = head.keepAlive
        self._body = _Body(head.body, message, BAD_REQUEST)
        return self._ended() if message.complete else True

    def _readBody(self) -> bool:
        assert self._body is not None
        data, self._pending = self._pending, b""
        self._pending = self._body.feed(data)
        return self._ended() if self.messages[-1].complete else False

    def _ended(self) -> bool:
        self._body = None
        self.verdicts.append("forward")
        self._closed = not self._keepAlive
        return True


def _start(head: RequestHead) -> tuple[bytes, bytes]:
    """Method and target, read from the value and not from the forwarded bytes."""
    if head.target[:1] in (b"/", b"*"):
        return head.method, head.target
    query = head.target.partition(b"?")
    return head.method, head.path + query[1] + query[2]


class ResponsePassage:
    """
    An endpoint's bytes, as the upstream connection reads them, until it closes.

    :ivar messages: what was forwarded.
    :ivar verdicts: what became of each message.
    """

    def __init__(self, method: bytes, caller: int) -> None:
        self.messages: list[Forwarded] = []
        self.verdicts: list[Verdict] = []
        self._method = method
        self._caller = caller
        self._pending = b""
        self._body: _Body | None = None
        self._closed = False

    @classmethod
    def of(
        cls, segments: Iterable[bytes], method: bytes = b"GET", caller: int = 1
    ) -> ResponsePassage:
        """Read these segments, and then the close."""
        passage = cls(method, caller)
        for segment in segments:
            passage._feed(segment)
        passage._eof()
        return passage

    def _feed(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            if self._body is not None:
                self._readBody(data)
                return
            self._pending += data
            while not self._closed and self._body is None and self._readHead():
                pass
        except RemoteProtocolError as error:
            self._fail(error.failure.http if self._body is None else "broken")

    def _readHead(self) -> bool:
        data = self._pending
        head = parseResponse(data, self._method, LIMITS.head, LIMITS.headerCount)
        if head is None:
            return False
        self._pending = data[head.end :]
        if head.status == 101:
            self._fail(BAD_RESPONSE.http)
        elif head.status < 200:
            self._interim(head)
        else:
            self._answer(head)
        return bool(self._pending)

    def _interim(self, head: ResponseHead) -> None:
        if self._caller == 1:
            forwarded = head.forward(b"")
            self.messages.append(Forwarded((b"%d" % head.status,), forwarded, complete=True))
            self.verdicts.append("interim")

    def _answer(self, head: ResponseHead) -> None:
        decode = head.body == CHUNKED and self._caller == 0
        if self._caller == 0:
            head.cut(b"transfer-encoding")
        forwarded = head.forward(CLOSE if decode or head.body == UNTIL_CLOSE else b"")
        message = Forwarded((b"%d" % head.status,), forwarded)
        self.messages.append(message)
        self._body = _Body(head.body, message, BAD_RESPONSE, decode)
        rest, self._pending = self._pending, b""
        self._readBody(rest)

    def _readBody(self, data: bytes) -> None:
        assert self._body is not None
        self._body.feed(data)
        if self.messages[-1].complete:
            self.verdicts.append("forward")
            self._closed = True

    def _fail(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._closed = True

    def _eof(self) -> None:
        if self._closed:
            return
        if self._body is not None and self._body.endsByClose:
            self.messages[-1].complete = True
            self.verdicts.append("forward")
        else:
            self._fail(BAD_RESPONSE.http if self._body is None else "cut")
