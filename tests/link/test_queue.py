"""Tests for :mod:`edgemesh.link.queue`."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import LocalProtocolError
from edgemesh.link.queue import RecordQueue
from tests.link.sockets import Source


class RecordQueueTests(SynchronousTestCase):
    """Records that wait, and who is paused meanwhile."""

    def test_order(self) -> None:
        """Records leave whole and in the order in which they came."""
        queue = RecordQueue(100)
        for record in (b"a", b"bb", b"ccc"):
            queue.append(record)
        self.assertEqual((len(queue), queue.size), (3, 6))
        left = []
        while queue:
            left.append(queue.first())
            queue.remove()
        self.assertEqual(left, [b"a", b"bb", b"ccc"])
        self.assertEqual(queue.size, 0)

    def test_bound(self) -> None:
        """The bound is exact: one byte more does not fit."""
        queue = RecordQueue(10)
        queue.append(b"123456")
        self.assertTrue(queue.takes(4))
        self.assertFalse(queue.takes(5))

    def test_producer(self) -> None:
        """A source is paused above half of the bound, and resumed at a quarter, once each."""
        queue, source = RecordQueue(8), Source()
        queue.register(source)
        for _ in range(6):
            queue.append(b"x")
        self.assertEqual(source.asked, ["pause"])
        for _ in range(3):
            queue.remove()
        self.assertEqual(source.asked, ["pause"])
        queue.remove()
        self.assertEqual(source.asked, ["pause", "resume"])

    def test_registeredLate(self) -> None:
        """A source that registers while much waits is paused at once."""
        queue, source = RecordQueue(8), Source()
        queue.append(b"x" * 5)
        queue.register(source)
        self.assertEqual(source.asked, ["pause"])

    def test_oneProducer(self) -> None:
        """Two sources cannot be paused by one queue; the second is told."""
        queue = RecordQueue(8)
        queue.register(Source())
        self.assertRaises(LocalProtocolError, queue.register, Source())
        queue.unregister()
        queue.register(Source())

    def test_close(self) -> None:
        """With the link, what waits is forgotten and the source stopped, once."""
        queue, source = RecordQueue(8), Source()
        queue.append(b"x" * 5)
        queue.register(source)
        queue.close()
        queue.close()
        self.assertEqual(source.asked, ["pause", "stop"])
        self.assertEqual((len(queue), queue.size), (0, 0))

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.lists(st.one_of(st.none(), st.integers(1, 9)), max_size=60))
    def test_neverPausedForGood(self, steps: list[int | None]) -> None:
        """Whatever comes and goes, pause and resume alternate, and an empty queue runs."""
        queue, source = RecordQueue(20), Source()
        queue.register(source)
        for step in steps:
            if step is not None and queue.takes(step):
                queue.append(b"x" * step)
            elif step is None and queue:
                queue.remove()
            self.assertLessEqual(queue.size, 20)
            paused = len(source.asked) % 2 == 1
            self.assertFalse(paused and queue.size <= 5)
            self.assertFalse(not paused and queue.size > 10)
        self.assertEqual(source.asked[::2], ["pause"] * len(source.asked[::2]))
        self.assertEqual(source.asked[1::2], ["resume"] * len(source.asked[1::2]))
