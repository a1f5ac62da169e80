# -*- test-case-name: tests.beehive.test_codec -*-
"""
Messages to bytes and back, and the two frames that KubeEdge puts around them.

::

    -> Message(Header(msg_id="a", timestamp=1), Route(operation="query"))
    <- {"header":{"msg_id":"a","timestamp":1},"route":{"operation":"query"},"content":null}

A *record* is the JSON and a newline: one packet of a socket, one frame of a websocket.
A *pack* is for byte streams::

    offset 0  4  "beeh"
           4  2  "v1"
           6  2  "rv", not looked at
           8  4  length of the payload, big-endian, signed
          12  n  the payload, JSON without a newline

Reading is as lenient as Go's: the case of a field's name does not matter, unknown
fields are left out, missing ones are empty, null leaves a field as it is.  What we
write ourselves is read by a strict decoder first, which is faster.  One difference to
Go stays: of an object that is given twice the last one counts, Go mixes the two.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any

import msgspec

from edgemesh.beehive import gojson
from edgemesh.beehive.message import NULL, Header, Message, Milliseconds, Route
from edgemesh.errors import BAD_REQUEST, LocalProtocolError, RemoteProtocolError

_ENCODER = msgspec.json.Encoder()
_STRICT = msgspec.json.Decoder(Message)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(str)
_HEADER_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    **dict.fromkeys(Header.__struct_fields__, _TEXT),
    "timestamp": msgspec.json.Decoder(Milliseconds),
    "sync": msgspec.json.Decoder(bool),
}
_ROUTE_DECODERS = dict.fromkeys(Route.__struct_fields__, _TEXT)

_PACK = struct.Struct(">4s2s2si")
_MAGIC = b"beehv1"
_RESERVED = b"rv"


class Form(Enum):
    """Which empty fields are written."""

    #: None of them: KubeEdge since 1.2.
    SPARSE = frozenset[str]()
    #: Those that KubeEdge 1.0 and 1.1 always write, by an error in their tags.
    OLD = frozenset(("parent_msg_id", "sync", "group"))
    #: All.  Go's socket receiver takes over what the record before had in a missing field.
    FULL = frozenset((*Header.__struct_fields__, *Route.__struct_fields__))


def encode(message: Message, form: Form = Form.SPARSE) -> bytes:
    """
    The JSON, without a newline.

    :raise LocalProtocolError: a field holds what JSON cannot.
    """
    try:
        if form is Form.SPARSE:
            return gojson.escaped(_ENCODER.encode(message))
        members = {
            "header": _members(message.header, form),
            "route": _members(message.route, form),
            "content": message.content,
        }
        return gojson.escaped(_ENCODER.encode(members))
    except UnicodeEncodeError:
        raise LocalProtocolError(f"{message!r}: no Unicode in a field") from None


def encodeRecord(message: Message, form: Form = Form.SPARSE) -> bytes:
    """The JSON and a newline: what a socket and a websocket carry."""
    return encode(message, form) + b"\n"


def decode(record: bytes, largest: int = gojson.LARGEST) -> Message:
    """
    The Message in a record; the newline may be missing.

    :raise RemoteProtocolError: it is none, too long or too deep.
    """
    text = gojson.legible(record, largest)
    if text.find(b"\n", 0, -1) >= 0:
        # Its content would break our own records.
        text = gojson.compact(text)
    try:
        return gojson.parse(_STRICT, text)
    except RemoteProtocolError:
        return _lenient(text)


def pack(payload: bytes) -> bytes:
    """The payload with the header that byte streams need."""
    return _PACK.pack(b"beeh", b"v1", _RESERVED, len(payload)) + payload


class Unpacker:
    """
    Takes the packs out of a byte stream.

    ::

        READING --(bad header)--> BROKEN

    A stream that is broken stays so: where the next pack begins is not known.

    :param largest: bytes of one payload.
    """

    def __init__(self, largest: int = gojson.LARGEST) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._broken = False

    def __repr__(self) -> str:
        state = "BROKEN" if self._broken else "READING"
        return f"<Unpacker {state} {len(self._buffer)} bytes waiting>"

    def feed(self, data: bytes) -> list[bytes]:
        """
        The payloads that are complete now.

        :raise RemoteProtocolError: the stream is no stream of packs, or one is too long.
            The payloads before it, if they came in the same data, are lost.
        """
        if self._broken:
            raise LocalProtocolError(f"{len(data)} bytes fed to {self!r}")
        self._buffer += data
        found = []
        while (end := self._end()) and len(self._buffer) >= end:
            found.append(bytes(self._buffer[_PACK.size : end]))
            del self._buffer[:end]
        return found

    def finish(self) -> None:
        """
        The stream has ended.

        :raise RemoteProtocolError: in the middle of a pack.
        """
        if self._buffer:
            raise self._refused(f"the stream ends {len(self._buffer)} bytes into a pack")

    def _end(self) -> int:
        """Where the pack at the beginning of the buffer ends; 0 as long as that is unknown."""
        begun = self._buffer[: len(_MAGIC)]
        if not _MAGIC.startswith(begun):
            raise self._refused("no pack: it does not begin with beehv1")
        if len(self._buffer) < _PACK.size:
            return 0
        length: int = _PACK.unpack_from(self._buffer)[3]
        if not 0 < length <= self._largest:
            raise self._refused(f"a pack of {length} bytes; 1 to {self._largest} are allowed")
        return _PACK.size + length

    def _refused(self, detail: str) -> RemoteProtocolError:
        self._broken = True
        return RemoteProtocolError(BAD_REQUEST, detail)


def _members(part: Header | Route, form: Form) -> dict[str, object]:
    written = form.value
    if isinstance(part, Header):
        written = written | {"msg_id", "timestamp"}
    values = ((name, getattr(part, name)) for name in part.__struct_fields__)
    return {name: value for name, value in values if value or name in written}


def _lenient(text: bytes) -> Message:
    top = _folded(text, Message.__struct_fields__)
    header = _filled(top.get("header", NULL), _HEADER_DECODERS)
    route = _filled(top.get("route", NULL), _ROUTE_DECODERS)
    return Message(
        Header(**{"msg_id": "", "timestamp": 0, **header}), Route(**route), top.get("content", NULL)
    )


def _filled(part: msgspec.Raw, decoders: dict[str, msgspec.json.Decoder[Any]]) -> dict[str, Any]:
    members = _folded(bytes(part), tuple(decoders))
    return {name: gojson.parse(decoders[name], bytes(raw)) for name, raw in members.items()}


def _folded(text: bytes, names: tuple[str, ...]) -> dict[str, msgspec.Raw]:
    """The members of an object that Go would recognise as these fields."""
    if text.strip() == b"null":
        return {}
    found = {}
    for key, raw in gojson.parse(_MEMBERS, text).items():
        folded = key.casefold()
        # Go folds letter by letter: a ligature is no two letters.
        if len(folded) == len(key) and folded in names and raw != NULL:
            found[folded] = raw
    return found
