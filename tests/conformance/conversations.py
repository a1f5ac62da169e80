"""
The corpus through a whole node in memory: server, chain, client and their transports.

The endpoint answers each request once it is all there; the caller does not wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edgemesh.protocols.http.connection import ANSWER
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.testing import Ladder, Wire
from tests.conformance.corpus import Vector
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import Forwarded

_FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r]")


@dataclass(slots=True)
class Heard:
    """
    What the two ends got.

    :ivar requests: the bytes of each request that reached the endpoint whole.
    :ivar rest: the bytes of one that did not.
    :ivar answers: the bytes that reached the caller.
    :ivar reset: the caller's connection was reset.
    """

    requests: list[bytes] = field(default_factory=list)
    rest: bytes = b""
    answers: bytes = b""
    reset: bool = False


class _Asking:
    """A caller that sends a vector's bytes, and an endpoint that answers."""

    def __init__(self) -> None:
        self.ladder = Ladder(HTTP, endpoints=1, forwardedFor=True, via=True)
        self.app = self.ladder.caller()
        self._server = self.app.protocol
        self._endpoint: Wire | None = None
        self.heard = Heard()

    def say(self, data: bytes) -> None:
        """The caller sends this, the endpoint answers what it can."""
        self.ladder.say(self.app, data)
        while self._answered():
            pass

    def _answered(self) -> bool:
        if self.ladder.loop.dialled:
            self._endpoint = self.ladder.accepts()
        if self._endpoint is None:
            return False
        self.heard.rest += self.ladder.hear(self._endpoint)
        if self._server.state is not ANSWER or not self.heard.rest:
            return False
        self.heard.requests.append(self.heard.rest)
        self.heard.rest = b""
        self.ladder.say(self._endpoint, _FINE)
        return True


def ask(segments: Iterable[bytes]) -> Heard:
    """A caller sends these segments and then waits."""
    asking = _Asking()
    for segment in segments:
        asking.say(segment)
    heard = asking.heard
    heard.answers = asking.ladder.hear(asking.app)
    return heard


def answer(vector: Vector, segments: Iterable[bytes]) -> Heard:
    """An endpoint answers with these segments and then closes."""
    ladder = Ladder(HTTP, endpoints=1)
    app = ladder.caller()
    ladder.say(app, b"%b / HTTP/1.%d\r\nHost: b\r\n\r\n" % (vector.method, vector.caller))
    endpoint = ladder.accepts()
    ladder.say(endpoint, *segments)
    ladder.end(endpoint)
    ladder.after(1.0)
    return Heard(answers=ladder.hear(app), reset=app.fake.reset)


def statuses(answers: bytes) -> list[int]:
    """The status of each answer, none of which has a body that looks like one."""
    return [int(status) for status in _STATUS.findall(answers)]


def asSent(messages: Iterable[Forwarded], data: Iterable[bytes]) -> list[Forwarded]:
    """The messages with the bytes that were really sent."""
    return [_withBytes(message, sent) for message, sent in zip(messages, data, strict=True)]


def split(messages: list[Forwarded], data: bytes) -> tuple[list[Forwarded], bytes]:
    """The same, out of one stream; and what is left of it."""
    found = []
    for message in messages:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            raise Disagreement(f"{message.head!r} is missing")
        size = end + 4 + len(message.body)
        found.append(_withBytes(message, data[:size]))
        data = data[size:]
    return found, data


def _withBytes(message: Forwarded, data: bytes) -> Forwarded:
    head, end, body = data.partition(b"\r\n\r\n")
    return replace(message, head=head + end, body=body)
