# -*- test-case-name: tests.meta.test_shapes -*-
"""
Plain values -> checked values, or one line that says what is wrong where.

:func:`check` is msgspec's ``convert`` with errors for people: the key path, what
was expected there and what was found, for example ``listeners[0].listen: expected
str, found 5``.  Knows no file format and no kind of object.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from edgemesh.errors import ConfigurationError

_T = TypeVar("_T")

_MESSAGE = re.compile(r"(?s)(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_FIELD = re.compile(r"(?s)Object (?P<fault>contains unknown|missing required) field `(?P<name>.*)`")

#: A mapping with more keys than this is not searched for the one that is wrong.
_SEARCHED = 1_000


def check(value: object, kind: type[_T], where: str, path: str = "") -> _T:
    """
    The value as an instance of ``kind``.

    :param where: the beginning of the error: the file, and which object in it.
    :param path: the key path of ``value`` itself.
    :raise ConfigurationError: it is none.
    """
    try:
        return msgspec.convert(value, kind)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{where}: expected text, found half a surrogate pair") from None
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {_explained(value, kind, str(error), path)}") from None


def shown(value: object) -> str:
    """A value as an error line shows it: short, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, int) and abs(value) > 10**30:
        return "a huge number"
    if isinstance(value, (int, float)):
        return repr(value)
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def _printable(key: object) -> str:
    """A key as part of a path, on one line whatever is in it."""
    text = str(key)
    return text if text.isprintable() and len(text) <= 80 else repr(text[:80])


class _Place:
    """
    A place in a value, and in the tree of types it should have.

    :ivar path: as people write it: ``listeners[0].listen``.
    """

    def __init__(self, value: object, kind: Any, path: str) -> None:
        self._root = value
        self._kind = kind
        self._steps: list[Any] = []
        self.path = path
        self.value: Any = value
        self.tree = _bare(inspect.type_info(kind))

    def go(self, steps: str, message: str) -> None:
        """Follow the path of msgspec's message."""
        for step in _STEP.finditer(steps):
            if step["name"] is not None:
                self._enter(step["name"], "." + step["name"])
            elif step["index"] is not None:
                self._enter(int(step["index"]), f"[{step['index']}]")
            else:
                # msgspec does not say which key of a mapping it was.
                key = self.culprit(message)
                self._enter(key, f".{_printable(key)}")

    def _enter(self, key: Any, text: str) -> None:
        self._steps.append(key)
        self.path = (self.path + text).removeprefix(".")
        self.tree = _inner(self.tree, key)
        self.value = self.value[key]

    def culprit(self, message: str) -> object:
        """The first key that is wrong when it stands alone."""
        keys = list(self.value)
        for key in keys[:_SEARCHED]:
            alone = _replaced(self._root, self._steps, {key: self.value[key]})
            try:
                msgspec.convert(alone, self._kind)
            except msgspec.ValidationError as error:
                if str(error) == message:
                    return key
        return keys[-1]


def _explained(value: object, kind: Any, message: str, path: str) -> str:
    parsed = _MESSAGE.fullmatch(message)
    assert parsed is not None
    place = _Place(value, kind, path)
    place.go(parsed["path"] or "", message)
    field = _FIELD.fullmatch(parsed["what"])
    if parsed["key"] is not None:
        odd = place.culprit(message)
        expected = f"keys that are {_described(_keyTree(place.tree))}"
        return _line(place.path, expected, _found(odd, expected))
    if field is not None:
        return _fieldLine(place, field["name"], missing=field["fault"].startswith("missing"))
    if not parsed["what"].startswith(("Expected", "Invalid enum value")):
        return f"{place.path}: {parsed['what']}".removeprefix(": ")
    expected = _described(place.tree)
    return _line(place.path, expected, _found(place.value, expected))


def _fieldLine(place: _Place, name: str, missing: bool) -> str:
    path = f"{place.path}.{_printable(name)}".removeprefix(".")
    if missing:
        return _line(path, _described(_inner(place.tree, name)), "nothing")
    known = sorted(field.encode_name for field in _struct(place.tree).fields)
    return _line(path, f"one of {', '.join(known)}", "an unknown key")


def _line(path: str, expected: str, found: str) -> str:
    return f"{path}: expected {expected}, found {found}".removeprefix(": ")


def _found(value: object, expected: str) -> str:
    if isinstance(value, bool) and "true" not in expected:
        return f"{shown(value)} (YAML reads on, off, yes and no as true and false; quote it)"
    if isinstance(value, (int, float)) and expected.startswith(("str", "keys that are str")):
        return f"{shown(value)} (quote it)"
    return shown(value)


def _bare(tree: Any) -> Any:
    """A type without its description."""
    return tree.type if isinstance(tree, inspect.Metadata) else tree


def _alternatives(tree: Any) -> list[Any]:
    tree = _bare(tree)
    return list(tree.types) if isinstance(tree, inspect.UnionType) else [tree]


def _struct(tree: Any) -> inspect.StructType:
    return next(t for t in _alternatives(tree) if isinstance(t, inspect.StructType))


def _inner(tree: Any, key: object) -> Any:
    """The type of one member, by its key or index."""
    for candidate in map(_bare, _alternatives(tree)):
        if isinstance(candidate, inspect.StructType):
            return next(f.type for f in candidate.fields if f.encode_name == key)
        if isinstance(candidate, inspect.DictType):
            return candidate.value_type
        if isinstance(candidate, (inspect.ListType, inspect.VarTupleType)):
            return candidate.item_type
    return inspect.AnyType()


def _keyTree(tree: Any) -> Any:
    """The type of the keys of a mapping."""
    mapping = next((t for t in _alternatives(tree) if isinstance(t, inspect.DictType)), None)
    return mapping.key_type if mapping is not None else inspect.StrType()


def _described(tree: Any) -> str:
    """A type in words."""
    if isinstance(tree, inspect.Metadata) and tree.extra_json_schema:
        return str(tree.extra_json_schema["description"])
    tree = _bare(tree)
    if isinstance(tree, inspect.UnionType):
        # That a value may be left out needs no saying.
        members = [t for t in tree.types if not isinstance(t, inspect.NoneType)]
        return " or ".join(_described(member) for member in members)
    if isinstance(tree, inspect.LiteralType):
        return f"one of {', '.join(map(str, tree.values))}"
    if isinstance(tree, (inspect.IntType, inspect.FloatType)):
        return _number(tree)
    return _WORDS.get(type(tree), "another value")


_WORDS: dict[type, str] = {
    inspect.StrType: "str",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
}


def _number(tree: inspect.IntType | inspect.FloatType) -> str:
    text = "int" if isinstance(tree, inspect.IntType) else "number"
    for word, bound in (("above", tree.gt), ("from", tree.ge), ("to", tree.le)):
        if bound is not None:
            text += f" {word} {bound:.15g}"
    return text


def _replaced(value: Any, steps: list[Any], new: object) -> Any:
    """A copy of ``value`` with ``new`` at the end of ``steps``."""
    if not steps:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[steps[0]] = _replaced(value[steps[0]], steps[1:], new)
    return copy
