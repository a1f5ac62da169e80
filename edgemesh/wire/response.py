# -*- test-case-name: tests.wire.test_response -*-
"""
An endpoint's answer, its head: bytes to a value and back, as strictly as a request's.

The same theory as :mod:`edgemesh.wire.http1`; what cannot be read in one way only is no
answer.  May know nothing but bytes.
"""

from __future__ import annotations

import re

from edgemesh.errors import BAD_RESPONSE, RemoteProtocolError
from edgemesh.wire.fields import (
    CHUNKED,
    FIELDS,
    SHORTEST_FIELD,
    UNTIL_CLOSE,
    USUAL_FIELD,
    Head,
    complainOfFields,
    newHead,
)

_STATUS = rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?\r\n"
_matchResponse = re.compile(_STATUS + FIELDS + rb"\r\n").match
_STATUS_LINE = re.compile(_STATUS)
_specialInResponse = re.compile(
    rb"\n(content-length|transfer-encoding|connection|keep-alive|upgrade|proxy-connection)"
    rb":([^\r]*)"
).findall


class ResponseHead(Head):
    """
    A response's head.

    :ivar status: the status code.
    :ivar body: a length, ``CHUNKED`` or ``UNTIL_CLOSE``; 0 when it has none by rule.
    :ivar reusable: the endpoint keeps its connection.
    """

    __slots__ = ("body", "reusable", "status")

    def read(self, match: re.Match[bytes], method: bytes) -> None:
        """Take a head that has matched; once."""
        # Hot: what Head.__init__ does.
        self.raw = raw = match[0]
        self.end = len(raw)
        self.minor = match[1][0] - 48
        self._offset = offset = match.start(3) - 1
        self._lower = raw[offset:].lower()
        self._cuts = None
        self._usual = 0
        self.status = status = int(match[2])
        self._readFields()
        if status < 200 or status == 204:
            # Neither may have a body, nor say how long it is (RFC 9112 section 6.1).
            self.body = 0
            self.cut(b"content-length")
            self.cut(b"transfer-encoding")
        elif status == 304 or method == b"HEAD":
            self.body = 0
        elif self.body == UNTIL_CLOSE:
            self.reusable = False

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} body={self.body}>"

    def _readFields(self) -> None:
        length: int | None = None
        chunked = closing = False
        keeping = self.minor == 1
        special = _specialInResponse(self._lower)
        if special and special[-1] == USUAL_FIELD:
            # Hot: the last field of every answer of nginx's.
            del special[-1]
            self._findUsual()
            keeping = True
        for name, padded in special:
            if name == b"content-length":
                value = padded.strip(b" \t")
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise RemoteProtocolError(BAD_RESPONSE, "Content-Length is not one number")
                length = int(value)
            elif name == b"connection":
                close, keep, _ = self._readConnection(padded, BAD_RESPONSE)
                closing = closing or close
                keeping = keeping or keep
            elif name == b"transfer-encoding":
                if chunked or padded.strip(b" \t") != b"chunked":
                    raise RemoteProtocolError(BAD_RESPONSE, "unknown Transfer-Encoding")
                chunked = True
            else:
                self.cut(name)
        if chunked and (length is not None or self.minor == 0):
            raise RemoteProtocolError(BAD_RESPONSE, "contradicting framing of the body")
        self.reusable = keeping and not closing
        self.body = CHUNKED if chunked else UNTIL_CLOSE if length is None else length

    def forward(self, insert: bytes) -> bytes:
        """The head to send to the caller, with these field lines put in."""
        if self.minor == 1:
            return self._whole(insert)
        line = b"HTTP/1.1" + self.raw[8 : self._offset + 1]
        return b"".join((line, self._fields(), insert, b"\r\n"))


def parseResponse(data: bytes, method: bytes, head: int, headerCount: int) -> ResponseHead | None:
    """
    Read a response's head from the beginning of ``data``.

    :param method: the request's method; an answer to HEAD has no body.
    :return: None while more bytes are needed.
    :raise RemoteProtocolError: with ``BAD_RESPONSE``.
    """
    match = _matchResponse(data)
    if match is None:
        line = _STATUS_LINE.match(data)
        if line is not None:
            complainOfFields(data, line.end(), head, headerCount, BAD_RESPONSE)
        elif b"\n" in data or len(data) > head or not b"HTTP/1.".startswith(data[:7]):
            raise RemoteProtocolError(BAD_RESPONSE, "malformed status line")
        return None
    end = match.end()
    few = end <= headerCount * SHORTEST_FIELD
    if end > head or not (few or match[3].count(b"\n") <= headerCount):
        raise RemoteProtocolError(BAD_RESPONSE, "head over the limit")
    parsed = newHead(ResponseHead)
    parsed.read(match, method)
    return parsed
