# -*- test-case-name: tests.dns.test_addresses -*-
"""
Where name servers are: ``127.0.0.1:53``, ``[::1]:53``, and lines of resolv.conf.

A name server is at an IP address; a name for it would need another name server.
Knows text only; ``/etc/resolv.conf`` is read by whoever has it, and never written.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

PORT = 53

#: With a zone, as link-local name servers have one: ``fe80::1%eth0``.
_TEXT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")
_LINE = re.compile(r"\s*nameserver\s+(?P<host>\S+)")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port for both UDP and TCP."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def readAddress(text: str) -> Address:
    """
    Understand ``10.0.0.1``, ``10.0.0.1:5353``, ``[::1]`` or ``[::1]:5353``.

    :raise ValueError: it is none; the text says what was expected.
    """
    match = _TEXT.fullmatch(text)
    host = (match["six"] or match["four"] or "") if match else ""
    port = int(match["port"] or PORT) if match else -1
    if not _isAddress(host) or port > 65_535 or (":" in host) != bool(match and match["six"]):
        raise ValueError(f"expected an address such as 10.0.0.1:53 or [::1]:53, found {text!r}")
    return Address(host, port)


def nameServersIn(text: str, ours: Collection[Address] = ()) -> tuple[Address, ...]:
    """
    The name servers of a resolv.conf, in order.

    :param ours: where this very name server listens; it must not ask itself.
    """
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and _isAddress(match["host"]):
            found.append(Address(match["host"]))
    return tuple(each for each in dict.fromkeys(found) if each not in ours)


def callerAt(host: str) -> str:
    """The caller's address; an IPv4 one as such on a socket for both versions of IP."""
    return host.removeprefix("::ffff:") if "." in host else host


def _isAddress(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
