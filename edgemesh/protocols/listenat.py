# -*- test-case-name: tests.protocols.test_listenat -*-
"""
Server endpoint strings, looked at without a reactor.

Twisted understands ``tcp:18080:interface=127.0.0.1`` only when there is a reactor
to listen with, too late for a configuration's error line.  The two common kinds
are checked here; any other kind may be a plugin's and is passed on as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A colon that no backslash makes part of a value, as in ``interface=\:\:1``.
_COLON = re.compile(r"(?<!\\):")
_KIND = re.compile(r"[a-z][a-z0-9]*")
_ANYWHERE = ("", "0.0.0.0", "::")

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
    kind, *parts = _COLON.split(text)
    if not _KIND.fullmatch(kind) or not parts:
        raise ValueError("an endpoint such as tcp:18080:interface=127.0.0.1")
    positional = [part for part in parts if "=" not in part]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    if kind == "tcp":
        return _tcp(positional, named)
    if kind == "unix":
        return _unix(positional, named)
    return ListenAt(kind, text)


def _tcp(positional: list[str], named: dict[str, str]) -> ListenAt:
    ports = positional[:1] or [named.pop("port", "")]
    address = named.pop("interface", "").replace("\\", "")
    named.pop("backlog", None)
    port = int(ports[0]) if re.fullmatch(r"[0-9]{1,5}", ports[0]) else -1
    if named or len(positional) > 1 or not 0 <= port <= 65_535:
        raise ValueError(_TCP)
    return ListenAt("tcp", address, port)


def _unix(positional: list[str], named: dict[str, str]) -> ListenAt:
    paths = positional[:1] or [named.pop("address", "")]
    for known in ("mode", "backlog", "lockfile"):
        named.pop(known, None)
    if named or len(positional) > 1 or not paths[0]:
        raise ValueError(_UNIX)
    return ListenAt("unix", paths[0].replace("\\", ""))
