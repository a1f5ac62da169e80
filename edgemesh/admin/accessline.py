# -*- test-case-name: tests.admin.test_accessline -*-
"""
One call as one line of JSON.

The fields are those that Envoy's and Istio's users know, and some of ours.
Pure: values in, bytes out; knows no file and no clock.

Whatever a caller sent, the line is one valid JSON object in printable ASCII:
other bytes are written as escapes, long values are cut.  A line never has a
query, a body, credentials or cookies: the fields it has are all it looks at.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache

import msgspec

from edgemesh.invocation import Head, Invocation, Outcome

#: Longest value that a caller may put into a line, in bytes.
LONGEST = 256

_TRACE = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class Line(msgspec.Struct, frozen=True, gc=False):
    """
    What the access log says of a call; the names are the wire names.

    :ivar start_time: RFC 3339 in UTC, with milliseconds.
    :ivar response_flags: the reason word of the failure table, or empty.
    :ivar bytes_received: from the caller, heads included.
    :ivar duration: milliseconds until the call ended.
    :ivar upstream_service_time: milliseconds until the answer began.
    :ivar route_name: how the service port was found: by the ``listener`` or by
        ``name``; empty when it was not.
    :ivar hop: which way the call went.
    """

    start_time: str
    method: str
    path: str
    protocol: str
    response_code: int
    response_flags: str
    bytes_received: int
    bytes_sent: int
    duration: int
    upstream_service_time: int
    upstream_host: str
    upstream_cluster: str
    route_name: str
    authority: str
    requested_server_name: str
    user_agent: str
    x_forwarded_for: str
    request_id: str
    trace_id: str
    downstream_remote_address: str
    attempts: int
    hop: str
    node: str


class LineWriter:
    """
    Makes lines, and remembers the text of the present second.

    :param node: the name of this node.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._encode = msgspec.json.Encoder().encode
        self._second = -1
        self._prefix = ""

    def line(
        self, invocation: Invocation, outcome: Outcome, startedAt: float, duration: float
    ) -> bytes:
        """
        Describe a call that ended.

        :param startedAt: when it began, in seconds since the epoch.
        :param duration: seconds from then to its end.
        :return: one line, with its newline.
        """
        head = invocation.head
        failure = outcome.failure
        endpoint = invocation.endpoint
        route = invocation.route
        byServerName = invocation.protocol == "tls"
        name = repeated(_withoutUser(invocation.name))
        line = Line(
            start_time=self._timestamp(startedAt),
            method=repeated(invocation.method),
            path=printable(_path(invocation.path)),
            protocol=invocation.protocol,
            response_code=outcome.status,
            response_flags=failure.reason if failure is not None else "",
            bytes_received=outcome.received,
            bytes_sent=outcome.sent,
            duration=_milliseconds(duration),
            upstream_service_time=_milliseconds(outcome.latency),
            upstream_host=endpoint.address if endpoint is not None else "",
            upstream_cluster=route.key if route is not None else "",
            route_name="" if route is None else "listener" if invocation.asked else "name",
            authority="" if byServerName else name,
            requested_server_name=name if byServerName else "",
            user_agent=_header(head, b"user-agent"),
            x_forwarded_for=_header(head, b"x-forwarded-for"),
            request_id=_requestID(head),
            trace_id=traceOf(head),
            downstream_remote_address=invocation.caller,
            attempts=invocation.attempts,
            hop="direct",
            node=self._node,
        )
        return self._encode(line) + b"\n"

    def _timestamp(self, at: float) -> str:
        second, milliseconds = divmod(round(at * 1000), 1000)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{milliseconds:03d}Z"


def printable(value: bytes) -> str:
    """These bytes as printable ASCII, cut to a bounded length."""
    if not value:
        return ""
    if len(value) > LONGEST:
        value = value[: LONGEST - 3] + b"..."
    text = value.decode("ascii", "backslashreplace")
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


_seen = lru_cache(maxsize=1024)(printable)


def repeated(value: bytes) -> str:
    """The same as :func:`printable`, for values that most calls have in common."""
    # One byte more than is shown, so that a cut one still looks cut.
    return _seen(value[: LONGEST + 1])


def traceOf(head: Head | None) -> str:
    """The trace ID of a valid W3C ``traceparent``, or an empty string."""
    value = head.header(b"traceparent") if head is not None else None
    if value is None or len(value) > LONGEST:
        return ""
    found = _TRACE.fullmatch(value)
    if found is None:
        return ""
    version, trace, span, more = found.groups()
    # Version 00 has nothing after the flags; later versions may.
    if version == b"ff" or (version == b"00" and more is not None):
        return ""
    return "" if trace == _NO_TRACE or span == _NO_SPAN else trace.decode("ascii")


def _header(head: Head | None, name: bytes) -> str:
    value = head.header(name) if head is not None else None
    return repeated(value) if value is not None else ""


def _requestID(head: Head | None) -> str:
    value = head.header(b"x-request-id") if head is not None else None
    return printable(value) if value is not None else ""


def _path(target: bytes) -> bytes:
    """A request target without what may be secret: its query, a user and a password."""
    path = target.partition(b"?")[0]
    return path if path.startswith(b"/") else _withoutUser(path)


def _withoutUser(authority: bytes) -> bytes:
    return authority.rpartition(b"@")[2]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
