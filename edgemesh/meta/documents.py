# -*- test-case-name: tests.meta.test_documents -*-
"""
The text of a file -> plain values: mappings, lists, strings, numbers, truth values.

YAML with several documents, or JSON.  Whatever the bytes are, the answer is
values or one :class:`~edgemesh.errors.ConfigurationError` of one line.  Knows
nothing of Kubernetes or of the configuration's keys; reads no file.

YAML is read twice.  The first reading looks at the parser's events only, which
come one by one, and refuses what would make the second one costly: values nested
too deeply (libyaml's time grows with the square of the depth), aliases that
multiply, and keys that are given twice (the last one would win in silence).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec
import yaml

from edgemesh.errors import ConfigurationError

#: Values nested deeper than this are refused; Kubernetes objects need about 12.
MAX_DEPTH = 64
#: How many values aliases may add to one file.
MAX_ALIASED = 10_000

#: What PyYAML and json let out for input that is wrong in some odd way, besides their
#: own errors: ``!!bool maybe`` is a KeyError, for example.
_ODD_INPUT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

# PyYAML without libyaml (some small machines) is only slower.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_SafeLoader):  # type: ignore[misc]
    """A loader that makes nothing but plain values."""


def _asText(loader: Any, node: yaml.Node) -> object:
    return loader.construct_scalar(node)


# A date stays the text it was written as: labels and annotations hold text.
_PlainLoader.add_constructor("tag:yaml.org,2002:timestamp", _asText)
for _tag in ("binary", "set", "omap", "pairs"):
    _PlainLoader.add_constructor(
        f"tag:yaml.org,2002:{_tag}", yaml.constructor.SafeConstructor.construct_undefined
    )


def decodeText(data: bytes, name: str) -> str:
    """
    The bytes of a file as text; a byte order mark is skipped.

    :param name: the file, for the error.
    :raise ConfigurationError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}: expected UTF-8 text, found byte 0x{data[error.start]:02x} at {error.start}"
        ) from None


def readJSON(text: str, name: str) -> object:
    """
    The value of a JSON text.

    :raise ConfigurationError: it is not JSON, or a key is given twice.
    """

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(items)
        if len(made) < len(items):
            keys = [key for key, _ in items]
            _twice(name, "", next(key for key in keys if keys.count(key) > 1))
        return made

    try:
        # msgspec is the stricter one, but lets a key come twice.
        msgspec.json.decode(text)
        return json.loads(text, object_pairs_hook=pairs)
    except (msgspec.DecodeError, *_ODD_INPUT) as error:
        raise ConfigurationError(f"{name}: not JSON: {_oneLine(error)}") from None


def readYAML(text: str, name: str) -> list[object]:
    """
    The values of all documents of a YAML text.

    :raise ConfigurationError: it is not YAML, or breaks one of the bounds above.
    """
    try:
        bounds = _Bounds(name)
        for event in yaml.parse(text, _PlainLoader):
            bounds.see(event)
        return list(yaml.load_all(text, _PlainLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark is not None else ""
        raise ConfigurationError(f"{name}: {place}not YAML: {_oneLine(error.problem)}") from None
    except (yaml.YAMLError, *_ODD_INPUT) as error:
        raise ConfigurationError(f"{name}: not YAML: {_oneLine(error)}") from None


class _Open:
    """A mapping or list whose end has not come yet."""

    __slots__ = ("anchor", "atKey", "keys", "size")

    def __init__(self, anchor: str | None, mapping: bool) -> None:
        self.anchor = anchor
        self.keys: set[str] | None = set() if mapping else None
        self.atKey = mapping
        self.size = 1


class _Bounds:
    """Looks at the events of one file and raises at the first that goes too far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[_Open] = []
        self._sizes: dict[str, int] = {}
        self._aliased = 0

    def see(self, event: yaml.Event) -> None:
        """Take one event."""
        if isinstance(event, yaml.ScalarEvent):
            self._key(event)
            self._value(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
            if len(self._open) > MAX_DEPTH:
                self._refuse(event, f"at most {MAX_DEPTH} levels", "more")
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self._open.pop()
            self._value(ended.anchor, ended.size)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._sizes.clear()

    def _key(self, event: yaml.ScalarEvent) -> None:
        top = self._open[-1] if self._open else None
        if top is None or top.keys is None or not top.atKey:
            return
        if event.value in top.keys:
            _twice(self._name, f"{_line(event)}: ", event.value)
        top.keys.add(event.value)

    def _alias(self, event: yaml.AliasEvent) -> None:
        size = self._sizes.get(event.anchor or "")
        if size is None:
            self._refuse(event, "an alias of a value that has ended", f"*{event.anchor}")
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            self._refuse(event, f"aliases that stand for at most {MAX_ALIASED} values", "more")
        self._value(None, size)

    def _value(self, anchor: str | None, size: int) -> None:
        """A value of this size, everything in it counted, has ended."""
        if anchor is not None:
            self._sizes[anchor] = size
        if self._open:
            top = self._open[-1]
            top.size += size
            if top.keys is not None:
                top.atKey = not top.atKey

    def _refuse(self, event: yaml.Event, expected: str, found: str) -> NoReturn:
        raise ConfigurationError(
            f"{self._name}: {_line(event)}: expected {expected}, found {found}"
        )


def _line(event: yaml.Event) -> str:
    mark = event.start_mark
    return f"line {mark.line + 1}" if mark is not None else "somewhere"


def _twice(name: str, place: str, key: str) -> NoReturn:
    raise ConfigurationError(f"{name}: {place}expected each key once, found {key[:60]!r} again")


def _oneLine(error: object) -> str:
    """An error's text without line breaks, and not for ever."""
    return " ".join(str(error).split())[:200] or type(error).__name__
