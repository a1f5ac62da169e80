# -*- test-case-name: tests.dns.test_cache -*-
"""
Answers of upstream servers, kept for their time and, in need, beyond it.

Bounded by the bytes that it roughly costs; what was not asked for the longest goes
first.  Nothing is removed by a timer.  Knows no clock: ``now`` is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemesh.dns.answers import Answer
from edgemesh.dns.queries import Ask

#: What an entry costs besides its bytes, roughly: the objects around them.
_OVERHEAD = 1_500


@dataclass(slots=True)
class Kept:
    """
    One answer in the cache.

    :ivar stored: when it came (monotonic seconds).
    :ivar askAgain: beyond its time, it is told without asking anybody until then.
    """

    answer: Answer
    stored: float
    askAgain: float = 0.0

    def fresh(self, now: float) -> bool:
        """Whether its time has not passed."""
        return now < self.stored + self.answer.lifetime


class Cache:
    """
    The answers that may be repeated.

    :ivar cost: bytes in use, roughly.
    :param limit: most bytes to use, roughly.
    :param maxStale: seconds beyond its time for which an answer is better than none.
    """

    def __init__(self, limit: int, maxStale: float) -> None:
        self.cost = 0
        self._limit = limit
        self._maxStale = maxStale
        self._kept: dict[Ask, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Cache {len(self)} answers, {self.cost} of {self._limit} bytes>"

    def get(self, ask: Ask, now: float) -> Kept | None:
        """What is kept, fresh or stale; None when there is nothing, or it is too old."""
        kept = self._kept.pop(ask, None)
        if kept is None:
            return None
        if now >= kept.stored + kept.answer.lifetime + self._maxStale:
            self.cost -= _costOf(ask, kept.answer)
            return None
        # The order of the dictionary is the order of use.
        self._kept[ask] = kept
        return kept

    def put(self, ask: Ask, answer: Answer, now: float) -> None:
        """Keep an answer, if it may be repeated at all."""
        if not answer.lifetime:
            return
        former = self._kept.pop(ask, None)
        if former is not None:
            self.cost -= _costOf(ask, former.answer)
        self._kept[ask] = Kept(answer, now)
        self.cost += _costOf(ask, answer)
        while self.cost > self._limit:
            oldest = next(iter(self._kept))
            self.cost -= _costOf(oldest, self._kept.pop(oldest).answer)


def _costOf(ask: Ask, answer: Answer) -> int:
    return _OVERHEAD + len(ask.question) + 4 * len(answer.raw)
