"""Tests of the token bucket."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.handlers.bucket import SLACK, TokenBucket

Steps = st.lists(st.integers(min_value=0, max_value=3000), min_size=1, max_size=60)


class Reference:
    """The same promise, exact and slow: tokens as fractions, time in whole milliseconds."""

    def __init__(self, limit: int, burst: int) -> None:
        self.limit = limit
        self.full = Fraction(burst) + (Fraction(SLACK) if burst == 1 else 0)
        self.level = self.full
        self.since = 0

    def take(self, milliseconds: int) -> bool:
        earned = Fraction(milliseconds - self.since, 1000) * self.limit
        self.since = milliseconds
        self.level = min(self.full, self.level + earned)
        taken = self.level >= 1
        self.level -= taken
        return taken


def admitted(bucket: TokenBucket, every: float, seconds: float) -> int:
    """How many of evenly paced calls a bucket admits."""
    return sum(bucket.take(n * every) for n in range(round(seconds / every)))


class TokenBucketTests(SynchronousTestCase):
    """So many calls a second, so many at once."""

    def test_burst(self) -> None:
        """A quiet service may be called ``burst`` times at once, and not once more."""
        bucket = TokenBucket(1, 5)
        self.assertEqual([bucket.take(100.0) for _ in range(7)], [True] * 5 + [False] * 2)

    def test_refill(self) -> None:
        """Each token is there when its time has come, and not before."""
        bucket = TokenBucket(10, 2)
        for _ in range(2):
            bucket.take(50.0)
        self.assertFalse(bucket.take(50.09))
        self.assertTrue(bucket.take(50.1))
        self.assertFalse(bucket.take(50.19))
        self.assertTrue(bucket.take(50.2))

    def test_overload(self) -> None:
        """Ten times too many calls for ten seconds: the burst and the limit pass, exactly."""
        self.assertEqual(admitted(TokenBucket(100, 10), 0.001, 10.0), 1009)

    def test_justInTime(self) -> None:
        """Calls that come exactly at the limit all pass, however long the machine is up."""
        bucket = TokenBucket(100, 2)
        self.assertTrue(bucket.take(1e6) and bucket.take(1e6))
        self.assertTrue(all(bucket.take(1e6 + n / 100) for n in range(1, 1000)))

    def test_burstOfOne(self) -> None:
        """A limit with burst 1 is met as well, though calls never come just in time."""
        for every in (0.001, 0.00097, 0.0013, 0.00031):
            count = admitted(TokenBucket(100, 1), every, 10.0)
            self.assertTrue(970 <= count <= 1001, (every, count))

    def test_wait(self) -> None:
        """Who is refused is told how long to wait, and passes then."""
        bucket = TokenBucket(4, 3)
        for _ in range(3):
            bucket.take(10.0)
        self.assertFalse(bucket.take(10.1))
        wait = bucket.wait(10.1)
        self.assertAlmostEqual(wait, 0.15)
        self.assertTrue(bucket.take(10.1 + wait))
        self.assertEqual(bucket.wait(1000.0), 0.0)

    def test_giveBack(self) -> None:
        """A call that did not happen leaves its place to another."""
        bucket = TokenBucket(1, 2)
        bucket.take(5.0)
        bucket.take(5.0)
        bucket.giveBack()
        self.assertEqual([bucket.take(5.0), bucket.take(5.0)], [True, False])

    def test_giveBackToFull(self) -> None:
        """Giving back late never allows more than the burst."""
        bucket = TokenBucket(1, 2)
        bucket.take(5.0)
        bucket.level(100.0)
        bucket.take(100.0)
        bucket.giveBack()
        bucket.giveBack()
        self.assertEqual([bucket.take(100.0) for _ in range(3)], [True, True, False])

    def test_change(self) -> None:
        """A new limit neither refills nor empties the bucket."""
        bucket = TokenBucket(1, 10)
        for _ in range(6):
            bucket.take(5.0)
        bucket.change(100, 20)
        self.assertAlmostEqual(bucket.level(5.0), 4.0)
        bucket.change(1, 3)
        self.assertAlmostEqual(bucket.level(5.0), 3.0)

    def test_clockStands(self) -> None:
        """While the clock stands, the burst is all there is."""
        bucket = TokenBucket(1000, 3)
        self.assertEqual(sum(bucket.take(7.0) for _ in range(50)), 3)

    def test_readingsOutOfOrder(self) -> None:
        """A clock reading that is used late earns nothing twice."""
        bucket = TokenBucket(1000, 1)
        bucket.take(10.0)
        count = sum(bucket.take(10.0 - 0.5 * (n % 2)) for n in range(200))
        self.assertEqual(count, 0)

    def test_clockSetBack(self) -> None:
        """After the clock was set back by an hour calls go on passing at the limit."""
        bucket = TokenBucket(10, 1)
        bucket.take(7200.0)
        self.assertFalse(bucket.take(3600.0))
        self.assertTrue(bucket.take(3600.1))
        self.assertFalse(bucket.take(3600.15))

    def test_repr(self) -> None:
        """Logs show limit, burst and level."""
        self.assertEqual(repr(TokenBucket(2.5, 4)), "<TokenBucket 2.5/s burst 4: 4.000>")

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.integers(1, 2000), st.integers(1, 20), Steps)
    def test_anyArrivals(self, limit: int, burst: int, steps: list[int]) -> None:
        """However calls arrive, exactly those pass that have a token."""
        bucket, reference, clock = TokenBucket(limit, burst), Reference(limit, burst), 0
        for step in steps:
            clock += step if step < 2000 else 0
            self.assertEqual(bucket.take(clock / 1000), reference.take(clock))

    @settings(derandomize=True, max_examples=40, deadline=None)
    @given(st.floats(0.1, 1e4), st.integers(1, 50), Steps)
    def test_bound(self, limit: float, burst: int, steps: list[int]) -> None:
        """In any ``t`` seconds at most ``limit * t + burst`` calls pass."""
        bucket, clock, passed = TokenBucket(limit, burst), 1000.0, []
        for step in steps:
            clock += step / 40_000 if step % 3 else 0.0
            if bucket.take(clock):
                passed.append(clock)
        allowed = burst + (SLACK if burst == 1 else 0.0) + 1e-4
        for first in range(len(passed)):
            for last in range(first, len(passed)):
                most = limit * (passed[last] - passed[first]) + allowed
                self.assertLessEqual(last - first + 1, most)
