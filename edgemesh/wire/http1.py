# -*- test-case-name: tests.wire.test_http1 -*-
r"""
HTTP/1 requests, their heads: bytes to a value and back, strictly by RFC 9112.

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

Answers are read the same way, in :mod:`edgemesh.wire.response`.
May know nothing but bytes: no transport, no clock, no configuration file.
"""

from __future__ import annotations

import re

from edgemesh.errors import (
    BAD_REQUEST,
    EXPECTATION_FAILED,
    HEAD_TOO_LARGE,
    NOT_IMPLEMENTED,
    URI_TOO_LONG,
    VERSION_UNSUPPORTED,
    RemoteProtocolError,
)
from edgemesh.wire.fields import (
    CHUNKED,
    FIELDS,
    SHORTEST_FIELD,
    TOKEN,
    Head,
    complainOfFields,
    newHead,
)
from edgemesh.wire.target import AUTHORITY, parseTarget

# No "#": a fragment is not sent, and readers differ on what it means.
_TARGET = rb"([!\"$-~]++)"
_LINE = rb"(" + TOKEN + rb"++) " + _TARGET + rb" HTTP/1\.([01])\r\n"
# Hot: bound methods, because looking one up costs as much as a call.
_isAuthority = AUTHORITY.fullmatch
_matchRequest = re.compile(_LINE + FIELDS + rb"\r\n").match
_REQUEST_LINE = re.compile(_LINE)
_OTHER_VERSION = re.compile(TOKEN + rb"++ " + _TARGET + rb" HTTP/[0-9]\.[0-9]\r\n")

_specialInRequest = re.compile(
    rb"\n(content-length|transfer-encoding|connection|host|upgrade|expect|keep-alive|te"
    rb"|proxy-connection|proxy-authorization|http2-settings|x-edgemesh-[^:]*):([^\r]*)"
).findall

#: Methods that have a meaning for the framing, whoever spells them otherwise, or
#: belong to another protocol.
_MISLEADING = frozenset((b"HEAD", b"CONNECT", b"PRI"))
_KNOWN = frozenset(b"GET HEAD POST PUT DELETE PATCH OPTIONS TRACE".split())
#: Methods that may be sent twice (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"))

_BAD_HOST = "Host is not a valid authority"


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
    :ivar plain: it may be forwarded as it is, with lines put in at its end.
    :ivar retryable: it may be sent a second time although the first may have had an
        effect.
    """

    __slots__ = (
        "_origin",
        "body",
        "host",
        "keepAlive",
        "method",
        "path",
        "plain",
        "retryable",
        "target",
        "websocket",
    )

    def read(self, match: re.Match[bytes]) -> None:
        """Take a head that has matched; once."""
        # Hot: what Head.__init__ does, and then as little as can be.
        self.raw = raw = match[0]
        self.end = len(raw)
        self.minor = minor = match[3][0] - 48
        self._offset = offset = match.start(4) - 1
        self._lower = lower = raw[offset:].lower()
        self._cuts = None
        self._usual = 0
        self.method = method = match[1]
        self.target = target = match[2]
        #: The target to forward when it is not the one received.
        self._origin = b""
        self.body = 0
        self.websocket = False
        special = _specialInRequest(lower)
        self.plain = False
        if minor and len(special) == 1 and special[0][0] == b"host":
            self.plain = self.keepAlive = True
            self.host = host = special[0][1].strip(b" \t")
            if _isAuthority(host) is None:
                raise RemoteProtocolError(BAD_REQUEST, _BAD_HOST)
        else:
            self._readFields(special)
        if target[0] == 47 and method in _KNOWN:
            self.path = target.partition(b"?")[0]
        else:
            self.plain = False
            self._readTarget()
        self.retryable = self.body == 0 and method in IDEMPOTENT

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target[:80]!r} body={self.body}>"

    def _readFields(self, special: list[tuple[bytes, bytes]]) -> None:
        host: bytes | None = None
        length: int | None = None
        chunked = closing = keeping = upgrading = False
        upgrade = b""
        for name, padded in special:
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
            elif name == b"connection":
                close, keep, up = self._readConnection(padded, BAD_REQUEST)
                closing = closing or close
                keeping = keeping or keep
                upgrading = upgrading or up
            else:
                self.cut(name)
                if name == b"upgrade":
                    upgrade = value if not upgrade else b"several"
        self.keepAlive = not closing and (keeping or self.minor == 1)
        self._checkFraming(length, chunked)
        self._checkHost(host)
        if upgrading:
            self.websocket = upgrade == b"websocket" and self._mayUpgrade()

    def _mayUpgrade(self) -> bool:
        return self.minor == 1 and self.method == b"GET" and self.body == 0

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
            host = b""
        elif _isAuthority(host) is None:
            raise RemoteProtocolError(BAD_REQUEST, _BAD_HOST)
        self.host = host

    def _readTarget(self) -> None:
        method, target = self.method, self.target
        if method != b"CONNECT" and method not in _KNOWN and method.upper() in _MISLEADING:
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

    def forward(self, insert: bytes, fallbackHost: bytes) -> bytes:
        """
        The head to send to the endpoint.

        :param insert: field lines to put in, each with its CR LF.
        :param fallbackHost: the Host to say when the caller said none.
        """
        if self.websocket:
            insert += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        if self.minor == 1 and not self._origin:
            return self._whole(insert)
        target = self._origin or self.target
        if self._origin:
            self.cut(b"host")
            insert = b"Host: " + self.host + b"\r\n" + insert
        elif not self.host:
            self.cut(b"host")
            insert = b"Host: " + fallbackHost + b"\r\n" + insert
        line = self.method + b" " + target + b" HTTP/1.1\r\n"
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
    match = _matchRequest(data)
    if match is None:
        _complain(data, requestLine, head, headerCount)
        return None
    if match.end(3) + 2 > requestLine:
        raise RemoteProtocolError(URI_TOO_LONG, f"request line over {requestLine} bytes")
    end = match.end()
    # Few bytes are few fields; counting those of every head would cost more.
    few = end <= headerCount * SHORTEST_FIELD
    if end > head or not (few or match[4].count(b"\n") <= headerCount):
        raise RemoteProtocolError(HEAD_TOO_LARGE, "head over the limit")
    parsed = newHead(RequestHead)
    parsed.read(match)
    return parsed


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
