# -*- test-case-name: tests.meta.test_manifests -*-
"""
Reading one object: where its errors, problems and notes go, and its addresses.

An *error* makes the file unusable, a *problem* costs one object or a part of it,
a *note* says what is ignored on purpose.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edgemesh.errors import ConfigurationError
from edgemesh.meta.shapes import shown

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
#: IPv4 addresses of which nothing more needs to be known: a shortcut, since there are
#: thousands, and :mod:`ipaddress` takes some 20 us for each.
_PLAIN = re.compile(rf"(?!169\.)(?:22[0-3]|2[01]\d|1\d\d|[1-9]\d?)(?:\.{_OCTET}){{3}}", re.ASCII)


def addressOf(text: str) -> str:
    """
    An endpoint's address in its one spelling.

    :raise ValueError: it is no IP address, or one that no endpoint can have.
    """
    if _PLAIN.fullmatch(text) is not None:
        return text
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone belongs to one node only")
        address = address.ipv4_mapped or address
    limited = address.version == 4 and (address.packed[0] == 0 or address.packed == b"\xff" * 4)
    if address.is_unspecified or address.is_multicast or address.is_link_local or limited:
        raise ValueError("no endpoint can have this address")
    return str(address)


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The object that is being read.

    :ivar title: for people: ``Service web.default``.
    :ivar where: the file, the document and the object: the beginning of an error.
    :ivar problems: of all objects of the file: title to one line.
    :ivar notes: of all objects of the file.
    """

    title: str
    where: str
    problems: dict[str, str]
    notes: list[str]

    def wrong(self, path: str, expected: str, found: object) -> ConfigurationError:
        """The error to raise: the file cannot be used."""
        return ConfigurationError(
            f"{self.where}: {path}: expected {expected}, found {shown(found)}"
        )

    def problem(self, line: str) -> None:
        """This much of the object has no effect."""
        former = self.problems.get(self.title)
        self.problems[self.title] = f"{former}; {line}" if former else line

    def address(self, text: str, path: str) -> str:
        """An endpoint's address, checked."""
        try:
            return addressOf(text)
        except ValueError:
            raise self.wrong(path, "an IP address that an endpoint can have", text) from None

    def tcpOnly(self, protocol: str | None, port: int | None) -> bool:
        """Whether this is a TCP port; others are noted and left out."""
        if protocol in (None, "TCP"):
            return True
        self.notes.append(f"{self.title}: {protocol} port {port} is not served")
        return False
