"""What upstream servers said, remembered."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.cache import Cache
from tests.dns.net import answered, query, wire


def remembered(cache: Cache, name: str, ttl: int = 60, now: float = 0.0) -> None:
    """Put an answer in."""
    cache.put(query(name).ask, answered(wire(name), f"{name}. {ttl} IN A 192.0.2.1"), now)


class CacheTests(SynchronousTestCase):
    """Times and bounds."""

    def test_fresh(self) -> None:
        """An answer is fresh for its time, then stale, then gone."""
        cache = Cache(100_000, maxStale=100.0)
        remembered(cache, "a.test", 60, now=1.0)
        ask = query("A.test").ask
        states = []
        for now in (1.0, 60.9, 61.0, 160.9, 161.0):
            kept = cache.get(ask, now)
            states.append(None if kept is None else kept.fresh(now))
        self.assertEqual(states, [True, True, False, False, None])
        self.assertEqual((len(cache), cache.cost), (0, 0))

    def test_unknown(self) -> None:
        """What nobody said is not there."""
        self.assertIsNone(Cache(100_000, 1.0).get(query("a.test").ask, 0.0))

    def test_notToBeRepeated(self) -> None:
        """An answer without a time is not kept."""
        cache = Cache(100_000, 1.0)
        remembered(cache, "a.test", 0)
        self.assertEqual(len(cache), 0)

    def test_replaced(self) -> None:
        """A newer answer takes the place of the older, and no more room."""
        cache = Cache(100_000, 1.0)
        remembered(cache, "a.test", now=0.0)
        cost = cache.cost
        remembered(cache, "a.test", now=50.0)
        kept = cache.get(query("a.test").ask, 50.0)
        assert kept is not None
        self.assertEqual((kept.stored, cache.cost, len(cache)), (50.0, cost, 1))

    def test_bounded(self) -> None:
        """However many names are asked for, the bound holds; the least used go first."""
        cache = Cache(20_000, 1.0)
        remembered(cache, "kept.test")
        for number in range(100):
            remembered(cache, f"n{number}.test")
            self.assertIsNotNone(cache.get(query("kept.test").ask, 0.0))
            self.assertLessEqual(cache.cost, 20_000)
        self.assertGreater(len(cache), 5)
        self.assertIsNone(cache.get(query("n0.test").ask, 0.0))

    def test_largerThanAll(self) -> None:
        """An answer that is larger than the bound is not kept."""
        cache = Cache(1_000, 1.0)
        remembered(cache, "a.test")
        self.assertEqual((len(cache), cache.cost), (0, 0))
