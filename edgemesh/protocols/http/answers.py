# -*- test-case-name: tests.protocols.http.test_answers -*-
"""
The answers the mesh itself gives in HTTP: a row of the failure table as bytes.

Knows nothing but the table.
"""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from edgemesh.errors import METHOD_REFUSED, Failure

#: To a CONNECT, once the endpoint is connected.
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"
#: What an upgraded connection's heads say in place of the hop-by-hop fields cut out.
UPGRADED = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"

#: A handler may have asked for a status that nobody has named.
_KNOWN = frozenset(HTTPStatus)


def localAnswer(
    failure: Failure,
    connection: bytes,
    status: int = 0,
    retryAfter: float | None = None,
    bodyless: bool = False,
) -> bytes:
    """
    The whole answer for a failed call.

    :param connection: ``CLOSE``, ``KEEP_ALIVE`` or nothing.
    :param status: instead of the table's status, or 0.
    :param retryAfter: seconds, for ``Retry-After``; rounded up.
    :param bodyless: the request was HEAD.
    """
    code = status or failure.http
    phrase = HTTPStatus(code).phrase if code in _KNOWN else ""
    body = f"{failure.reason}: {failure.meaning}\n".encode("ascii")
    lines = [
        f"HTTP/1.1 {code} {phrase}\r\n".encode("ascii"),
        f"x-edgemesh-reason: {failure.reason}\r\n".encode("ascii"),
        connection,
    ]
    if retryAfter is not None:
        lines.append(b"Retry-After: %d\r\n" % max(1, ceil(retryAfter)))
    if failure is METHOD_REFUSED:
        lines.append(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
    if code != 204:
        lines.append(b"Content-Type: text/plain; charset=us-ascii\r\n")
        lines.append(b"Content-Length: %d\r\n" % len(body))
    lines.append(b"\r\n")
    if code != 204 and not bodyless:
        lines.append(body)
    return b"".join(lines)
