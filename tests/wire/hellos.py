"""ClientHellos for tests: real ones by OpenSSL, and made ones of any shape."""

from __future__ import annotations

import ssl


def hellosOfOpenSSL(
    name: str, alpn: list[str], newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> bytes:
    """The first flight of a real client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = newest
    if alpn:
        context.set_alpn_protocols(alpn)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name or None)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake cannot end without a server")


def helloBytes(
    name: bytes = b"",
    padding: int = 0,
    extensions: bytes | None = b"",
    again: bool = False,
    force: bool = False,
) -> bytes:
    """
    A handshake message.

    :param padding: size of a padding extension; 0 for an empty one.
    :param extensions: more extensions; None for a hello without any.
    :param again: send the server name twice.
    :param force: send the server name even when it is empty.
    """
    body = b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    if extensions is not None:
        entry = b"\0" + len(name).to_bytes(2, "big") + name
        names = _extension(0, len(entry).to_bytes(2, "big") + entry)
        everything = names * (1 + again) if name or force else b""
        everything += _extension(21, bytes(padding)) + extensions
        body += len(everything).to_bytes(2, "big") + everything
    return b"\x01" + len(body).to_bytes(3, "big") + body


def inRecords(message: bytes, size: int) -> bytes:
    """A handshake message in records of ``size`` bytes."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def _extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content
