# -*- test-case-name: tests.admin.test_health -*-
"""
Whether the node can take calls, and what stands in the way.

Pure: reads the view and answers with values.  Knows no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgemesh.admin.view import NodeView


class Mark(Enum):
    """How a line of the verbose report begins."""

    GOOD = "[+]"
    BAD = "[-]"
    NOTICE = "[!]"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; only ``BAD`` makes the node unready."""

    mark: Mark
    text: str

    def __str__(self) -> str:
        return f"{self.mark.value}{self.text}"


def readiness(view: NodeView) -> list[Check]:
    """
    Look at everything a call needs.

    What could not be taken in is named but does not make the node unready: its
    last good content is still in force.
    """
    checks = [_check(view.source.ready(), "metadata", "the first value is missing")]
    for listener in view.listeners:
        checks.append(_check(listener.address != "", f"listener {listener.name}", "not up"))
    checks.append(_check(not view.draining(), "shutdown", "the node drains"))
    for name, problem in sorted(view.problems().items()):
        checks.append(Check(Mark.NOTICE, _oneLine(f"{name}: {problem}")))
    return checks


def ready(checks: list[Check]) -> bool:
    """Whether none of the checks is bad."""
    return not any(check.mark is Mark.BAD for check in checks)


def report(title: str, checks: list[Check]) -> str:
    """The verbose text, one line a check, the verdict last."""
    verdict = "passed" if ready(checks) else "failed"
    return "".join(f"{check}\n" for check in checks) + f"{title} check {verdict}\n"


def _check(good: bool, what: str, otherwise: str) -> Check:
    if good:
        return Check(Mark.GOOD, f"{what} ok")
    return Check(Mark.BAD, f"{what}: {otherwise}")


def _oneLine(text: str) -> str:
    """A problem quotes a file's content; it must not forge lines of this report."""
    return " ".join(text.split())
