# -*- test-case-name: tests.dns.test_reverse -*-
"""
Reverse names: ``7.0.96.10.in-addr.arpa`` stands for ``10.96.0.7``.  Knows text only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

_BYTE = re.compile(r"0|[1-9][0-9]{0,2}")
_HEX = re.compile(r"[0-9a-f]")


def addressOf(labels: Sequence[str]) -> str:
    """The address that a name stands for; empty for a part of one, or any other name."""
    parts = labels[-3::-1]
    zone = tuple(labels[-2:])
    try:
        if zone == ("in-addr", "arpa") and len(parts) == 4 and all(map(_BYTE.fullmatch, parts)):
            return str(IPv4Address(".".join(parts)))
        if zone == ("ip6", "arpa") and len(parts) == 32 and all(map(_HEX.fullmatch, parts)):
            return str(IPv6Address(int("".join(parts), 16)))
    except ValueError:
        # A number above 255.
        return ""
    return ""


def written(address: str) -> str:
    """An address as it is always written; empty for none."""
    return str(ip_address(address)) if address else ""
