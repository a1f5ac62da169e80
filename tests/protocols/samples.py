"""First bytes of many protocols, and how resolvers are asked about them."""

from __future__ import annotations

from edgemesh.interfaces import IResolver, Verdict
from tests.wire.hellos import hellosOfOpenSSL

HTTP = (
    b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    b"\r\n\r\nPOST http://b/ HTTP/1.0\r\n\r\n",
    b"CONNECT b:443 HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"FROBNICATE /x HTTP/1.1\r\nHost: b\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"GET /\0\r/ HTTP/1.1\r\n\r\n",
    b"GET /nine\r\n",
    b"QUERY /q HTTP/1.1\r\n\r\n",
)
GRPC = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",)
TLS = (hellosOfOpenSSL("b.default", ["h2"]), hellosOfOpenSSL("", []))
OPAQUE = (
    b"*1\r\n$4\r\nPING\r\n",
    b"GET key\r\n",
    b"PING\r\n",
    b"\x4a\0\0\1\x85\xa6\xff\x01\0\0\0\1\x21",
    b"EHLO example.org\r\n",
    b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0",
    b"SSH-2.0-OpenSSH_9.2p1\r\n",
    b"hello\n",
    b"\0\0\0\x08\4\xd2\x16\x2f",
    b"CONNECT\naccept-version:1.2\n\n\0",
    b'CONNECT {"verbose":false}\r\nPING\r\n',
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"OPTIONS sip:b SIP/2.0\r\n\r\n",
    b"\x16\x01\x00",
    b"get key\r\n",
)
EVERY = HTTP + GRPC + TLS + OPAQUE


def byteByByte(resolver: IResolver, data: bytes) -> Verdict:
    """The first decided verdict as the bytes come one by one; it must stay the verdict."""
    final: Verdict = Verdict.UNDECIDED
    for end in range(1, len(data) + 1):
        verdict: Verdict = resolver.resolve(data[:end], False)
        if final is not Verdict.UNDECIDED and verdict is not final:
            raise AssertionError(f"{final} became {verdict} after {data[:end]!r}")
        final = verdict
    return final
