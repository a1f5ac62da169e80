"""
Mutations of the corpus: the same ones at every run.

Each begins with one message of the corpus, often spliced with another one, and
changes it in one to four places, mostly where it hurts: line ends, colons, digits,
the fields that say how long a message is.

``EDGEMESH_MUTATIONS`` says how many there are; the default is a tenth of what
continuous integration takes, so that it costs a few seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from random import Random

from tests.conformance.corpus import Vector

COUNT = int(os.environ.get("EDGEMESH_MUTATIONS", "20000"))

_BYTES = (
    b'\r \n \r\n \r\n\r\n \n\n \r\r\n \0 \t \x0b \x0c \x7f \x85 \xa0 \xff : :: ; , = " \\ / ? # @ *'
    b" % 0 00 1 5 a f F -1 +1 0x 1e 18446744073709551616 [ ]"
)
_WORDS = (
    b"chunked Chunked identity gzip xchunked close keep-alive upgrade websocket 100-continue"
    b" Host Content-Length Transfer-Encoding Connection Upgrade Expect TE Trailer http:// https://"
    b" HTTP/1.0 HTTP/1.1 HTTP/2.0 GET POST HEAD CONNECT OPTIONS 200 204 304 100 101"
)
_LINES = (
    b" ",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:chunked\r\n",
    b"Host: c\r\n",
    b"Connection: close\r\n",
    b"Connection: x, host\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"X-Edgemesh-A: 1\r\n",
    b"X: 1\r\n",
    b"\r\n 2",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"GET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\n",
)
#: What is put in.
HOSTILE = (*_BYTES.split(b" "), *_WORDS.split(b" "), *_LINES)
#: Longer seeds would spend the time on copying.
_LONGEST = 600


def weighted(vectors: Sequence[Vector]) -> list[bytes]:
    """Seeds; what goes on as it is comes five times, or hardly anything would."""
    valid = [vector.data for vector in vectors if set(vector.expect) <= {"forward", "interim"}]
    return [vector.data for vector in vectors] + 4 * valid


def mutations(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """``count`` mutations of the shorter seeds."""
    random = Random(seed)
    short = [data for data in seeds if 0 < len(data) <= _LONGEST]
    for _ in range(count):
        data = random.choice(short)
        if random.random() < 0.2:
            data = _splice(random, data, random.choice(short))
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
            data = random.choice(_CHANGES)(random, data)
        yield data


def _splice(random: Random, one: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of the other, cut at line ends."""
    lines, others = one.split(b"\r\n"), other.split(b"\r\n")
    return b"\r\n".join(
        lines[: random.randint(1, len(lines))] + others[random.randrange(len(others)) :]
    )


def _somewhere(random: Random, data: bytes) -> int:
    """A position, more often than not beside a byte that matters."""
    at = random.randrange(len(data) + 1)
    if random.random() < 0.6:
        marks = [end for mark in b"\r\n: " if (end := data.find(mark, at)) >= 0]
        at = random.choice(marks) + random.randint(0, 1) if marks else at
    return at


def _insert(random: Random, data: bytes) -> bytes:
    at = _somewhere(random, data)
    return data[:at] + random.choice(HOSTILE) + data[at:]


def _delete(random: Random, data: bytes) -> bytes:
    at = _somewhere(random, data)
    return data[:at] + data[at + random.choice((1, 1, 1, 2, 5)) :]


def _replace(random: Random, data: bytes) -> bytes:
    at = _somewhere(random, data)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _overwrite(random: Random, data: bytes) -> bytes:
    at = _somewhere(random, data)
    hostile = random.choice(HOSTILE)
    return data[:at] + hostile + data[at + len(hostile) :]


def _lines(random: Random, data: bytes) -> bytes:
    """A line is doubled, moved or dropped."""
    lines = data.split(b"\r\n")
    line = random.choice(lines)
    if random.random() < 0.7:
        lines.remove(line)
    if random.random() < 0.7:
        lines.insert(random.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def _field(random: Random, data: bytes) -> bytes:
    """Another line is put behind the first one."""
    line, end, rest = data.partition(b"\r\n")
    return line + end + random.choice(HOSTILE) + rest


def _case(random: Random, data: bytes) -> bytes:
    begin = _somewhere(random, data)
    end = begin + random.randint(1, 20)
    return data[:begin] + data[begin:end].swapcase() + data[end:]


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randint(1, len(data) + 1)] or b"\r\n"


_CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _insert,
    _insert,
    _delete,
    _replace,
    _overwrite,
    _lines,
    _lines,
    _field,
    _field,
    _case,
    _truncate,
)
