"""Tests of the ways to choose one of several endpoints."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.handlers import pickers
from edgemesh.handlers.pickers import (
    ConsistentHash,
    LeastRequest,
    Picker,
    RandomChoice,
    Rendezvous,
    RoundRobin,
    SessionAffinity,
    Weighted,
    keyOf,
)
from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.meta.policy import HashKey
from tests.handlers.samples import KEY, Fields, call, endpoints

Some = tuple[LiveEndpoint, ...]


def live(count: int, *weights: int) -> Some:
    """So many endpoints, with these weights."""
    made = tuple(LiveEndpoint(KEY, endpoint) for endpoint in endpoints(count))
    for endpoint, weight in zip(made, weights, strict=False):
        endpoint.weight = weight
    return made


def shares(picker: Picker, candidates: Some, calls: int) -> list[int]:
    """How often each is picked."""
    counted = Counter(picker.pick(candidates, call(), 0.0) for _ in range(calls))
    return [counted[endpoint] for endpoint in candidates]


def deviation(counts: list[int]) -> float:
    """Pearson's sum for equal expectations."""
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


class RoundRobinTests(SynchronousTestCase):
    """One after the other."""

    def test_order(self) -> None:
        """Every endpoint in turn, exactly equal shares."""
        some = live(3)
        picker = RoundRobin()
        self.assertEqual([picker.pick(some, call(), 0.0) for _ in range(6)], [*some, *some])

    def test_change(self) -> None:
        """When endpoints come or go the turn goes on."""
        picker, some = RoundRobin(), live(4)
        shares(picker, some[:3], 2)
        self.assertIs(picker.pick(some, call(), 0.0), some[2])
        self.assertIs(picker.pick(some[:1], call(), 0.0), some[0])


class RandomChoiceTests(SynchronousTestCase):
    """Any."""

    def test_even(self) -> None:
        """The shares are as equal as chance has it."""
        counts = shares(RandomChoice(Random(3)), live(5), 4000)
        # 18.5 is exceeded once in a thousand times by 4 degrees of freedom.
        self.assertLess(deviation(counts), 18.5)


class LeastRequestTests(SynchronousTestCase):
    """The power of two choices."""

    def test_fewer(self) -> None:
        """Of two, the one with fewer calls in flight."""
        some = live(2)
        some[0].inFlight = 1
        self.assertEqual(shares(LeastRequest(Random(3)), some, 50), [0, 50])

    def test_busiest(self) -> None:
        """The busiest of all never gets a call, every other one does."""
        some = live(4)
        for endpoint, inFlight in zip(some, (9, 1, 1, 1), strict=True):
            endpoint.inFlight = inFlight
        counts = shares(LeastRequest(Random(3)), some, 400)
        self.assertEqual(counts[0], 0)
        self.assertTrue(all(counts[1:]))

    def test_even(self) -> None:
        """Idle endpoints get equal shares."""
        self.assertLess(deviation(shares(LeastRequest(Random(3)), live(5), 4000)), 18.5)

    def test_one(self) -> None:
        """One endpoint alone is enough."""
        self.assertEqual(shares(LeastRequest(Random(3)), live(1), 3), [3])


