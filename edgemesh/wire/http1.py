# -*- test-case-name: tests.wire.test_http1 -*-
r"""
HTTP/1 heads: bytes to a value and back, strictly by RFC 9112.

Theory of operation
===================

A head is matched by one regular expression in linear time; what does not match is
not repaired but refused.  Lines end in CR LF and nothing else; a bare CR, a bare
LF, a NUL, another control byte, an obsolete fold, a space before a colon: no head.
The fields that say how long the message is or where it goes are then looked up in
a lower-cased copy, which has the same offsets.

What is forwarded are the bytes that came, with pieces cut out (hop-by-hop
fields, RFC 9110 section 7.6.1) and put in (``Via`` and friends).  A head without
anything to cut is forwarded as it is, in one piece.

::

    -> GET http://b/r?x=1 HTTP/1.1   Host: whatever   Connection: close, X-A   X-A: 1
    <- GET /r?x=1 HTTP/1.1   Host: b   <inserted fields>

May know nothing but bytes: no transport, no clock, no configuration file.
"""

from __future__ import annotations

import re

from edgemesh.errors import (
    BAD_REQUEST,
    BAD_RESPONSE,
    EXPECTATION_FAILED,
    HEAD_TOO_LARGE,
    NOT_IMPLEMENTED,
    URI_TOO_LONG,
    VERSION_UNSUPPORTED,
    RemoteProtocolError,
)
from edgemesh.wire.fields import FIELDS, TOKEN, Head, complainOfFields
from edgemesh.wire.target import isAuthority, parseTarget

# No "#": a fragment is not sent, and readers differ on what it means.
_TARGET = rb"([!\"$-~]++)"
_LINE = rb"(" + TOKEN + rb"++) " + _TARGET + rb" HTTP/1\.([01])\r\n"
_REQUEST = re.compile(_LINE + FIELDS + rb"\r\n")
_REQUEST_LINE = re.compile(_LINE)
_OTHER_VERSION = re.compile(TOKEN + rb"++ " + _TARGET + rb" HTTP/[0-9]\.[0-9]\r\n")
_STATUS = rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?\r\n"
_RESPONSE = re.compile(_STATUS + FIELDS + rb"\r\n")
_STATUS_LINE = re.compile(_STATUS)

_REQUEST_SPECIAL = re.compile(
    rb"\n(content-length|transfer-encoding|connection|host|upgrade|expect|keep-alive|te"
    rb"|proxy-connection|proxy-authorization|http2-settings|x-edgemesh-[^:]*):([^\r]*)"
)
_RESPONSE_SPECIAL = re.compile(
    rb"\n(content-length|transfer-encoding|connection|keep-alive|upgrade|proxy-connection)"
    rb":([^\r]*)"
)

#: Methods that have a meaning for the framing, whoever spells them otherwise, or
#: belong to another protocol.
_MISLEADING = frozenset((b"HEAD", b"CONNECT", b"PRI"))
_KNOWN = frozenset(b"GET HEAD POST PUT DELETE PATCH OPTIONS CONNECT TRACE".split())
#: Methods that may be sent twice (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"))

#: Body modes of a message besides a length >= 0.
CHUNKED = -1
UNTIL_CLOSE = -2


