# -*- test-case-name: tests.dns.test_queries -*-
"""
What callers ask, as it came; and what upstream servers are asked.

A query that is not to be answered says so itself (``refusal``); bytes that are no
query raise.  Knows the format; knows no socket and no names.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edgemesh.dns.packets import (
    BAD_VERSION,
    CD,
    DO,
    FORMAT_ERROR,
    HEADER,
    IN,
    LARGEST_DATAGRAM,
    NO_ERROR,
    NOT_IMPLEMENTED,
    OPCODE,
    OPT,
    QR,
    RA,
    RCODE,
    RD,
    REFUSED,
    SMALLEST_DATAGRAM,
    Malformed,
    opt,
    readName,
    walk,
)

#: A query has one question and perhaps an OPT record; a longer one is nobody's honest query.
LARGEST_QUERY = 4_096
#: AXFR, IXFR, MAILB, MAILA and ANY: what a stub has no business to ask.
_REFUSED_TYPES = frozenset(range(251, 256))


@dataclass(frozen=True, slots=True)
class Ask:
    """
    What is asked, in whatever spelling; equal ones have equal answers.

    :ivar question: name, type and class as on the wire, in lower case.
    :ivar dnssec: signatures are wanted as well.
    :ivar unchecked: the upstream server need not verify them.
    """

    question: bytes
    dnssec: bool = False
    unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query, as it came.

    :ivar question: name, type and class as the caller spelled them; empty when
        there was not exactly one.
    :ivar labels: the name's labels in lower case, without the root.
    :ivar size: the largest datagram the caller takes, within our own bound.
    :ivar edns: it has an OPT record, and so must the reply.
    :ivar refusal: the response code to answer with at once; 0 for a query to answer.
    """

    id: int
    flags: int
    question: bytes
    labels: tuple[str, ...]
    type: int
    size: int
    edns: bool
    dnssec: bool
    refusal: int

    @property
    def ask(self) -> Ask:
        """The same whoever asks it."""
        # The last four bytes are type and class: their letters are none.
        name, rest = self.question[:-4], self.question[-4:]
        return Ask(name.lower() + rest, self.dnssec, bool(self.flags & CD))


def readQuery(data: bytes) -> Query:
    """
    Understand what a caller sent.

    :raise Malformed: it is not even a query; it deserves no reply.
    """
    if not HEADER.size <= len(data) <= LARGEST_QUERY:
        raise Malformed(f"{len(data)} bytes")
    identity, flags, questions, *counts = HEADER.unpack_from(data)
    if flags & QR:
        raise Malformed("a response")
    if flags & OPCODE or questions != 1:
        why = NOT_IMPLEMENTED if flags & OPCODE else FORMAT_ERROR
        return Query(identity, flags, b"", (), 0, SMALLEST_DATAGRAM, False, False, why)
    labels, at = readName(data)
    if at + 4 > len(data):
        raise Malformed("the question is cut")
    kind, klass = struct.unpack_from("!HH", data, at)
    refusal = REFUSED if klass != IN or kind in _REFUSED_TYPES or kind == OPT else NO_ERROR
    size, dnssec = SMALLEST_DATAGRAM, False
    spans = [each for each in walk(data, at + 4, counts) if each.type == OPT]
    for span in spans:
        (said,) = struct.unpack_from("!H", data, span.ttlAt - 2)
        size = min(max(said, SMALLEST_DATAGRAM), LARGEST_DATAGRAM)
        dnssec = bool(span.ttl & DO)
        refusal = BAD_VERSION if span.ttl >> 16 & 0xFF else refusal
    if len(spans) > 1:
        refusal = FORMAT_ERROR
    question = data[HEADER.size : at + 4]
    return Query(identity, flags, question, labels, kind, size, bool(spans), dnssec, refusal)


def refuse(query: Query, code: int) -> bytes:
    """A reply without records."""
    data = bytearray(HEADER.size) + query.question
    return finish(data, query, replyFlags(query) | code & RCODE, [0, 0, 0], code >> 4)


def askBytes(identity: int, ask: Ask, edns: bool) -> bytes:
    """The query for an upstream server."""
    flags = RD | (CD if ask.unchecked else 0)
    head = HEADER.pack(identity, flags, 1, 0, 0, int(edns))
    return head + ask.question + (opt(DO if ask.dnssec else 0) if edns else b"")


def replyFlags(query: Query) -> int:
    return QR | RA | query.flags & (OPCODE | RD | CD)


def finish(
    data: bytearray, query: Query, flags: int, counts: Sequence[int], extended: int = 0
) -> bytes:
    if query.edns:
        data += opt(extended << 24 | (DO if query.dnssec else 0))
        counts = [*counts[:2], counts[2] + 1]
    HEADER.pack_into(data, 0, query.id, flags, int(bool(query.question)), *counts)
    return bytes(data)
