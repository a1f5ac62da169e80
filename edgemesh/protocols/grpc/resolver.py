# -*- test-case-name: tests.protocols.grpc.test_resolver -*-
"""
Recognise gRPC by HTTP/2's connection preface.

The preface alone confirms: clients send no request before they have seen the
server's SETTINGS.  Knows bytes only.
"""

from __future__ import annotations

from zope.interface import implementer

from edgemesh.interfaces import IResolver, Verdict

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@implementer(IResolver)
class GRPCResolver:
    """HTTP/2 with prior knowledge, which is what gRPC speaks without TLS."""

    name = "grpc"

    def resolve(self, data: bytes, quiet: bool) -> Verdict:
        if data.startswith(PREFACE):
            return Verdict.CONFIRMED
        # Nothing else begins like this, so silence changes nothing.
        return Verdict.UNDECIDED if PREFACE.startswith(data) else Verdict.REJECTED
