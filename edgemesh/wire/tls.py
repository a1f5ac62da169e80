# -*- test-case-name: tests.wire.test_tls -*-
"""
TLS ClientHello: what a caller says in the clear before it encrypts.

Bytes in, :class:`ClientHello` out; None means that more bytes are needed.  Knows
no reactor and no cryptography; answers nothing.

The hello is a handshake message (RFC 8446, 4.1.2) that may be cut anywhere, over
records of the client's choice and over segments of the network's::

    -> 16 03 xx  length(2)  | 01  length(3)  version(2) random(32) session<0..32>
                            |     ciphers<2..>  compressions<1..>  extensions<..>
    -> 16 03 xx  length(2)  | ... the rest of it

A mistake is found at the first byte that makes it certain, so the verdict on
some bytes does not depend on how they came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgemesh.errors import BAD_REQUEST, RemoteProtocolError

#: Longest hello that is looked into.
CAP = 16_384
#: Records that a hello may be spread over.
MOST_RECORDS = 1_024

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_LONGEST_RECORD = 16_384
_NEWEST_MINOR = 4
_SERVER_NAME = 0
_HOST_NAME = 0
_ALPN = 16
_LONGEST_NAME = 255
_NOT_NAME = re.compile(rb"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class ClientHello:
    """
    What matters of a hello.

    :ivar serverName: the SNI host name as sent; empty when there is none.
    :ivar alpn: the application protocols on offer, best first.
    """

    serverName: bytes = b""
    alpn: tuple[bytes, ...] = ()


class OversizedHello(RemoteProtocolError):
    """It is TLS, but the hello is longer than :data:`CAP`."""


def parseClientHello(data: bytes) -> ClientHello | None:
    """
    Read the hello at the beginning of ``data``.

    :return: None when more bytes are needed.
    :raise OversizedHello: it is longer than :data:`CAP`.
    :raise RemoteProtocolError: this is no ClientHello.
    """
    message = _reassembled(data)
    return None if message is None else _hello(_Reader(message))


def _malformed(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(BAD_REQUEST, f"ClientHello: {what}")


def _reassembled(data: bytes) -> bytes | None:
    """
    The body of the handshake message, out of its records.

    This runs again for every segment that comes, and a hostile client may put
    every byte into a record of its own: plain arithmetic, no slice per record
    before the message is whole.
    """
    size = len(data)
    wanted = None
    got = records = position = 0
    while position < size:
        records += 1
        if records > MOST_RECORDS:
            raise _malformed(f"in more than {MOST_RECORDS} records")
        if position + 5 > size:
            _checkHeader(data[position:])
            return None
        length = data[position + 3] << 8 | data[position + 4]
        if (
            data[position] != _HANDSHAKE
            or data[position + 1] != 3
            or data[position + 2] > _NEWEST_MINOR
        ):
            _checkHeader(data[position : position + 5])
        if not 0 < length <= _LONGEST_RECORD:
            raise _malformed("impossible record length")
        position += 5 + length
        got += length if position <= size else length - (position - size)
        if wanted is None:
            wanted = _messageLength(_joined(data, got if got < 4 else 4))
        if wanted is not None and got >= wanted:
            return _joined(data, wanted)[4:]
    return None


def _joined(data: bytes, count: int) -> bytes:
    """The first bytes of the message; the records that hold them are whole enough."""
    message = bytearray()
    position = 0
    while len(message) < count:
        length = data[position + 3] << 8 | data[position + 4]
        message += data[position + 5 : position + 5 + length]
        position += 5 + length
    return bytes(message[:count])


def _checkHeader(header: bytes) -> None:
    """Refuse what cannot become a record's header."""
    if header[0] != _HANDSHAKE:
        raise _malformed("not a handshake record")
    if len(header) > 1 and header[1] != 3:
        raise _malformed("not version 3")
    if len(header) > 2 and header[2] > _NEWEST_MINOR:
        raise _malformed("unknown version")


def _messageLength(message: bytes) -> int | None:
    """The length of the message, its own header included."""
    if message and message[0] != _CLIENT_HELLO:
        raise _malformed("another handshake message")
    if len(message) < 4:
        return None
    length = int.from_bytes(message[1:4], "big")
    if length > CAP:
        raise OversizedHello(BAD_REQUEST, f"ClientHello: {length} bytes, at most {CAP}")
    return 4 + length


class _Reader:
    """Take fields off the front of some bytes; too few of them are a mistake."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise _malformed("a field is longer than what holds it")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """A number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes behind their own length of ``size`` bytes."""
        return self.take(self.number(size))

    def end(self) -> None:
        """Nothing may be left."""
        if self:
            raise _malformed("bytes behind the last field")


def _hello(reader: _Reader) -> ClientHello:
    reader.take(2 + 32)
    if len(reader.vector(1)) > 32:
        raise _malformed("session id too long")
    ciphers = reader.vector(2)
    if not ciphers or len(ciphers) % 2:
        raise _malformed("impossible list of ciphers")
    if not reader.vector(1):
        raise _malformed("no compression method")
    if not reader:
        return ClientHello()
    extensions = _extensions(_Reader(reader.vector(2)))
    reader.end()
    return ClientHello(
        _hostName(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else b"",
        _protocols(extensions[_ALPN]) if _ALPN in extensions else (),
    )


def _extensions(reader: _Reader) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while reader:
        kind = reader.number(2)
        if kind in found:
            # Two names would let us and the endpoint each believe another one.
            raise _malformed("an extension twice")
        found[kind] = reader.vector(2)
    return found


def _hostName(extension: bytes) -> bytes:
    outer = _Reader(extension)
    names = _Reader(outer.vector(2))
    outer.end()
    found = b""
    while names:
        kind = names.number(1)
        name = names.vector(2)
        if kind != _HOST_NAME:
            continue
        if found or not 0 < len(name) <= _LONGEST_NAME:
            raise _malformed("impossible server name")
        if _NOT_NAME.search(name):
            raise _malformed("server name is not ASCII")
        found = name
    return found


def _protocols(extension: bytes) -> tuple[bytes, ...]:
    outer = _Reader(extension)
    names = _Reader(outer.vector(2))
    outer.end()
    found = []
    while names:
        name = names.vector(1)
        if not name:
            raise _malformed("an empty application protocol")
        found.append(name)
    return tuple(found)