class RequestHead(Head):
    """
    A request's head.

    :ivar method: as received.
    :ivar target: the request target as received.
    :ivar path: the target's path, without query, as it is forwarded.
    :ivar host: the authority that counts: the absolute form's, else Host; empty
        only in HTTP/1.0.
    :ivar body: a length, or ``CHUNKED``.
    :ivar keepAlive: the caller wants its connection kept.
    :ivar websocket: it asks for an upgrade to ``websocket``.
    """

    __slots__ = (
        "_origin",
        "body",
        "host",
        "keepAlive",
        "method",
        "path",
        "target",
        "websocket",
    )

    def __init__(self, match: re.Match[bytes]) -> None:
        super().__init__(match[0], match.start(4) - 1, match[3][0] - 48)
        self.method = match[1]
        self.target = match[2]
        self.body = 0
        self.keepAlive = self.minor == 1
        self.websocket = False
        self.host = b""
        #: The target to forward when it is not the one received.
        self._origin = b""
        self._readFields()
        self._readTarget()

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target[:80]!r} body={self.body}>"

    def _readFields(self) -> None:
        host: bytes | None = None
        length: int | None = None
        chunked = upgrading = False
        upgrade = b""
        for name, padded in _REQUEST_SPECIAL.findall(self._lower):
            value = padded.strip(b" \t")
            if name == b"host":
                if host is not None:
                    raise RemoteProtocolError(BAD_REQUEST, "two Host fields")
                host = value
            elif name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise RemoteProtocolError(BAD_REQUEST, "Content-Length is not one number")
                length = int(value)
            elif name == b"transfer-encoding":
                if chunked:
                    raise RemoteProtocolError(BAD_REQUEST, "two Transfer-Encoding fields")
                # Some readers take a tab at the end for a part of the coding's name.
                _requireChunked(padded.lstrip(b" \t").rstrip(b" "))
                chunked = True
            elif name == b"expect":
                self._readExpect(value)
            else:
                self.cut(name)
                if name == b"connection":
                    close, keep, up = self._connection(value, BAD_REQUEST)
                    self.keepAlive = not close and (self.keepAlive or keep)
                    upgrading = upgrading or up
                elif name == b"upgrade":
                    upgrade = value if not upgrade else b"several"
        self._checkFraming(length, chunked)
        self._checkHost(host)
        self.websocket = (
            upgrading
            and upgrade == b"websocket"
            and self.minor == 1
            and self.method == b"GET"
            and self.body == 0
        )

    def _readExpect(self, value: bytes) -> None:
        if value != b"100-continue":
            raise RemoteProtocolError(EXPECTATION_FAILED, "unknown expectation")
        if self.minor == 0:  # RFC 9110 section 10.1.1: to be ignored
            self.cut(b"expect")

    def _checkFraming(self, length: int | None, chunked: bool) -> None:
        if chunked:
            if length is not None:
                raise RemoteProtocolError(BAD_REQUEST, "both Content-Length and Transfer-Encoding")
            if self.minor == 0:
                raise RemoteProtocolError(BAD_REQUEST, "Transfer-Encoding in HTTP/1.0")
            self.body = CHUNKED
        elif length is not None:
            self.body = length

    def _checkHost(self, host: bytes | None) -> None:
        if host is None:
            if self.minor == 1:
                raise RemoteProtocolError(BAD_REQUEST, "no Host field")
        elif not isAuthority(host):
            raise RemoteProtocolError(BAD_REQUEST, "Host is not a valid authority")
        else:
            self.host = host

    def _readTarget(self) -> None:
        method, target = self.method, self.target
        if method not in _KNOWN and method.upper() in _MISLEADING:
            # An endpoint that ignores case would frame its answer differently.
            raise RemoteProtocolError(BAD_REQUEST, "the method is easily mistaken")
        if target[0] == 47 and method != b"CONNECT":
            self.path = target.partition(b"?")[0]
            return
        if method == b"CONNECT":
            # Refused, its caller may have sent ahead what is not HTTP.
            self.keepAlive = False
        parsed = parseTarget(method, target)
        self.host = parsed.host or self.host
        self.path = parsed.path
        self._origin = parsed.origin

    @property
    def retryable(self) -> bool:
        """It may be sent a second time although the first may have had an effect."""
        return self.body == 0 and self.method in IDEMPOTENT

    def forward(self, insert: bytes, fallbackHost: bytes) -> bytes:
        """
        The head to send to the endpoint.

        :param insert: field lines to put in, each with its CR LF.
        :param fallbackHost: the Host to say when the caller said none.
        """
        if self.websocket:
            insert += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        if self._cuts is None and self.minor == 1 and not self._origin:
            if not insert:
                return self.raw
            return self.raw[:-2] + insert + b"\r\n"
        target = self._origin or self.target
        if self._origin:
            self.cut(b"host")
            insert = b"Host: " + self.host + b"\r\n" + insert
        elif not self.host:
            self.cut(b"host")
            insert = b"Host: " + fallbackHost + b"\r\n" + insert
        line = self.method + b" " + target + b" HTTP/1.1\r\n"
        return b"".join((line, self._fields(), insert, b"\r\n"))


