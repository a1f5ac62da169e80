# -*- test-case-name: tests.dns.test_packets -*-
"""
The format of DNS messages, as far as both queries and answers need it.

Records are found, not understood: where each begins, what its type is, where its
time to live stands.  May know the errors; knows no socket, no clock and nothing of
Kubernetes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edgemesh.errors import MeshError

A, SOA, AAAA, OPT, IN = 1, 6, 28, 41, 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = range(6)
BAD_VERSION = 16

#: The flags of a header, and of an OPT record.
QR, OPCODE, AA, TC, RD, RA = 0x8000, 0x7800, 0x0400, 0x0200, 0x0100, 0x0080
AD, CD, RCODE = 0x0020, 0x0010, 0x000F
DO = 0x8000

#: The largest datagram that is sent or asked for: it passes every path in one piece.
LARGEST_DATAGRAM = 1_232
#: What a caller takes who says nothing about sizes.
SMALLEST_DATAGRAM = 512
LARGEST_STREAMED = 65_535

#: Number, flags, and how many questions, answers, authorities and additional records.
HEADER = struct.Struct("!6H")
#: What follows a record's name: type, class, time to live, length.
RECORD = struct.Struct("!HHIH")
_LONGEST_NAME = 255


class Malformed(MeshError):
    """These bytes are no DNS message, or not all of one."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where one record lies, and what must be known of it; section 0 is the answers'."""

    section: int
    type: int
    ttl: int
    ttlAt: int
    end: int


def opt(flags: int) -> bytes:
    return b"\0" + RECORD.pack(OPT, LARGEST_DATAGRAM, flags, 0)


def walk(data: bytes, at: int, counts: Sequence[int]) -> list[Span]:
    """Where every record lies; every byte of them is there."""
    spans = []
    for section, count in enumerate(counts):
        for _ in range(count):
            at = skipName(data, at)
            if at + RECORD.size > len(data):
                raise Malformed("a record is cut")
            kind, _, ttl, length = RECORD.unpack_from(data, at)
            end = at + RECORD.size + length
            if end > len(data) or (kind == SOA and length < 22):
                raise Malformed("a record is cut")
            spans.append(Span(section, kind, ttl, at + 4, end))
            at = end
    return spans


def skipName(data: bytes, at: int) -> int:
    """Where a name ends; a pointer ends it."""
    while at < len(data):
        length = data[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise Malformed("a label of an unknown kind")
        at += 1 + length
    raise Malformed("a name is cut")


def readName(data: bytes) -> tuple[tuple[str, ...], int]:
    """The labels of the question's name, and where it ends; there is nothing to point at yet."""
    labels: list[str] = []
    at = HEADER.size
    while True:
        if at >= len(data) or at - HEADER.size > _LONGEST_NAME - 1:
            raise Malformed("a name is cut or too long")
        length = data[at]
        if length == 0:
            return tuple(labels), at + 1
        if length > 63:
            raise Malformed("a pointer in the question")
        labels.append(data[at + 1 : at + 1 + length].lower().decode("latin-1"))
        at += 1 + length
