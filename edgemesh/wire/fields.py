# -*- test-case-name: tests.wire.test_fields -*-
r"""
The field lines of an HTTP/1 head: look one up, leave some out.

What is forwarded are the bytes that came, with lines cut out.  Names are looked
for in a lower-cased copy, which has the same offsets; ``re.IGNORECASE`` would be
six times slower.

::

    -> Host: b CR LF  Connection: x-a CR LF  X-A: 1 CR LF  Accept: * CR LF  CR LF
    <- Host: b CR LF                                       Accept: * CR LF  CR LF

Knows names and lines; which of them have a meaning, and what follows from it, is
its users' business.
"""

from __future__ import annotations

import re

from edgemesh.errors import BAD_RESPONSE, HEAD_TOO_LARGE, Failure, RemoteProtocolError

#: One byte of a token (RFC 9110 section 5.6.2), for regular expressions.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
#: Field lines.  Matching is linear: a quantifier of one byte is possessive, and no
#: line can be read in two ways.  A quantifier of a group is never possessive:
#: with those CPython 3.11.2, which Debian 12 has, accepts what does not match.
FIELDS = rb"((?:" + TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*)"

_FIELDS_ONLY = re.compile(FIELDS)
_NAME = re.compile(TOKEN + rb"++")
_NAMES = re.compile(rb"\n([^:\r]++):")

#: A connection option may not name these: removing them would change the message.
_NEVER_HOP = frozenset((b"host", b"content-length", b"transfer-encoding", b"authorization"))
#: From so many names on it pays to find out first which of them are there.
_MANY = 8


class Head:
    """
    What a request's and a response's head share: the bytes and what to cut.

    :ivar raw: the whole head.
    :ivar end: its length in bytes.
    :ivar minor: HTTP/1.``minor``.
    :param offset: of the LF that ends the start line.
    """

    __slots__ = ("_cuts", "_lower", "_offset", "end", "minor", "raw")

    def __init__(self, raw: bytes, offset: int, minor: int) -> None:
        self.raw = raw
        self.end = len(raw)
        self.minor = minor
        # The lower-cased fields begin with the LF that ends the start line.
        self._offset = offset
        self._lower = raw[offset:].lower()
        self._cuts: set[bytes] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first field of this lower-case name, without its padding, or None."""
        at = self._lower.find(b"\n" + name + b":")
        if at < 0:
            return None
        begin = self._offset + at + len(name) + 2
        return self.raw[begin : self.raw.index(b"\r", begin)].strip(b" \t")

    def cut(self, name: bytes) -> None:
        """Do not forward the fields of this lower-case name."""
        if self._cuts is None:
            self._cuts = {name}
        else:
            self._cuts.add(name)

    def _connection(self, value: bytes, failure: Failure) -> tuple[bool, bool, bool]:
        """Take the options of a Connection field: close, keep-alive, upgrade."""
        close = keep = upgrade = False
        for option in value.split(b","):
            option = option.strip(b" \t")
            if option == b"close":
                close = True
            elif option == b"keep-alive":
                keep = True
            elif option == b"upgrade":
                upgrade = True
            elif option in _NEVER_HOP:
                raise RemoteProtocolError(failure, f"Connection names {option.decode('ascii')}")
            elif _NAME.fullmatch(option) is not None:
                # Only a name: "host:b" would cut a line that begins like this.
                self.cut(option)
        return close, keep, upgrade

    def _fields(self) -> bytes:
        """The field lines that are forwarded, with the closing CR LF left off."""
        fields = self.raw[self._offset + 1 : -2]
        cuts = self._cuts
        if cuts is None:
            return fields
        lower = self._lower
        if len(cuts) > _MANY:
            # A Connection field can name thousands; each would be one search.
            cuts = cuts.intersection(_NAMES.findall(lower))
        # Spans are offsets into _lower, which is one byte (the LF) ahead of fields.
        spans = []
        for name in cuts:
            marker = b"\n" + name + b":"
            at = lower.find(marker)
            while at >= 0:
                end = lower.index(b"\n", at + 1)
                spans.append((at, end))
                at = lower.find(marker, end)
        spans.sort()
        kept = []
        begin = 0
        for at, end in spans:
            kept.append(fields[begin:at])
            begin = end
        kept.append(fields[begin:])
        return b"".join(kept)


def complainOfFields(
    data: bytes, begin: int, head: int, headerCount: int, failure: Failure
) -> None:
    """
    Return when the incomplete fields from ``begin`` on can still become a head.

    :param head: largest head, bytes.
    :param headerCount: most fields.
    :raise RemoteProtocolError: they cannot; with ``failure``, or the one of size.
    """
    fields = _FIELDS_ONLY.match(data, begin)
    assert fields is not None  # it matches nothing as well
    if data.find(b"\n", fields.end()) >= 0:
        raise RemoteProtocolError(failure, "malformed header field")
    tooLarge = failure if failure is BAD_RESPONSE else HEAD_TOO_LARGE
    if len(data) > head or fields[1].count(b"\n") > headerCount:
        raise RemoteProtocolError(tooLarge, "head over the limit")
