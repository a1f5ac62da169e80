"""
The corpus: hostile and odd messages of our own making, with what must become of them.

A file of ``vectors/`` is one category, a list of::

    - {name: bare LF after a field, rule: "9112 2.2", expect: 400, bytes: "GET ..."}

``rule`` is RFC and section.  ``bytes`` is text, each character one byte, or a list
of texts and of ``[text, times]``.  ``expect`` is one verdict, or one for each
message in order:

forward
    goes on, whole;
more
    nothing of it is wrong yet, but its end is missing;
a number
    is refused with this status;
tunnel
    a CONNECT; its bytes are not HTTP any more;
interim, cut, broken
    for answers: a 1xx that is passed on; an answer that visibly ends too early; one
    whose body turns out malformed: a 502 as long as nothing of it has left, else cut.

An answer's vector may say the ``method`` it answers and the ``caller``'s minor version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

#: Where PyYAML has no C part, this one is slow and does as well.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VECTORS = Path(__file__).parent / "vectors"

Verdict = str | int


@dataclass(frozen=True, slots=True)
class Vector:
    """One entry."""

    name: str
    rule: str
    expect: tuple[Verdict, ...]
    data: bytes = field(repr=False)
    method: bytes = b"GET"
    caller: int = 1


@cache
def requests() -> tuple[Vector, ...]:
    """Every request, in order of its category."""
    return _vectors("requests")


@cache
def responses() -> tuple[Vector, ...]:
    """Every answer, in order of its category."""
    return _vectors("responses")


def _vectors(folder: str) -> tuple[Vector, ...]:
    found = []
    for path in sorted((_VECTORS / folder).glob("*.yaml")):
        for entry in yaml.load(path.read_text("ascii"), Loader=_LOADER):
            found.append(_vector(path.stem, **entry))
    return tuple(found)


def _vector(
    category: str,
    name: str,
    rule: str,
    expect: Any,
    bytes: Any,
    method: str = "GET",
    caller: int = 1,
) -> Vector:
    verdicts = tuple(expect) if isinstance(expect, list) else (expect,)
    pieces = bytes if isinstance(bytes, list) else [bytes]
    text = "".join(p if isinstance(p, str) else p[0] * p[1] for p in pieces)
    return Vector(
        f"{category}: {name}", rule, verdicts, text.encode("latin-1"), method.encode(), caller
    )
