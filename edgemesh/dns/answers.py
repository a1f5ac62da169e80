# -*- test-case-name: tests.dns.test_answers -*-
"""
Answers as bytes: looked through once, sent to many, cut and aged.

Theory of operation.  An answer is never taken apart and put together again: types
that nobody here knows, names with odd characters and the order of records stay as
the upstream server sent them.  :class:`Answer` only notes where each record lies
and where its time to live stands.  A reply is then the caller's own question, in
the caller's own spelling, and as many whole records as fit::

    +--------+----------+----------+----------+- - - - -+-----+
    | header | question | record 1 | record 2 | dropped | OPT |
    +--------+----------+----------+----------+- - - - -+-----+
      ours     caller's   the answer's bytes, aged        ours

Names inside records may point back at names before them.  The question has the
same length in every spelling and records are dropped from the end only, so the
pointers stay right.  Knows the format; knows no socket and no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgemesh.dns.packets import (
    AA,
    AD,
    HEADER,
    OPT,
    QR,
    RCODE,
    SOA,
    TC,
    Malformed,
    Span,
    opt,
    skipName,
    walk,
)
from edgemesh.dns.queries import Query, finish, replyFlags

#: A record that is kept beyond its time goes out with this time to live, in seconds.
STALE_TTL = 30
_POSITIVE_CAP, _NEGATIVE_CAP = 86_400, 900
_OPT_SIZE = len(opt(0))


class Answer:
    """
    A response that was looked through once and can be sent to many.

    :ivar raw: the bytes of it.
    :ivar code: its response code.
    :ivar truncated: it is not complete; ask again over TCP.
    :ivar lifetime: seconds for which it may be repeated; 0 for not at all.
    """

    __slots__ = ("_bodyAt", "_spans", "code", "id", "lifetime", "raw", "truncated")

    def __init__(self, raw: bytes) -> None:
        """:raise Malformed: it is no response to one question, or not whole."""
        if len(raw) < HEADER.size:
            raise Malformed(f"{len(raw)} bytes")
        self.id, flags, questions, *counts = HEADER.unpack_from(raw)
        if not flags & QR or questions != 1:
            raise Malformed("not a response to one question")
        self.raw = raw
        self.code = flags & RCODE
        self.truncated = bool(flags & TC)
        self._bodyAt = skipName(raw, HEADER.size) + 4
        if self._bodyAt > len(raw):
            raise Malformed("the question is cut")
        self._spans = () if self.truncated else tuple(walk(raw, self._bodyAt, counts))
        self.lifetime = self._lifetime()

    def __repr__(self) -> str:
        return f"<Answer code {self.code}, {len(self._spans)} records, for {self.lifetime} s>"

    @property
    def question(self) -> bytes:
        """Name, type and class that it answers, in lower case."""
        name = self.raw[HEADER.size : self._bodyAt - 4]
        return name.lower() + self.raw[self._bodyAt - 4 : self._bodyAt]

    def reply(self, query: Query, limit: int, age: float = 0.0, stale: bool = False) -> bytes:
        """
        This answer, to this query.

        :param query: asks the same :class:`Ask` as the one this answered.
        :param limit: bytes that the way back takes; records that do not fit are left
            out, and the caller is told unless it can do without them.
        :param age: seconds since it came.
        :param stale: it is beyond its time and still the best there is.
        """
        kept, cut = self._fitting(limit - (_OPT_SIZE if query.edns else 0))
        end = kept[-1].end if kept else self._bodyAt
        data = bytearray(self.raw[:end])
        data[HEADER.size : self._bodyAt] = query.question
        for span in kept:
            left = STALE_TTL if stale else max(0, span.ttl - int(age))
            # The OPT record's field of this name holds flags, and is never here.
            struct.pack_into("!I", data, span.ttlAt, left)
        theirs = HEADER.unpack_from(self.raw)[1]
        flags = replyFlags(query) | cut | self.code | theirs & AA
        if query.dnssec or query.flags & AD:
            flags |= theirs & AD
        counts = [sum(span.section == section for span in kept) for section in range(3)]
        return finish(data, query, flags, counts)

    def _fitting(self, room: int) -> tuple[list[Span], int]:
        """The records that fit, and the flag for what was left out."""
        kept: list[Span] = []
        for span in self._spans:
            # What follows an OPT record may point behind it, and can be done without.
            if span.type == OPT and span.section == 2:
                break
            if span.end > room:
                return kept, TC if span.section < 2 else 0
            kept.append(span)
        return kept, 0

    def _lifetime(self) -> int:
        times = [_plausible(span.ttl) for span in self._spans if span.section == 0]
        cap = _POSITIVE_CAP
        for span in self._spans:
            if span.section == 1 and span.type == SOA:
                cap = _NEGATIVE_CAP
                (minimum,) = struct.unpack_from("!I", self.raw, span.end - 4)
                times += [_plausible(span.ttl), _plausible(minimum)]
        # A refusal to answer that nobody vouches for is not remembered.
        return min(cap, *times) if times else 0


def compose(query: Query, code: int, counts: Sequence[int], records: bytes) -> Answer:
    """
    An answer of our own.

    :param counts: records in each of the three sections.
    :param records: encoded as they will stand behind header and question.
    """
    flags = QR | AA | code
    return Answer(HEADER.pack(0, flags, 1, *counts) + query.question + records)


def _plausible(ttl: int) -> int:
    """Seconds; a number with the top bit set means none."""
    return 0 if ttl & 0x8000_0000 else ttl
