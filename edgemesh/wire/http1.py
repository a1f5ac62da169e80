# -*- test-case-name: tests.wire.test_http1 -*-
r"""
HTTP/1 heads: bytes to a value and back, strictly by RFC 9112.

Theory of operation
===================

A head is matched by one regular expression whose quantifiers are possessive, so
that matching is linear; what does not match is not repaired but refused.  Lines
end in CR LF and nothing else; a bare CR, a bare LF, a NUL, another control byte,
an obsolete fold, a space before a colon: no head.  The fields that say how long
the message is or where it goes are then looked up in a lower-cased copy, which
has the same offsets.

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
    Failure,
    RemoteProtocolError,
)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_FIELDS = rb"((?:" + _TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*+)"
_REQUEST = re.compile(rb"(" + _TOKEN + rb"++) ([!-~]++) HTTP/1\.([01])\r\n" + _FIELDS + rb"\r\n")
_RESPONSE = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ?+[\t -~\x80-\xff]*+\r\n" + _FIELDS + rb"\r\n"
)
_REQUEST_LINE = re.compile(_TOKEN + rb"++ [!-~]++ HTTP/1\.[01]\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9] ?+[\t -~\x80-\xff]*+\r\n")
_OTHER_VERSION = re.compile(_TOKEN + rb"++ [!-~]++ HTTP/[0-9]+\.[0-9]+\r?$")
_FIELDS_ONLY = re.compile(_FIELDS)

# re.IGNORECASE would be six times slower than a lower-cased copy.
_REQUEST_SPECIAL = re.compile(
    rb"\n(content-length|transfer-encoding|connection|host|upgrade|expect|keep-alive|te"
    rb"|proxy-connection|proxy-authorization|http2-settings|x-edgemesh-[^:]*):([^\r]*)"
)
_RESPONSE_SPECIAL = re.compile(
    rb"\n(content-length|transfer-encoding|connection|keep-alive|upgrade|proxy-connection)"
    rb":([^\r]*)"
)
_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+;=%]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5}+)?+")
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*+)", re.IGNORECASE)

#: A connection option may not name these: removing them would change the message.
_NEVER_HOP = frozenset((b"host", b"content-length", b"transfer-encoding", b"authorization"))

#: Methods that may be sent twice (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"))

#: Body modes of a message besides a length >= 0.
CHUNKED = -1
UNTIL_CLOSE = -2


class _Head:
    """What a request's and a response's head share: the bytes and what to cut."""

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
            elif option:
                self.cut(option)
        return close, keep, upgrade

    def _fields(self) -> bytes:
        """The field lines that are forwarded, with the closing CR LF left off."""
        fields = self.raw[self._offset + 1 : -2]
        cuts = self._cuts
        if cuts is None:
            return fields
        # Spans are offsets into _lower, which is one byte (the LF) ahead of fields.
        spans = []
        lower = self._lower
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


class RequestHead(_Head):
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
    :ivar continues: it waits for ``100 Continue``.
    :ivar end: length of the head in bytes.
    """

    __slots__ = (
        "_origin",
        "body",
        "continues",
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
        self.continues = False
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
        for name, value in _REQUEST_SPECIAL.findall(self._lower):
            value = value.strip(b" \t")
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
                _requireChunked(value)
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
        else:
            self.continues = True

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
        elif _HOST.fullmatch(host) is None:
            raise RemoteProtocolError(BAD_REQUEST, "Host is not a valid authority")
        else:
            self.host = host

    def _readTarget(self) -> None:
        target = self.target
        if target[0] == 47 and self.method != b"CONNECT":
            self.path = target.partition(b"?")[0]
        elif self.method == b"CONNECT":
            if _HOST.fullmatch(target) is None or b":" not in target:
                raise RemoteProtocolError(BAD_REQUEST, "CONNECT needs host:port")
            self.host = target
            self.path = b""
        elif target == b"*" and self.method == b"OPTIONS":
            self.path = target
        else:
            self._readAbsolute(target)

    def _readAbsolute(self, target: bytes) -> None:
        """Absolute form: its authority wins over Host (RFC 9112 section 3.2.2)."""
        match = _ABSOLUTE.match(target)
        if match is None:
            raise RemoteProtocolError(BAD_REQUEST, "the request target has no known form")
        if match[1].lower() != b"http":
            raise RemoteProtocolError(BAD_REQUEST, "https is reached by CONNECT")
        if _HOST.fullmatch(match[2]) is None:
            raise RemoteProtocolError(BAD_REQUEST, "the request target's authority is not valid")
        self.host = match[2]
        origin = target[match.end() :]
        if not origin and self.method == b"OPTIONS":
            origin = b"*"
        elif not origin.startswith(b"/"):
            origin = b"/" + origin
        self._origin = origin
        self.path = origin.partition(b"?")[0]

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


class ResponseHead(_Head):
    """
    A response's head.

    :ivar status: the status code.
    :ivar body: a length, ``CHUNKED`` or ``UNTIL_CLOSE``; 0 when it has none by rule.
    :ivar reusable: the endpoint keeps its connection.
    :ivar end: length of the head in bytes.
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
    codings = [coding.strip(b" \t") for coding in value.split(b",")]
    if codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and b"" not in codings:
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
    if line < 0:
        if len(data) > requestLine:
            raise RemoteProtocolError(URI_TOO_LONG, f"request line over {requestLine} bytes")
        return
    if line > requestLine:
        raise RemoteProtocolError(URI_TOO_LONG, f"request line over {requestLine} bytes")
    match = _REQUEST_LINE.match(data)
    if match is None:
        if _OTHER_VERSION.match(data[:line]) is not None:
            raise RemoteProtocolError(VERSION_UNSUPPORTED, "not HTTP/1.0 or HTTP/1.1")
        raise RemoteProtocolError(BAD_REQUEST, "malformed request line")
    _complainOfFields(data, match.end(), head, headerCount, BAD_REQUEST)


def _complainOfFields(
    data: bytes, begin: int, head: int, headerCount: int, failure: Failure
) -> None:
    fields = _FIELDS_ONLY.match(data, begin)
    assert fields is not None  # it matches nothing as well
    if data.find(b"\n", fields.end()) >= 0:
        raise RemoteProtocolError(failure, "malformed header field")
    tooLarge = failure if failure is BAD_RESPONSE else HEAD_TOO_LARGE
    if len(data) > head or fields[1].count(b"\n") > headerCount:
        raise RemoteProtocolError(tooLarge, "head over the limit")


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
            _complainOfFields(data, line.end(), head, headerCount, BAD_RESPONSE)
        elif b"\n" in data or len(data) > head or not b"HTTP/1.".startswith(data[:7]):
            raise RemoteProtocolError(BAD_RESPONSE, "malformed status line")
        return None
    if match.end() > head or match[3].count(b"\n") > headerCount:
        raise RemoteProtocolError(BAD_RESPONSE, "head over the limit")
    return ResponseHead(match, method)
