# -*- test-case-name: tests.protocols.test_listenat -*-
"""
Server endpoint strings: looked at without a reactor, and made into endpoints.

Twisted understands ``tcp:18080:interface=127.0.0.1`` only when there is a reactor
to listen with, too late for a configuration's error line.  The two common kinds
are checked here; any other kind may be a plugin's and is passed on as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from edgemesh.errors import ConfigurationError

#: A backslash makes the next character part of a value, as in ``interface=\:\:1``.
_PART = r"(?:[^:\\]|\\.)*"
_WHOLE = re.compile(rf"(?s){_PART}(?::{_PART})+")
_PARTS = re.compile(rf"(?s)(?:^|:)({_PART})")
_NAMED = re.compile(r"(?s)((?:[^=\\]|\\.)*)=(.*)")
_KIND = re.compile(r"[a-z][a-z0-9]*")
_ANYWHERE = ("", "0.0.0.0", "::")

#: How many callers may wait to be accepted; the system may allow fewer.  Twisted's own 50 are
#: soon full when many come at once, and who finds no room tries again a second later.
BACKLOG = 1024

_TCP = "tcp:PORT or tcp:PORT:interface=ADDRESS, with PORT from 0 to 65535"
_UNIX = "unix:PATH"


@dataclass(frozen=True, slots=True)
class ListenAt:
    """
    What an endpoint string says.

    :ivar kind: ``tcp``, ``unix``, or another.
    :ivar address: the interface (empty for all), the path, or the whole text.
    :ivar port: 0 when it is any free port, or when there is none.
    """

    kind: str
    address: str
    port: int = 0

    def clashesWith(self, other: ListenAt) -> bool:
        """Whether both cannot be listened at together."""
        if self.kind != other.kind or self.port != other.port:
            return False
        if self.kind != "tcp":
            return self.address == other.address
        return self.port != 0 and (
            self.address == other.address or self.address in _ANYWHERE or other.address in _ANYWHERE
        )


def listenAt(text: str) -> ListenAt:
    """
    Understand an endpoint string.

    :raise ValueError: it is none; the text says what was expected.
    """
    kind, *parts = _PARTS.findall(text) if _WHOLE.fullmatch(text) else [""]
    if not _KIND.fullmatch(kind):
        raise ValueError("an endpoint such as tcp:18080:interface=127.0.0.1")
    positional, named = [], {}
    for part in parts:
        assignment = _NAMED.fullmatch(part)
        if assignment is None:
            positional.append(_plain(part))
        else:
            named[_plain(assignment[1])] = _plain(assignment[2])
    if kind == "tcp":
        return _tcp(positional, named)
    if kind == "unix":
        return _unix(positional, named)
    return ListenAt(kind, text)


def withBacklog(text: str) -> str:
    """The same endpoint string, with room for many callers at once unless it says for how many."""
    if listenAt(text).kind not in ("tcp", "unix") or ":backlog=" in text:
        return text
    return f"{text}:backlog={BACKLOG}"


def endpointAt(reactor: Any, text: str, path: str) -> IStreamServerEndpoint:
    """
    The endpoint that a string means; opens nothing.

    :param path: the configuration's key, for the error.
    :raise ConfigurationError: this machine has no such endpoint: a kind that nobody
        provides, options it does not know, a certificate that is not there.
    """
    try:
        return serverFromString(reactor, withBacklog(text))  # type: ignore[no-any-return, no-untyped-call]
    except (ValueError, TypeError, LookupError, OSError) as error:
        why = " ".join(str(error).split())
        raise ConfigurationError(
            f"{path}: expected an endpoint that can be had here, found {text!r} ({why})"
        ) from None


def _plain(text: str) -> str:
    """A value without its backslashes."""
    return re.sub(r"(?s)\\(.)", r"\1", text)


def _tcp(positional: list[str], named: dict[str, str]) -> ListenAt:
    ports = positional[:1] or [named.pop("port", "")]
    address = named.pop("interface", "")
    backlog = named.pop("backlog", "50")
    port = int(ports[0]) if re.fullmatch(r"[0-9]{1,5}", ports[0]) else -1
    if named or len(positional) > 1 or not backlog.isdecimal() or not 0 <= port <= 65_535:
        raise ValueError(_TCP)
    return ListenAt("tcp", address, port)


def _unix(positional: list[str], named: dict[str, str]) -> ListenAt:
    paths = positional[:1] or [named.pop("address", "")]
    named.pop("lockfile", None)
    backlog, mode = named.pop("backlog", "50"), named.pop("mode", "666")
    sound = backlog.isdecimal() and re.fullmatch(r"[0-7]{1,4}", mode)
    if named or len(positional) > 1 or not paths[0] or not sound:
        raise ValueError(_UNIX)
    return ListenAt("unix", paths[0])