class WeightedTests(SynchronousTestCase):
    """Smooth weighted round robin."""

    def test_smooth(self) -> None:
        """Shares are exact, and a heavy endpoint's calls are spread between the others'."""
        a, b, c = some = live(3, 5, 1, 1)
        picker = Weighted()
        order = [picker.pick(some, call(), 0.0) for _ in range(7)]
        self.assertEqual(order, [a, a, b, a, c, a, a])

    def test_changed(self) -> None:
        """A new weight holds from the next call on."""
        picker, some = Weighted(), live(2, 1, 1)
        shares(picker, some, 10)
        some[0].weight = 9
        self.assertEqual(shares(picker, some, 100), [90, 10])

    def test_newcomer(self) -> None:
        """Where heavy endpoints came and went, a newcomer gets its share at once."""
        picker, old, new = Weighted(), *live(2, 1, 1)
        for _ in range(50):
            heavy = live(1, 100)
            picker.pick((old, *heavy), call(), 0.0)
            picker.retain((old,))
        self.assertEqual(shares(picker, (old, new), 10), [5, 5])

    @settings(derandomize=True, max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
    def test_exact(self, weights: list[int]) -> None:
        """Over a whole round everybody gets exactly its weight."""
        picker, some = Weighted(), live(len(weights), *weights)
        self.assertEqual(shares(picker, some, sum(weights)), weights)


class RendezvousTests(SynchronousTestCase):
    """Which endpoint a key belongs to."""

    keys = [b"key-%d" % n for n in range(2000)]

    def owners(self, some: Some) -> list[LiveEndpoint]:
        """The endpoint of every key."""
        rendezvous = Rendezvous()
        return [rendezvous.highest(some, key) for key in self.keys]

    def test_known(self) -> None:
        """The same on every node and after every start: these values never change."""
        some = live(5)
        self.assertEqual(
            [some.index(e) for e in self.owners(some)[:10]], [4, 0, 1, 1, 0, 0, 2, 1, 0, 0]
        )

    def test_even(self) -> None:
        """Keys are spread as evenly as by chance; similar keys and addresses too."""
        for count in (2, 3, 7, 10):
            counted = Counter(self.owners(live(count)))
            # 27.9: once in a thousand times by 9 degrees of freedom.
            self.assertLess(deviation(list(counted.values())), 27.9, counted)

    def test_added(self) -> None:
        """A new endpoint takes its share of the keys, and no key moves elsewhere."""
        for count in (1, 4, 9):
            some = live(count + 1)
            moved = [new for old, new in self.pairs(some[:-1], some) if old is not new]
            self.assertEqual(set(moved), {some[-1]})
            share = len(moved) / len(self.keys)
            self.assertTrue(0.75 < share * (count + 1) < 1.25, share)

    def test_removed(self) -> None:
        """Only the keys of an endpoint that is gone move."""
        some = live(5)
        for old, new in self.pairs(some, some[1:]):
            self.assertTrue(old is some[0] or old is new)

    def test_order(self) -> None:
        """In which order endpoints are listed makes no difference."""
        some = live(5)
        for one, other in self.pairs(some, some[::-1]):
            self.assertIs(one, other)

    def pairs(self, before: Some, after: Some) -> list[tuple[LiveEndpoint, LiveEndpoint]]:
        return list(zip(self.owners(before), self.owners(after), strict=True))


class ConsistentHashTests(SynchronousTestCase):
    """What is hashed."""

    def test_keys(self) -> None:
        """A header, a cookie or the caller's address."""
        head = Fields(**{"x-user": b"ann", "cookie": b'a=1; sid=s7;sid=s8; b="2"'})
        invocation = call(head=head, caller="192.0.2.7")
        self.assertEqual(keyOf(HashKey(header="X-User"), invocation), b"ann")
        self.assertEqual(keyOf(HashKey(cookie="sid"), invocation), b"s7")
        self.assertEqual(keyOf(HashKey(cookie="b"), invocation), b'"2"')
        self.assertEqual(keyOf(HashKey(source=True), invocation), b"192.0.2.7")

    def test_keyless(self) -> None:
        """Calls without the key are spread evenly."""
        some = live(3)
        for key in (HashKey(header="x-user"), HashKey(cookie="sid")):
            picker = ConsistentHash(key)
            for head in (None, Fields(), Fields(cookie=b"sid; sid2=1;=")):
                picked = {picker.pick(some, call(head=head), 0.0) for _ in range(3)}
                self.assertEqual(picked, set(some))

    def test_sticks(self) -> None:
        """The same user, the same endpoint; when it is away, always the same other one."""
        some, picker = live(6), ConsistentHash(HashKey(header="x-user"))
        invocation = call(head=Fields(**{"x-user": b"ann"}))
        mine = picker.pick(some, invocation, 0.0)
        rest = tuple(e for e in some if e is not mine)
        other = picker.pick(rest, invocation, 0.0)
        self.assertTrue(all(picker.pick(rest, invocation, 0.0) is other for _ in range(5)))
        picker.retain(some)
        self.assertIs(picker.pick(some, invocation, 0.0), mine)


class SessionAffinityTests(SynchronousTestCase):
    """The endpoint a caller had last."""

    def setUp(self) -> None:
        self.some = live(5)
        self.picker = SessionAffinity(60)

    def pick(self, some: Some, now: float, caller: str = "192.0.2.1") -> LiveEndpoint:
        return self.picker.pick(some, call(caller=caller), now)

    def moved(self) -> LiveEndpoint:
        """Let the caller be moved at 10 s; where it is now."""
        first = self.pick(self.some, 0.0)
        return self.pick(tuple(e for e in self.some if e is not first), 10.0)

    def test_stays(self) -> None:
        """A caller that was moved stays there, though its first endpoint is back."""
        second = self.moved()
        self.assertIs(self.pick(self.some, 20.0), second)

    def test_lastsFromLastCall(self) -> None:
        """The time counts from the caller's last call."""
        second = self.moved()
        for now in (69.0, 128.0, 187.0):
            self.assertIs(self.pick(self.some, now), second)

    def test_expires(self) -> None:
        """A caller that comes back too late is treated like a new one."""
        second = self.moved()
        self.assertIsNot(self.pick(self.some, 70.0), second)

    def test_spread(self) -> None:
        """Callers are spread over all endpoints."""
        picked = {self.pick(self.some, 0.0, f"192.0.2.{n}") for n in range(100)}
        self.assertEqual(picked, set(self.some))

    def test_bounded(self) -> None:
        """However many callers come, a limited number is remembered: the latest."""
        self.patch(pickers, "MOST_SESSIONS", 50)
        second = self.moved()
        for n in range(49):
            self.pick(self.some, 11.0, f"198.51.100.{n}")
        self.assertIs(self.pick(self.some, 12.0), second)
        for n in range(500):
            self.pick(self.some, 13.0, f"2001:db8::{n:x}")
        self.assertEqual(len(self.picker), 50)
        self.assertIsNot(self.pick(self.some, 14.0), second)

    def test_retain(self) -> None:
        """Callers of an endpoint that is gone are forgotten, the others are not."""
        for n in range(100):
            self.pick(self.some, 0.0, f"192.0.2.{n}")
        second = self.moved()
        rest = tuple(e for e in self.some if e is not second)
        self.picker.retain(rest)
        self.assertLess(len(self.picker), 100)
        self.assertIn(self.pick(rest, 11.0), rest)
