# -*- test-case-name: tests.demo.test_promises -*-
"""
What the demo promises to show, judged by what came of it.

Pure: answers and hops in, promises kept or broken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgemesh.demo.calls import Answer
from edgemesh.demo.hops import Call

#: How a circuit goes when its instance fails and is mended.
COURSE = ("CLOSED", "OPEN", "HALF_OPEN", "CLOSED")


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that was to be shown, in words, and whether it was."""

    kept: bool
    text: str


def balanced(calls: Sequence[Call], addresses: Mapping[str, str]) -> list[Promise]:
    """
    Every instance answers, in turn.

    :param addresses: ``ip:port`` of each instance by its name.
    """
    answers = [call.answer for call in calls]
    shares = Counter(answer.app for answer in answers)
    each = len(calls) // len(addresses)
    logged = all(call.hops.endpoint == addresses.get(call.answer.app) for call in calls)
    return [
        Promise(all(a.status == 200 for a in answers), "every call is answered with 200"),
        Promise(
            shares == dict.fromkeys(addresses, each), f"the instances take turns: {_told(shares)}"
        ),
        Promise(logged, "the access log names the same instance as the answer does"),
    ]


def limited(answers: Sequence[Answer], limit: int, burst: int, elapsed: float) -> list[Promise]:
    """
    The limit's share passes, the rest is refused.

    :param elapsed: seconds from before the first call to after the last.
    """
    admitted = sum(answer.status == 200 for answer in answers)
    refused = [answer for answer in answers if answer.status == 429]
    waits = sorted({answer.retryAfter for answer in refused})
    most = burst + limit * elapsed
    return [
        Promise(
            burst <= admitted <= most and admitted + len(refused) == len(answers),
            f"{admitted} passed; {burst} at once and {limit} a second make at most {most:.1f}"
            f" in {elapsed:.2f} s",
        ),
        Promise(
            bool(refused) and all(wait.isdigit() for wait in waits),
            f"{len(refused)} refused with 429, Retry-After {' or '.join(waits) or 'never said'}",
        ),
    ]


def withoutFailing(answers: Sequence[Answer], failing: str) -> Promise:
    """While the circuit is open every call is answered, by the others."""
    good = sum(answer.status == 200 and answer.app != failing for answer in answers)
    return Promise(
        0 < good == len(answers),
        f"{good} of {len(answers)} further calls answered with 200 by the other instances",
    )


def mended(
    answers: Sequence[Answer], states: Sequence[str], instances: Iterable[str]
) -> list[Promise]:
    """
    The circuit closes again, and all instances answer.

    :param states: of the circuit, every one that was seen, in order.
    """
    ended = {(answer.app, answer.status) for answer in answers}
    return [
        Promise(tuple(states) == COURSE, f"/services showed its circuit {' → '.join(states)}"),
        Promise(
            ended == {(instance, 200) for instance in instances},
            "all instances answer again with 200",
        ),
    ]


def _told(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'nobody'} {times}" for name, times in sorted(shares.items()))
