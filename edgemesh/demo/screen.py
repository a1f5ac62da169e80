# -*- test-case-name: tests.demo.test_screen -*-
"""
What the demo looks like: one table, notes between its rows, promises kept or broken.

80 columns.  Colours only on a terminal and without ``NO_COLOR``; plain ASCII where
the output cannot show more.  Knows calls and their hops; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import TextIO

from edgemesh.demo.hops import Call
from edgemesh.demo.promises import Promise


class Tone(Enum):
    """How something is meant; the value is its colour as an ANSI code."""

    PLAIN = ""
    STRONG = "1"
    GOOD = "32"
    BAD = "31"
    WARN = "33"
    QUIET = "2"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; numbers stand on the right."""

    title: str
    width: int
    right: bool = False


_COLUMNS = (
    Column("call", 4, right=True),
    Column("edgemesh, outbound", 26),
    Column("inbound", 7),
    Column("app", 4),
    Column("status", 6),
    Column("reason", 6),
    Column("ms", 6, right=True),
)
_STATUS, _REASON = 4, 5
_ASCII = str.maketrans({"─": "-", "│": "|", "┼": "+", "→": ">", "✓": "ok", "✗": "NOT"})


class Screen:
    """
    Writes to a stream, line by line.

    :param environ: for ``NO_COLOR`` and ``TERM``.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        encoding = (stream.encoding or "ascii").lower().replace("-", "").replace("_", "")
        self._plain = encoding != "utf8"
        plainTerminal = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        self._coloured = stream.isatty() and not plainTerminal

    def line(self, text: str = "", tone: Tone = Tone.PLAIN) -> None:
        """One line."""
        self._write(self._paint(text, tone))

    def title(self, text: str) -> None:
        """What comes next."""
        self.line()
        self.line(text, Tone.STRONG)

    def header(self) -> None:
        """Begin the table."""
        self._write(self._joined([_fit(column.title, column) for column in _COLUMNS], " │ "))
        self.rule()

    def rule(self) -> None:
        """A line across the table."""
        self._write(self._joined(["─" * column.width for column in _COLUMNS], "─┼─"))

    def calls(self, calls: Sequence[Call]) -> None:
        """A row for each call."""
        for call in calls:
            self._row(str(call.number), [call])

    def groups(self, calls: Sequence[Call]) -> None:
        """A row for all calls that went the same way and ended alike."""
        alike: dict[object, list[Call]] = {}
        for call in calls:
            answer = call.answer
            key = (call.hops.outbound, answer.app, answer.status, answer.reason)
            alike.setdefault(key, []).append(call)
        for group in sorted(alike.values(), key=lambda group: group[0].number):
            self._row(f"{len(group)} x", group)

    def promise(self, promise: Promise) -> None:
        """A promise, kept or broken."""
        mark = self._paint("✓", Tone.GOOD) if promise.kept else self._paint("✗", Tone.BAD)
        self._write(f" {mark} {promise.text}")

    def _row(self, label: str, alike: Sequence[Call]) -> None:
        call = alike[0]
        answer = call.answer
        cells = (
            label,
            "→".join(call.hops.outbound),
            "→".join(call.hops.inbound),
            answer.app or "none",
            str(answer.status),
            answer.reason,
            f"{median(one.answer.milliseconds for one in alike):.1f}",
        )
        texts = [_fit(cell, column) for cell, column in zip(cells, _COLUMNS, strict=True)]
        tone = _tone(answer.status)
        for position in (_STATUS, _REASON):
            texts[position] = self._paint(texts[position], tone)
        self._write(self._joined(texts, " │ "))

    def _joined(self, texts: Sequence[str], separator: str) -> str:
        return self._paint(separator, Tone.QUIET).join(texts)

    def _paint(self, text: str, tone: Tone) -> str:
        if not self._coloured or tone is Tone.PLAIN:
            return text
        return f"\x1b[{tone.value}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        if self._plain:
            text = text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        self._stream.write(text.rstrip() + "\n")
        self._stream.flush()


def _fit(text: str, column: Column) -> str:
    text = text[: column.width]
    return text.rjust(column.width) if column.right else text.ljust(column.width)


def _tone(status: int) -> Tone:
    if status < 400:
        return Tone.GOOD
    return Tone.WARN if status < 500 else Tone.BAD
