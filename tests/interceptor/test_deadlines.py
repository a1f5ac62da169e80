"""Tests of edgemesh/interceptor/deadlines.py."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.interceptor.deadlines import Deadlines


class DeadlinesTests(SynchronousTestCase):
    """Short waits end in time and cost one timer together."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, 0.02)
        self.ended: list[str] = []

    def wait(self, name: str) -> object:
        """One wait that notes its end."""
        return self.deadlines.wait(lambda: self.ended.append(name))

    def test_inTime(self) -> None:
        """Each wait ends after the delay, in order."""
        self.wait("a")
        self.clock.advance(0.01)
        self.wait("b")
        self.clock.advance(0.011)
        self.assertEqual(self.ended, ["a"])
        self.clock.advance(0.01)
        self.assertEqual(self.ended, ["a", "b"])

    def test_oneTimer(self) -> None:
        """However many wait, there is one timer; when nobody waits there is none."""
        for name in "abc":
            self.wait(name)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0.03)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """A wait that was called off ends in nothing, and leaves the queue."""
        self.wait("a").cancel()
        self.wait("b")
        self.clock.advance(0.03)
        self.assertEqual(self.ended, ["b"])
        self.assertEqual(len(self.deadlines), 0)

    def test_stop(self) -> None:
        """When nobody waits any more for good, no timer is left."""
        self.wait("a")
        self.deadlines.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.deadlines.stop()
        self.clock.advance(0.03)
        self.assertEqual(self.ended, [])

    def test_again(self) -> None:
        """One may wait again when a wait ends."""
        self.deadlines.wait(lambda: self.wait("again"))
        self.clock.advance(0.02)
        self.clock.advance(0.02)
        self.assertEqual(self.ended, ["again"])

    def test_defect(self) -> None:
        """A defect at the end of one wait does not stop the others."""
        self.deadlines.wait(lambda: self.ended.index("nothing"))
        self.wait("b")
        self.clock.advance(0.02)
        self.assertEqual(self.ended, ["b"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