class ResponseHead(Head):
    """
    A response's head.

    :ivar status: the status code.
    :ivar body: a length, ``CHUNKED`` or ``UNTIL_CLOSE``; 0 when it has none by rule.
    :ivar reusable: the endpoint keeps its connection.
    """

    __slots__ = ("body", "reusable", "status")

    def __init__(self, match: re.Match[bytes], method: bytes) -> None:
        super().__init__(match[0], match.start(3) - 1, match[1][0] - 48)
        self.status = int(match[2])
        self.reusable = self.minor == 1
        length, chunked = self._readFields()
        if chunked and (length is not None or self.minor == 0):
            raise RemoteProtocolError(BAD_RESPONSE, "contradicting framing of the body")
        if self.status < 200 or self.status == 204:
            # Neither may have a body, nor say how long it is (RFC 9112 section 6.1).
            self.body = 0
            self.cut(b"content-length")
            self.cut(b"transfer-encoding")
        elif method == b"HEAD" or self.status == 304:
            self.body = 0
        elif chunked:
            self.body = CHUNKED
        elif length is not None:
            self.body = length
        else:
            self.body = UNTIL_CLOSE
            self.reusable = False

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} body={self.body}>"

    def _readFields(self) -> tuple[int | None, bool]:
        length: int | None = None
        chunked = False
        for name, value in _RESPONSE_SPECIAL.findall(self._lower):
            value = value.strip(b" \t")
            if name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise RemoteProtocolError(BAD_RESPONSE, "Content-Length is not one number")
                length = int(value)
            elif name == b"transfer-encoding":
                if chunked or value != b"chunked":
                    raise RemoteProtocolError(BAD_RESPONSE, "unknown Transfer-Encoding")
                chunked = True
            else:
                self.cut(name)
                if name == b"connection":
                    close, keep, _ = self._connection(value, BAD_RESPONSE)
                    self.reusable = not close and (self.reusable or keep)
        return length, chunked

    def forward(self, insert: bytes) -> bytes:
        """The head to send to the caller, with these field lines put in."""
        if self._cuts is None and self.minor == 1:
            if not insert:
                return self.raw
            return self.raw[:-2] + insert + b"\r\n"
        line = b"HTTP/1.1" + self.raw[8 : self._offset + 1]
        return b"".join((line, self._fields(), insert, b"\r\n"))


def _requireChunked(value: bytes) -> None:
    if value == b"chunked":
        return
    *others, last = [coding.strip(b" \t") for coding in value.split(b",")]
    if others and last == b"chunked" and b"chunked" not in others and b"" not in others:
        raise RemoteProtocolError(NOT_IMPLEMENTED, "a transfer coding besides chunked")
    raise RemoteProtocolError(BAD_REQUEST, "Transfer-Encoding is not chunked")


def parseRequest(data: bytes, requestLine: int, head: int, headerCount: int) -> RequestHead | None:
    """
    Read a request's head from the beginning of ``data``.

    :param requestLine: longest request line, bytes.
    :param head: largest head, bytes.
    :param headerCount: most fields.
    :return: None while more bytes are needed.
    :raise RemoteProtocolError: with the failure to answer.
    """
    match = _REQUEST.match(data)
    if match is None:
        _complain(data, requestLine, head, headerCount)
        return None
    if match.end(3) + 2 > requestLine:
        raise RemoteProtocolError(URI_TOO_LONG, f"request line over {requestLine} bytes")
    if match.end() > head or match[4].count(b"\n") > headerCount:
        raise RemoteProtocolError(HEAD_TOO_LARGE, "head over the limit")
    return RequestHead(match)


def _complain(data: bytes, requestLine: int, head: int, headerCount: int) -> None:
    """Return when ``data`` can still become a request head; say what is wrong otherwise."""
    line = data.find(b"\n")
    if (len(data) if line < 0 else line + 1) > requestLine:
        raise RemoteProtocolError(URI_TOO_LONG, f"request line over {requestLine} bytes")
    if line < 0:
        return
    match = _REQUEST_LINE.match(data)
    if match is None:
        if _OTHER_VERSION.match(data) is not None:
            raise RemoteProtocolError(VERSION_UNSUPPORTED, "not HTTP/1.0 or HTTP/1.1")
        raise RemoteProtocolError(BAD_REQUEST, "malformed request line")
    complainOfFields(data, match.end(), head, headerCount, BAD_REQUEST)


def parseResponse(data: bytes, method: bytes, head: int, headerCount: int) -> ResponseHead | None:
    """
    Read a response's head from the beginning of ``data``.

    :param method: the request's method; an answer to HEAD has no body.
    :return: None while more bytes are needed.
    :raise RemoteProtocolError: with ``BAD_RESPONSE``.
    """
    match = _RESPONSE.match(data)
    if match is None:
        line = _STATUS_LINE.match(data)
        if line is not None:
            complainOfFields(data, line.end(), head, headerCount, BAD_RESPONSE)
        elif b"\n" in data or len(data) > head or not b"HTTP/1.".startswith(data[:7]):
            raise RemoteProtocolError(BAD_RESPONSE, "malformed status line")
        return None
    if match.end() > head or match[3].count(b"\n") > headerCount:
        raise RemoteProtocolError(BAD_RESPONSE, "head over the limit")
    return ResponseHead(match, method)
