# -*- test-case-name: tests.protocols.tls.test_resolver -*-
"""
Recognise TLS by its ClientHello.

Knows bytes only; what is in a hello is :mod:`edgemesh.wire.tls`' business.
"""

from __future__ import annotations

from zope.interface import implementer

from edgemesh.errors import RemoteProtocolError
from edgemesh.interfaces import IResolver, Verdict
from edgemesh.wire.tls import OversizedHello, parseClientHello


@implementer(IResolver)
class TLSResolver:
    """TLS 1.0 to 1.3, whole ClientHellos only."""

    name = "tls"

    def resolve(self, data: bytes, quiet: bool) -> Verdict:
        # A client that pauses in its hello has not finished it: no server could
        # answer yet, so silence changes nothing.
        try:
            hello = parseClientHello(data)
        except OversizedHello:
            return Verdict.CONFIRMED
        except RemoteProtocolError:
            return Verdict.REJECTED
        return Verdict.UNDECIDED if hello is None else Verdict.CONFIRMED
