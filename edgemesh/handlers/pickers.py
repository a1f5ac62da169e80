# -*- test-case-name: tests.handlers.test_pickers -*-
"""
How one of several endpoints is chosen, and nothing else.

A picker is given the endpoints that may take the call, at least one, and returns
one of them.  Which those are is :mod:`edgemesh.handlers.loadbalance`'s business.
A picker keeps its state over changes of the set; it never stores more for callers
than :data:`MOST_SESSIONS` entries.

Hashing is rendezvous hashing: every endpoint gets a score for the key and the
highest wins.  When one of n + 1 endpoints comes or goes, only its own keys move.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from math import inf
from random import Random
from typing import Protocol

from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.invocation import Invocation
from edgemesh.meta.policy import HashKey

#: Callers remembered for session affinity, for each service port.
MOST_SESSIONS = 10_000

Candidates = tuple[LiveEndpoint, ...]

_MASK = (1 << 64) - 1
#: Odd numbers with well mixed bits: multiplying spreads every bit upward.
_SPREAD, _SPREAD_AGAIN = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


class Picker(Protocol):
    """One way to choose."""

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        """Choose; ``candidates`` is not empty."""

    def retain(self, endpoints: Candidates) -> None:
        """Forget every endpoint that is not among these."""


class RoundRobin:
    """One after the other."""

    __slots__ = ("_position",)

    def __init__(self) -> None:
        self._position = -1

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        position = self._position = (self._position + 1) % len(candidates)
        return candidates[position]

    def retain(self, endpoints: Candidates) -> None:
        """A position names no endpoint."""


class RandomChoice:
    """Any, with equal chances."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        self._random = random.random

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        return candidates[int(self._random() * len(candidates))]

    def retain(self, endpoints: Candidates) -> None:
        """Nothing is remembered."""


class LeastRequest:
    """Of two at random, the one with fewer calls in flight."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        self._random = random.random

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        count = len(candidates)
        first = int(self._random() * count)
        if count == 1:
            return candidates[0]
        second = int(self._random() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        return other if other.inFlight < one.inFlight else one

    def retain(self, endpoints: Candidates) -> None:
        """Nothing is remembered."""


class Weighted:
    """
    Smooth weighted round robin: shares by weight, as evenly spread as they can be.

    Every endpoint earns its weight at each call; the richest is picked and pays
    what all have earned.
    """

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit: dict[LiveEndpoint, int] = {}

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        credit = self._credit
        total = 0
        richest = candidates[0]
        most = -inf
        for endpoint in candidates:
            weight = endpoint.weight
            total += weight
            owned = credit[endpoint] = credit.get(endpoint, 0) + weight
            if owned > most:
                richest, most = endpoint, owned
        credit[richest] -= total
        return richest

    def retain(self, endpoints: Candidates) -> None:
        kept = {e: owned for e, owned in self._credit.items() if e in endpoints}
        # Credits add up to nothing, so that a newcomer waits no longer than the others.
        surplus = sum(kept.values()) // len(kept) if kept else 0
        self._credit = {e: owned - surplus for e, owned in kept.items()}


class ConsistentHash:
    """The same endpoint for the same header, cookie or caller; else one after the other."""

    __slots__ = ("_key", "_keyless", "_rendezvous")

    def __init__(self, key: HashKey) -> None:
        self._key = key
        self._keyless = RoundRobin()
        self._rendezvous = Rendezvous()

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        key = keyOf(self._key, invocation)
        if not key:
            return self._keyless.pick(candidates, invocation, now)
        return self._rendezvous.highest(candidates, key)

    def retain(self, endpoints: Candidates) -> None:
        self._rendezvous.retain(endpoints)


class SessionAffinity:
    """
    The endpoint a caller had last, as long as it comes back in time.

    The longest unseen caller is forgotten first; the next time it gets the
    endpoint its address hashes to, which is most often the same.
    """

    __slots__ = ("_rendezvous", "_seconds", "_sessions")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sessions: OrderedDict[str, tuple[LiveEndpoint, float]] = OrderedDict()
        self._rendezvous = Rendezvous()

    def __len__(self) -> int:
        return len(self._sessions)

    def pick(self, candidates: Candidates, invocation: Invocation, now: float) -> LiveEndpoint:
        caller = invocation.caller
        endpoint, until = self._sessions.get(caller, (None, 0.0))
        if endpoint is None or until <= now or endpoint not in candidates:
            endpoint = self._rendezvous.highest(candidates, caller.encode())
        self._sessions[caller] = (endpoint, now + self._seconds)
        self._sessions.move_to_end(caller)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return endpoint

    def retain(self, endpoints: Candidates) -> None:
        self._rendezvous.retain(endpoints)
        known = set(endpoints)
        gone = [caller for caller, (e, _) in self._sessions.items() if e not in known]
        for caller in gone:
            del self._sessions[caller]


class Rendezvous:
    """Scores of endpoints; the same in every process and on every node."""

    __slots__ = ("_seeds",)

    def __init__(self) -> None:
        self._seeds: dict[LiveEndpoint, int] = {}

    def highest(self, candidates: Candidates, key: bytes) -> LiveEndpoint:
        """The endpoint with the highest score for a key."""
        number = _number(key)
        seeds = self._seeds
        best = candidates[0]
        most = -1
        for endpoint in candidates:
            seed = seeds.get(endpoint)
            if seed is None:
                seed = seeds[endpoint] = _number(endpoint.address.encode())
            score = (number ^ seed) * _SPREAD & _MASK
            score = (score ^ score >> 32) * _SPREAD_AGAIN & _MASK
            if score > most:
                best, most = endpoint, score
        return best

    def retain(self, endpoints: Candidates) -> None:
        """Forget the others."""
        self._seeds = {e: seed for e, seed in self._seeds.items() if e in endpoints}


def keyOf(key: HashKey, invocation: Invocation) -> bytes:
    """What a call is hashed by; empty when it does not say."""
    if key.source:
        return invocation.caller.encode()
    head = invocation.head
    if head is None:
        return b""
    if key.header:
        return head.header(key.header.lower().encode()) or b""
    return _cookie(head.header(b"cookie") or b"", key.cookie.encode())


def _cookie(field: bytes, name: bytes) -> bytes:
    for pair in field.split(b";"):
        found, _, value = pair.strip().partition(b"=")
        if found == name:
            return value
    return b""


def _number(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
