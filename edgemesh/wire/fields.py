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

#: Body modes of a message besides a length >= 0.
CHUNKED = -1
UNTIL_CLOSE = -2
#: No field line is shorter: ``A:`` and CR LF.
SHORTEST_FIELD = 4
#: Hot: making an object and then calling a method costs half of calling a class.
newHead = object.__new__

_FIELDS_ONLY = re.compile(FIELDS)
_NAME = re.compile(TOKEN + rb"++")
_NAMES = re.compile(rb"\n([^:\r]++):")

#: A connection option may not name these: removing them would change the message.
_NEVER_HOP = frozenset((b"host", b"content-length", b"transfer-encoding", b"authorization"))
#: From so many names on it pays to find out first which of them are there.
_MANY = 8
#: The one field to cut that most peers send, and as most of them spell it; it changes
#: nothing in HTTP/1.1.  Up to, and without, its LF.
_USUAL_VALUE = b" keep-alive"
USUAL_FIELD = (b"connection", _USUAL_VALUE)
_USUAL = b"\nconnection:" + _USUAL_VALUE + b"\r"
_USUAL_SIZE = len(_USUAL)


class Head:
    """
    What a request's and a response's head share: the bytes and what to cut.

    :ivar raw: the whole head.
    :ivar end: its length in bytes.
    :ivar minor: HTTP/1.``minor``.
    :param offset: of the LF that ends the start line.
    """

    __slots__ = ("_cuts", "_lower", "_offset", "_usual", "end", "minor", "raw")

    def __init__(self, raw: bytes, offset: int, minor: int) -> None:
        self.raw = raw
        self.end = len(raw)
        self.minor = minor
        # The lower-cased fields begin with the LF that ends the start line.
        self._offset = offset
        self._lower = raw[offset:].lower()
        self._cuts: set[bytes] | None = None
        #: Where in ``raw`` the one usual Connection field is, or 0.
        self._usual = 0

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

    def _readConnection(self, padded: bytes, failure: Failure) -> tuple[bool, bool, bool]:
        """Cut a Connection field and what it lists; say: close, keep-alive, upgrade."""
        if padded == _USUAL_VALUE and not self._usual:
            self._findUsual()
            return False, True, False
        self.cut(b"connection")
        close = keep = upgrade = False
        for option in padded.split(b","):
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

    def _findUsual(self) -> None:
        """There is a :data:`USUAL_FIELD`: remember where."""
        self._usual = self._offset + self._lower.find(_USUAL)

    def _whole(self, insert: bytes) -> bytes:
        """The head as it came, without what is to be cut, with these lines put in."""
        raw = self.raw
        if self._cuts is not None:
            return self._kept(0) + insert + b"\r\n"
        # Hot: nothing to cut, or the usual field only.
        at = self._usual
        if at:
            if not insert:
                return raw[:at] + raw[at + _USUAL_SIZE :]
            return raw[:at] + raw[at + _USUAL_SIZE : -2] + insert + b"\r\n"
        if not insert:
            return raw
        return raw[:-2] + insert + b"\r\n"

    def _fields(self) -> bytes:
        """The field lines that are forwarded, with the closing CR LF left off."""
        return self._kept(self._offset + 1)

    def _kept(self, begin: int) -> bytes:
        """What is forwarded of the head from ``begin`` on, with the closing CR LF left off."""
        cuts = self._cuts or set()
        if self._usual:
            cuts = cuts | {b"connection"}
        if len(cuts) > _MANY:
            # A Connection field can name thousands; each would be one search.
            cuts = cuts.intersection(_NAMES.findall(self._lower))
        kept = []
        for at, end in self._spans(cuts):
            kept.append(self.raw[begin:at])
            begin = end
        kept.append(self.raw[begin:-2])
        return b"".join(kept)

    def _spans(self, names: set[bytes]) -> list[tuple[int, int]]:
        """Where in ``raw`` the lines of these fields are, in their order."""
        lower = self._lower
        # In _lower a line is found by the LF before it.
        line = self._offset + 1
        spans = []
        for name in names:
            marker = b"\n" + name + b":"
            at = lower.find(marker)
            while at >= 0:
                end = lower.index(b"\n", at + 1)
                spans.append((line + at, line + end))
                at = lower.find(marker, end)
        spans.sort()
        return spans


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
