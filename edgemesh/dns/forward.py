# -*- test-case-name: tests.dns.test_forward -*-
"""
Every name that is not the mesh's: asked of upstream servers, remembered.

Theory of operation.  One :class:`_Lookup` runs for each different question,
however many callers wait for it.  The first server that seems well is asked; when
it says nothing for 250 ms the next one is asked too, when it fails the next one is
asked at once.  The first good answer ends it.  So a slow server costs one lookup a
quarter of a second, and is the last choice for the next ones.

Callers do not wait for all of that.  An answer beyond its time goes out after
400 ms, and at once while the servers are known to be away (RFC 8767); with nothing
known callers get SERVFAIL after 900 ms.  The lookup goes on a little for the sake
of the next caller.

Everything is bounded: lookups at once, callers for each, the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from edgemesh.dns.answers import Answer
from edgemesh.dns.cache import Cache
from edgemesh.dns.queries import Ask
from edgemesh.dns.upstream import Exchange, Upstream

#: After this long without an answer another server is asked as well.
HEDGE = 0.25
#: Callers get an answer beyond its time after this long.
STALE_AFTER = 0.4
#: Callers get SERVFAIL after this long when nothing is known.
FAIL_AFTER = 0.9
#: A lookup ends after this long, whoever still could answer.
PATIENCE = 2.0
#: A failure is remembered this long; RFC 9520 wants at least a second.
FAILURE_SECONDS = 1.0
#: Answers beyond their time are told for this long before servers are asked again.
STALE_RECHECK = 5.0

_MOST_WAITING = 1_000
_MOST_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a caller gets.

    :ivar answer: None for SERVFAIL.
    :ivar age: seconds since it came.
    :ivar cached: no server was asked for it.
    :ivar stale: it is beyond its time.
    """

    answer: Answer | None
    age: float = 0.0
    cached: bool = False
    stale: bool = False


_FAILED = Found(None)


class Forwarder:
    """
    Asks upstream servers.

    :ivar inFlight: lookups at this moment.
    :param clock: ``IReactorTime``.
    :param upstreams: in order of preference; without any, nothing is found.
    :param mostLookups: at once; each may have a socket for each server.
    """

    def __init__(
        self, clock: Any, upstreams: Sequence[Upstream], cache: Cache, mostLookups: int = 256
    ) -> None:
        self.clock = clock
        self.upstreams = tuple(upstreams)
        self.cache = cache
        self._most = mostLookups
        self._lookups: dict[Ask, _Lookup] = {}
        self._failures: dict[Ask, float] = {}

    def __repr__(self) -> str:
        return f"<Forwarder to {len(self.upstreams)} servers, {self.inFlight} in flight>"

    @property
    def inFlight(self) -> int:
        return len(self._lookups)

    def find(self, ask: Ask) -> Deferred[Found]:
        """What is known, or what a server says; fires within a second, with SERVFAIL at worst."""
        now = self.clock.seconds()
        kept = self.cache.get(ask, now)
        if kept is not None and (kept.fresh(now) or now < kept.askAgain):
            stale = not kept.fresh(now)
            return succeed(Found(kept.answer, now - kept.stored, True, stale))
        if self._failures.get(ask, 0.0) > now:
            return succeed(_FAILED)
        lookup = self._lookups.get(ask)
        if lookup is None:
            if len(self._lookups) >= self._most:
                return succeed(self.fallback(ask))
            lookup = self._lookups[ask] = _Lookup(self, ask, hasStale=kept is not None)
            waiting = lookup.wait()
            lookup.begin(now)
            return waiting
        if lookup.waiting >= _MOST_WAITING:
            return succeed(self.fallback(ask))
        return lookup.late() or lookup.wait()

    def stop(self) -> None:
        """End every lookup; callers get what is known."""
        for lookup in list(self._lookups.values()):
            lookup.end(None)

    def ended(self, ask: Ask, answer: Answer | None) -> None:
        """A lookup is over."""
        del self._lookups[ask]
        now = self.clock.seconds()
        if answer is not None:
            self._failures.pop(ask, None)
            self.cache.put(ask, answer, now)
            return
        kept = self.cache.get(ask, now)
        if kept is not None:
            kept.askAgain = now + STALE_RECHECK
            return
        while len(self._failures) >= _MOST_FAILURES:
            del self._failures[next(iter(self._failures))]
        self._failures[ask] = now + FAILURE_SECONDS

    def preferred(self, now: float) -> list[Upstream]:
        """The servers in the order to ask them now."""
        return sorted(self.upstreams, key=lambda each: each.avoidUntil > now)

    def fallback(self, ask: Ask) -> Found:
        """The best there is without asking."""
        now = self.clock.seconds()
        kept = self.cache.get(ask, now)
        if kept is None:
            return _FAILED
        return Found(kept.answer, now - kept.stored, True, not kept.fresh(now))


class _Lookup:
    """One question, whoever waits for it."""

    def __init__(self, forwarder: Forwarder, ask: Ask, hasStale: bool) -> None:
        self._forwarder = forwarder
        self._ask = ask
        self._hasStale = hasStale
        self._waiting: list[Deferred[Found]] = []
        self._left: list[Upstream] = []
        self._open: dict[Exchange, float] = {}
        self._timers: dict[str, IDelayedCall] = {}
        self._expired = False

    def __repr__(self) -> str:
        return f"<_Lookup {len(self._open)} servers asked, {self.waiting} callers>"

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def wait(self) -> Deferred[Found]:
        """One more caller; a caller that gives up is forgotten."""
        waiting: Deferred[Found] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def late(self) -> Deferred[Found] | None:
        """The best there is when callers have been told already that they wait in vain."""
        return succeed(self._forwarder.fallback(self._ask)) if self._expired else None

    def begin(self, now: float) -> None:
        """Ask the first server."""
        self._left = self._forwarder.preferred(now)
        patience = STALE_AFTER if self._hasStale else FAIL_AFTER
        self._after("callers", patience, self._tellCallers)
        self._after("end", PATIENCE, self.end, None)
        self._askNext()

    def end(self, answer: Answer | None) -> None:
        """Tell everybody; close everything."""
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        now = self._forwarder.clock.seconds()
        for exchange, began in self._open.items():
            exchange.cancel()
            if now >= began + HEDGE:
                # It had its time.
                exchange.upstream.failed(now)
        self._open = {}
        self._forwarder.ended(self._ask, answer)
        self._tell(Found(answer) if answer is not None else self._forwarder.fallback(self._ask))

    def _askNext(self) -> None:
        if not self._left:
            if not self._open:
                self.end(None)
            return
        upstream = self._left.pop(0)
        exchange = upstream.exchange(self._ask, lambda answer: self._told(exchange, answer))
        self._open[exchange] = self._forwarder.clock.seconds()
        self._after("hedge", HEDGE, self._askNext)
        exchange.start()

    def _told(self, exchange: Exchange, answer: Answer | None) -> None:
        del self._open[exchange]
        if answer is not None:
            exchange.upstream.worked()
            self.end(answer)
            return
        exchange.upstream.failed(self._forwarder.clock.seconds())
        self._askNext()

    def _tellCallers(self) -> None:
        self._expired = True
        self._tell(self._forwarder.fallback(self._ask))

    def _tell(self, found: Found) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(found)

    def _after(self, name: str, seconds: float, call: Any, *args: object) -> None:
        former = self._timers.get(name)
        if former is not None and former.active():
            former.cancel()
        self._timers[name] = self._forwarder.clock.callLater(seconds, call, *args)
