# -*- test-case-name: tests.wire.test_chunked -*-
r"""
The chunked transfer coding (RFC 9112 section 7.1): find where a body ends.

The bytes are forwarded as they came; nothing is joined or coded anew.  A
chunk-size line and the trailer section are held back until they are whole and
valid, so that no malformed piece of framing ever leaves.

::

    -> 5;name=value CR LF  hello CR LF  0 CR LF  Trailer: x CR LF  CR LF
"""

from __future__ import annotations

import re

from edgemesh.errors import Failure, RemoteProtocolError
from edgemesh.wire.fields import FIELDS, TOKEN

# As with fields, no quantifier of a group is possessive.
_QUOTED = rb'"[\t !#-\[\]-~\x80-\xff]*+(?:\\[\t -~\x80-\xff][\t !#-\[\]-~\x80-\xff]*+)*"'
_EXTENSION = rb";" + TOKEN + rb"++(?:=(?:" + TOKEN + rb"++|" + _QUOTED + rb"))?"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:" + _EXTENSION + rb")*\r\n")
_TRAILER = re.compile(FIELDS + rb"\r\n")
_FIELDS_ONLY = re.compile(FIELDS)
#: Fields that say how long a message is, where it goes, who sent it or how to
#: read it (RFC 9110 section 6.5.1): a reader that merges trailers would believe them.
_NEVER_TRAILER = re.compile(
    rb"(?:^|\n)(?:content-length|transfer-encoding|host|authorization|connection|cookie"
    rb"|set-cookie|te|trailer|upgrade|expect|keep-alive|content-encoding|content-type"
    rb"|content-range|forwarded|via|proxy-[^:\r]*|x-forwarded-[^:\r]*|x-edgemesh-[^:\r]*):"
)

_SIZE, _PAYLOAD, _PAYLOAD_END, _LAST = range(4)
_STATES = ("size", "payload", "payload-end", "trailer")


class ChunkedBody:
    """
    One message's chunked body.

    :ivar finished: the whole body has been seen.
    :ivar surplus: bytes after it, once it is finished.
    :param sizeLine: longest chunk-size line with extensions, bytes.
    :param trailer: largest trailer section, bytes.
    :param failure: whom to blame for malformed framing.
    :param payloadOnly: give the payload instead of the coded bytes, for a caller
        that knows no chunks (HTTP/1.0).
    """

    __slots__ = (
        "_failure",
        "_held",
        "_left",
        "_payloadOnly",
        "_sizeLine",
        "_state",
        "_trailer",
        "finished",
        "surplus",
    )

    def __init__(
        self, sizeLine: int, trailer: int, failure: Failure, payloadOnly: bool = False
    ) -> None:
        self._sizeLine = sizeLine
        self._trailer = trailer
        self._failure = failure
        self._payloadOnly = payloadOnly
        self._state = _SIZE
        self._left = 0
        self._held = b""
        self.finished = False
        self.surplus = b""

    def __repr__(self) -> str:
        return f"<ChunkedBody {'finished' if self.finished else _STATES[self._state]}>"

    def feed(self, data: bytes) -> bytes:
        """
        Take more bytes; return those that may be forwarded now.

        :raise RemoteProtocolError: the framing is malformed.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        payload: list[bytes] = []
        position = self._scan(data, payload)
        if self.finished:
            self.surplus = data[position:]
        else:
            self._held = data[position:]
        if self._payloadOnly:
            return b"".join(payload)
        return data if position == len(data) else data[:position]

    def _scan(self, data: bytes, payload: list[bytes]) -> int:
        """Pass over every whole piece; return where the first incomplete one begins."""
        position = 0
        size = len(data)
        while position < size and not self.finished:
            state = self._state
            if state == _PAYLOAD:
                taken = min(self._left, size - position)
                if self._payloadOnly:
                    payload.append(data[position : position + taken])
                self._left -= taken
                position += taken
                if self._left == 0:
                    self._state = _PAYLOAD_END
                continue
            if state == _SIZE:
                step = self._sizeLineAt(data, position)
            elif state == _PAYLOAD_END:
                step = self._payloadEndAt(data, position)
            else:
                step = self._trailerAt(data, position)
            if step < 0:
                break
            position = step
        return position

    def _sizeLineAt(self, data: bytes, position: int) -> int:
        match = _SIZE_LINE.match(data, position)
        if match is None:
            rest = len(data) - position
            if rest > self._sizeLine or data.find(b"\n", position) >= 0:
                raise RemoteProtocolError(self._failure, "malformed chunk size")
            return -1
        if match.end() - position > self._sizeLine:
            raise RemoteProtocolError(self._failure, "chunk extensions over the limit")
        self._left = int(match[1], 16)
        self._state = _PAYLOAD if self._left else _LAST
        return match.end()

    def _payloadEndAt(self, data: bytes, position: int) -> int:
        end = data[position : position + 2]
        if end == b"\r\n":
            self._state = _SIZE
            return position + 2
        if end == b"\r":
            return -1
        raise RemoteProtocolError(self._failure, "a chunk is longer than its size")

    def _trailerAt(self, data: bytes, position: int) -> int:
        match = _TRAILER.match(data, position)
        if match is None:
            fields = _FIELDS_ONLY.match(data, position)
            assert fields is not None  # it matches nothing as well
            if data.find(b"\n", fields.end()) >= 0:
                raise RemoteProtocolError(self._failure, "malformed trailer")
            if len(data) - position > self._trailer:
                raise RemoteProtocolError(self._failure, "trailers over the limit")
            return -1
        if match.end() - position > self._trailer:
            raise RemoteProtocolError(self._failure, "trailers over the limit")
        if match[1] and _NEVER_TRAILER.search(match[1].lower()) is not None:
            raise RemoteProtocolError(self._failure, "a trailer that may not be one")
        self.finished = True
        return match.end()
