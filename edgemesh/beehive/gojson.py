# -*- test-case-name: tests.beehive.test_gojson -*-
"""
JSON exactly as Go's ``encoding/json`` writes it, and read as leniently as Go does.

Theory of operation.  msgspec writes the text; what Go spells differently is put right
afterwards in the finished bytes: ``<``, ``>``, ``&`` and two separators occur nowhere
but in strings, so replacing them cannot hit anything else.  Floats, NaN and text that
is no Unicode cannot be put right there.  When the bytes look as if they might hold such a
value, and it is so, the plain encoder below writes the whole again; it is slow, handles
everything, and is the oracle for the fast one.

::

    -> {"b": 1e21, "a": "x<y", "c": b"\\x00"}
    <- {"a":"x\\u003cy","b":1e+21,"c":"AA=="}

Reading first makes the bytes legible (what is not UTF-8 becomes U+FFFD), then bounds
their size and depth.  Differences to Go that stay: integers keep all their digits where
Go makes floats of them, and ``-0`` is read as 0.

Knows JSON values, ``bytes`` (base64, as Go's ``[]byte``), ``msgspec.Raw`` (put in as it
is) and msgspec Structs; nothing of Messages.
"""

from __future__ import annotations

import base64
import math
import re
from decimal import Decimal
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from edgemesh.errors import BAD_REQUEST, LocalProtocolError, RemoteProtocolError

#: Bytes of one JSON text from a peer: a Router's body of 12 MiB, in base64, fits.
LARGEST = 17 << 20
#: Objects and lists inside each other, in what a peer sends.
DEEPEST = 256

_T = TypeVar("_T")

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_REPLACED = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)
#: A float, or a null that may be a NaN: in a string it is found as well, which costs time only.
_SUSPECT = re.compile(rb"(?:^|[\[:,])(?:null|-?\d+(?:\.\d|e))")
_ESCAPED = {
    **{code: f"\\u{code:04x}" for code in (*range(0x20), *b"<>&", 0x2028, 0x2029)},
    # Stand for bytes that are not UTF-8; Go writes the escape, not the character.
    **dict.fromkeys(range(0xD800, 0xE000), "\\ufffd"),
    **{ord(short): f"\\{letter}" for short, letter in zip('"\\\n\r\t', '"\\nrt', strict=True)},
}
_ESCAPED_SHORT = {**_ESCAPED, ord("\b"): "\\b", ord("\f"): "\\f"}
#: A pair of surrogates, or half a pair, or any other escape.
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_REPLACEMENT = "\ufffd".encode()
_INVALID = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
#: Brackets as steps of one signed byte: into it, out of it.
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))


def encode(value: object, *, shortControls: bool = True) -> bytes:
    """
    The value as Go's ``json.Marshal`` writes it; without a newline.

    :param shortControls: write ``\\b`` and ``\\f`` as Go does since 1.22, instead of
        ``\\u0008`` and ``\\u000c``.
    :raise LocalProtocolError: JSON has no such value.
    """
    try:
        text = _ENCODER.encode(value)
        plain = not shortControls or (_SUSPECT.search(text) is not None and _hasFloat(value))
        return encodePlainly(value, shortControls=shortControls) if plain else escaped(text)
    except UnicodeEncodeError:
        return encodePlainly(value, shortControls=shortControls)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"no JSON: {error}") from error


def escaped(text: bytes) -> bytes:
    """JSON without floats, with the characters escaped that Go escapes."""
    for character, escape in _REPLACED:
        if character in text:
            text = text.replace(character, escape)
    return text


def encodePlainly(value: object, *, shortControls: bool = True) -> bytes:
    """As :func:`encode`, step by step: what the fast way must agree with."""
    try:
        return _written(value, _ESCAPED_SHORT if shortControls else _ESCAPED)
    except (ValueError, RecursionError) as error:
        raise LocalProtocolError(f"no JSON: {error}") from error


