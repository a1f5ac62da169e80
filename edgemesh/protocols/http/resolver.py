# -*- test-case-name: tests.protocols.http.test_resolver -*-
"""
Recognise HTTP/1 by its request line.

The rule is one-sided.  What an application could take for a request of a
registered method, however malformed, is HTTP: were it rejected it would be
relayed unread, past everything that is decided request by request.  Text that
begins otherwise is HTTP only if its first line says so.

The verdict depends on the bytes, not on where the network cut them.  Knows
bytes only.
"""

from __future__ import annotations

import re

from zope.interface import implementer

from edgemesh.interfaces import IResolver, Verdict

#: The methods of the IANA registry (RFC 9110, 16.1), without HTTP/2's ``PRI``.
METHODS = frozenset(
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK "
    b"LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS "
    b"ORDERPATCH PATCH POST PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE "
    b"UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL".split()
)
#: A request line with more bytes than this is not waited for.
LONGEST_LINE = 8_192

_PREFACE = b"PRI * HTTP/2.0"
_PREFIXES = frozenset(method[:end] for method in METHODS for end in range(len(method) + 1))
_LONGEST_METHOD = max(map(len, METHODS))
#: A registered method and one of the white spaces that lenient readers accept.
_REQUEST = re.compile(rb"(%s)[ \t\v\f\r]" % b"|".join(sorted(METHODS, reverse=True)))
_TARGET = re.compile(rb"[ \t\v\f\r]+(?:/|\*|http)", re.IGNORECASE)
_AUTHORITY = re.compile(rb"[ \t\v\f\r]+[A-Za-z0-9._~%:/*\[-]")
_VERSION = re.compile(rb"HTTP/", re.IGNORECASE)
_OTHER_VERSION = re.compile(rb"(?:RTSP|SIP)/[0-9]\.[0-9][ \t\r]*\Z")
_NOT_TEXT = re.compile(rb"[^\t\r\x20-\x7e]")


@implementer(IResolver)
class HTTPResolver:
    """HTTP/1.0 and HTTP/1.1, well-formed or not."""

    name = "http"

    def resolve(self, data: bytes, quiet: bool) -> Verdict:
        if data.startswith(_PREFACE):
            return Verdict.REJECTED
        # Servers skip empty lines before a request, some of them odd ones too.
        data = data.lstrip(b"\r\n")
        if data[: _LONGEST_METHOD + 1] in _PREFIXES:
            return Verdict.UNDECIDED
        line, ended = _firstLine(data)
        request = _REQUEST.match(data)
        if request is None:
            return _unknownMethod(line, ended, quiet)
        if ended:
            return _knownMethod(line, request.group(1), request.end(1))
        return Verdict.CONFIRMED if len(line) == LONGEST_LINE else Verdict.UNDECIDED


def _firstLine(data: bytes) -> tuple[bytes, bool]:
    """The first line, as far as it is looked at, and whether it is whole."""
    end = data.find(b"\n", 0, LONGEST_LINE)
    return (data[:LONGEST_LINE], False) if end < 0 else (data[:end], True)


def _knownMethod(line: bytes, method: bytes, end: int) -> Verdict:
    """Judge a whole line that begins with a registered method."""
    if _VERSION.search(line, end):
        return Verdict.CONFIRMED
    if _OTHER_VERSION.search(line, end):
        return Verdict.REJECTED
    target = _AUTHORITY if method == b"CONNECT" else _TARGET
    # Redis, STOMP and NATS have words in common with HTTP: "GET key", "CONNECT {".
    return Verdict.CONFIRMED if target.match(line, end) else Verdict.REJECTED


def _unknownMethod(line: bytes, ended: bool, quiet: bool) -> Verdict:
    """Judge a line that begins with anything else."""
    if _NOT_TEXT.search(line):
        return Verdict.REJECTED
    if ended:
        return Verdict.CONFIRMED if _VERSION.search(line) else Verdict.REJECTED
    if quiet or len(line) == LONGEST_LINE:
        return Verdict.REJECTED
    return Verdict.UNDECIDED
