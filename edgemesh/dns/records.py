# -*- test-case-name: tests.dns.test_records -*-
"""
The records that we tell ourselves, made and encoded by ``twisted.names``.

Knows how records look on the wire; not which names there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from twisted.names import dns
from twisted.names.dns import RRHeader

from edgemesh.dns.answers import Answer, compose
from edgemesh.dns.queries import Query

#: Times of a zone that nobody transfers, in seconds.
_REFRESH, _RETRY, _EXPIRE = 7_200, 1_800, 86_400


def encode(
    query: Query,
    code: int,
    answers: Sequence[RRHeader],
    authority: Sequence[RRHeader],
    additional: Sequence[RRHeader],
) -> Answer:
    """The answer to a query, with these records in its three sections."""
    stream = BytesIO()
    pointers: dict[bytes, int] = {}
    if isPlain(query.labels):
        # The names in the records may point at the question.
        dns.Name(dotted(query.labels)).encode(stream, pointers)  # type: ignore[no-untyped-call]
    stream.seek(0)
    stream.write(query.question)
    stream.truncate()
    for record in (*answers, *authority, *additional):
        record.encode(stream, pointers)  # type: ignore[no-untyped-call]
    counts = [len(answers), len(authority), len(additional)]
    return compose(query, code, counts, stream.getvalue()[len(query.question) :])


def addressRecord(name: bytes, ttl: int, address: str) -> RRHeader:
    """A or AAAA."""
    if ":" in address:
        return _record(name, ttl, dns.Record_AAAA(address, ttl))  # type: ignore[no-untyped-call]
    return _record(name, ttl, dns.Record_A(address, ttl))  # type: ignore[no-untyped-call]


def serverRecord(name: bytes, ttl: int, target: bytes, port: int) -> RRHeader:
    """SRV; all have the same share."""
    return _record(name, ttl, dns.Record_SRV(0, 100, port, target, ttl))  # type: ignore[no-untyped-call]


def pointerRecord(name: bytes, ttl: int, target: bytes) -> RRHeader:
    """PTR."""
    return _record(name, ttl, dns.Record_PTR(target, ttl))  # type: ignore[no-untyped-call]


def soaRecord(name: bytes, ttl: int, domain: bytes, serial: int) -> RRHeader:
    """SOA: who vouches for it that there is nothing, and for how long."""
    soa = dns.Record_SOA(  # type: ignore[no-untyped-call]
        mname=b"ns.dns." + domain,
        rname=b"hostmaster." + domain,
        serial=serial & 0xFFFF_FFFF,
        refresh=_REFRESH,
        retry=_RETRY,
        expire=_EXPIRE,
        minimum=ttl,
        ttl=ttl,
    )
    return _record(name, ttl, soa)


def isPlain(labels: Sequence[str]) -> bool:
    """Whether a name means the same when it is written with dots."""
    return all(label and "." not in label for label in labels)


def dotted(labels: Sequence[str]) -> bytes:
    """A name as it is written."""
    return ".".join(labels).encode("latin-1")


def _record(name: bytes, ttl: int, payload: Any) -> RRHeader:
    return RRHeader(name, payload.TYPE, dns.IN, ttl, payload)
