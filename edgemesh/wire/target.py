# -*- test-case-name: tests.wire.test_target -*-
"""
Where a request goes: its target's form and its authority (RFC 9112 section 3.2).

::

    -> /r?x=1          origin form: as it is; Host says whom
    -> http://b/r?x=1  absolute form: its authority wins over Host; /r?x=1 goes on
    -> b:443           authority form: CONNECT only, and only with a port
    -> *               asterisk form: OPTIONS only

Looks nothing up: whether somebody of this name is known is the router's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgemesh.errors import BAD_REQUEST, RemoteProtocolError

# Without user information, which only serves to disguise a name.
_NAME = rb"(?:[A-Za-z0-9\-._~!$&'()*+;=%]++|\[[0-9A-Fa-f:.]++\])"
#: A name or address, with or without a port.
AUTHORITY = re.compile(_NAME + rb"(?::[0-9]{0,5}+)?")
_HOST_AND_PORT = re.compile(_NAME + rb":[0-9]{1,5}+")
_ABSOLUTE = re.compile(rb"(https?)://([^/?]*+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """
    A request target that is not in origin form.

    :ivar host: the authority it names, or empty.
    :ivar path: without query, as it is forwarded.
    :ivar origin: the target to forward, or empty: as it was received.
    """

    host: bytes
    path: bytes
    origin: bytes = b""


def parseTarget(method: bytes, target: bytes) -> Target:
    """
    Read a target in any form but the origin form.

    :raise RemoteProtocolError: it has no form that goes with the method.
    """
    if method == b"CONNECT":
        if _HOST_AND_PORT.fullmatch(target) is None:
            raise RemoteProtocolError(BAD_REQUEST, "CONNECT needs host:port")
        return Target(target, b"")
    if target == b"*" and method == b"OPTIONS":
        return Target(b"", target)
    match = _ABSOLUTE.match(target)
    if match is None:
        raise RemoteProtocolError(BAD_REQUEST, "the request target has no known form")
    if match[1].lower() != b"http":
        raise RemoteProtocolError(BAD_REQUEST, "https is reached by CONNECT")
    if AUTHORITY.fullmatch(match[2]) is None:
        raise RemoteProtocolError(BAD_REQUEST, "the request target's authority is not valid")
    origin = target[match.end() :]
    if not origin and method == b"OPTIONS":
        origin = b"*"
    elif not origin.startswith(b"/"):
        origin = b"/" + origin
    return Target(match[2], origin.partition(b"?")[0], origin)