def legible(data: bytes, largest: int = LARGEST) -> bytes:
    """
    The text that Go takes these bytes for: UTF-8, without halves of surrogate pairs.

    :raise RemoteProtocolError: more than ``largest`` bytes.
    """
    if len(data) > largest:
        raise RemoteProtocolError(BAD_REQUEST, f"{len(data)} bytes of JSON, more than {largest}")
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            data = data.decode(errors="surrogateescape").translate(_INVALID).encode()
    if b"\\ud" in data or b"\\uD" in data:
        data = _SURROGATES.sub(lambda found: _REPLACEMENT if found[1] else found[0], data)
    return data


def decode(data: bytes, largest: int = LARGEST) -> object:
    """
    The value; of a key given twice the last one counts.

    :raise RemoteProtocolError: no JSON, too long or too deep.
    """
    return parse(_DECODER, legible(data, largest))


def parse(decoder: msgspec.json.Decoder[_T], text: bytes) -> _T:
    """
    What the decoder makes of a legible text.

    :raise RemoteProtocolError: nothing, or it is too deep.
    """
    try:
        value = decoder.decode(text)
    except RecursionError:
        raise _tooDeep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(BAD_REQUEST, f"JSON: {error}") from None
    if text.count(b"{") + text.count(b"[") > DEEPEST and depth(text) > DEEPEST:
        raise _tooDeep()
    return value


def compact(text: bytes) -> bytes:
    """
    A legible text without the white space between its tokens.

    :raise RemoteProtocolError: it is no JSON.
    """
    try:
        return msgspec.json.format(text, indent=-1)
    except RecursionError:
        raise _tooDeep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(BAD_REQUEST, f"JSON: {error}") from None


def depth(text: bytes) -> int:
    """How deep brackets lie inside each other in a text that is JSON."""
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Every second piece between quotes is outside of a string.
    outside = b"".join(bare.split(b'"')[::2])
    steps = memoryview(outside.translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0)


def _tooDeep() -> RemoteProtocolError:
    return RemoteProtocolError(BAD_REQUEST, f"JSON nested deeper than {DEEPEST}")


def _hasFloat(value: object) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float):
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(item)
        elif isinstance(item, msgspec.Struct):
            pending.extend(msgspec.structs.astuple(item))
    return False


def _written(value: object, escapes: dict[int, str]) -> bytes:
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case int():
            return str(value).encode()
        case float():
            return _number(value)
        case str():
            return b'"' + value.translate(escapes).encode() + b'"'
        case bytes() | bytearray():
            return b'"' + base64.b64encode(value) + b'"'
        case msgspec.Raw():
            return escaped(bytes(value))
        case list() | tuple():
            return b"[" + b",".join(_written(item, escapes) for item in value) + b"]"
        case dict():
            return _object(sorted(value.items(), key=_key), escapes)
        case msgspec.Struct():
            return _object(_fields(value), escapes)
    raise ValueError(f"a {type(value).__name__}")


def _key(member: tuple[object, object]) -> str:
    if not isinstance(member[0], str):
        raise ValueError(f"a key that is a {type(member[0]).__name__}")
    return member[0]


def _object(members: list[tuple[str, object]], escapes: dict[int, str]) -> bytes:
    written = (_written(key, escapes) + b":" + _written(item, escapes) for key, item in members)
    return b"{" + b",".join(written) + b"}"


def _fields(struct: msgspec.Struct) -> list[tuple[str, object]]:
    sparse = struct.__struct_config__.omit_defaults
    values = ((field, getattr(struct, field.name)) for field in msgspec.structs.fields(struct))
    return [
        (field.encode_name, value)
        for field, value in values
        if not sparse or field.required or value != _default(field)
    ]


def _default(field: msgspec.structs.FieldInfo) -> object:
    made = field.default is msgspec.NODEFAULT
    return field.default_factory() if made else field.default


def _number(value: float) -> bytes:
    if not math.isfinite(value):
        raise ValueError(f"the number {value}")
    shortest = Decimal(repr(value))
    if value and not 1e-6 <= abs(value) < 1e21:
        sign, digits, _ = shortest.normalize().as_tuple()
        first, *rest = map(str, digits)
        mantissa = ("-" if sign else "") + first + ("." if rest else "") + "".join(rest)
        return f"{mantissa}e{shortest.adjusted():+d}".encode()
    text = format(shortest, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
