# -*- test-case-name: tests.handlers.test_bucket -*-
"""
A token bucket on plain floats: at most so many calls a second, and so many at once.

Theory of operation: the level rises by ``limit`` tokens a second up to ``burst``;
a call takes one.  So in any ``t`` seconds at most ``limit * t + burst`` calls are
admitted.  Nothing runs in the background: the level is brought up to date when
somebody asks.

With ``burst`` 1 the bound alone would cost throughput: each call comes a little
later than its token, and the time between would be lost.  Such a bucket may be
:data:`SLACK` of a token fuller, so that under overload the limit is met; two
calls may then be a quarter of their distance closer than the bound says.

Knows neither calls nor configuration.
"""

from __future__ import annotations

#: How much fuller a bucket for one call may be.
SLACK = 0.25
#: Sums of floats may miss a whole token by this much.
_NEARLY = 1.0 - 1e-6
#: A reading older than the last by less than this was taken earlier and used
#: later; one that is older still comes from a clock that was set back.
_OUT_OF_ORDER = 1.0


class TokenBucket:
    """
    One limit and its level; full at first.

    :ivar limit: tokens a second.
    :ivar burst: tokens that may be taken at once.
    """

    __slots__ = ("_full", "_level", "_since", "burst", "limit")

    def __init__(self, limit: float, burst: int) -> None:
        self.limit = limit
        self.burst = burst
        self._full = self._level = _fullness(burst)
        self._since = 0.0

    def change(self, limit: float, burst: int) -> None:
        """Go on with other numbers and the same level."""
        self.limit = limit
        self.burst = burst
        self._full = _fullness(burst)
        self._level = min(self._level, self._full)

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        level = self._level
        elapsed = now - self._since
        if elapsed > 0.0:
            self._since = now
            level += elapsed * self.limit
            if level > self._full:
                level = self._full
        elif elapsed < -_OUT_OF_ORDER:
            self._since = now
        if level < _NEARLY:
            self._level = level
            return False
        self._level = level - 1.0
        return True

    def giveBack(self) -> None:
        """Put a token back that was taken for nothing."""
        self._level = min(self._level + 1.0, self._full)

    def level(self, now: float) -> float:
        """How many tokens there are."""
        elapsed = max(0.0, now - self._since)
        return min(self._level + elapsed * self.limit, self._full)

    def wait(self, now: float) -> float:
        """Seconds until there is a token."""
        return max(0.0, (1.0 - self.level(now)) / self.limit)

    def __repr__(self) -> str:
        return f"<TokenBucket {self.limit:g}/s burst {self.burst}: {self._level:.3f}>"


def _fullness(burst: int) -> float:
    return burst + SLACK if burst == 1 else float(burst)
