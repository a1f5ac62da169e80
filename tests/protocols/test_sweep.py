# -*- test-case-name: tests.protocols.test_sweep -*-
"""One timer for many deadlines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.sweep import Sweep, Sweepable


class Entry:
    """Something that must end in time."""

    def __init__(self, sweep: Sweep, deadline: float) -> None:
        self.sweep = sweep
        self.deadline = deadline
        self.expiries: list[float] = []

    def expired(self, now: float) -> None:
        self.expiries.append(now)
        self.sweep.unwatch(self)


class Broken(Entry):
    """Something with a defect."""

    def expired(self, now: float) -> None:
        raise RuntimeError("a defect")


class Stubborn(Entry):
    """Something that sets itself another deadline."""

    def expired(self, now: float) -> None:
        self.expiries.append(now)
        self.deadline = now + 2


class SweepTests(SynchronousTestCase):
    """Deadlines are met, late by at most one interval."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.sweep = Sweep(self.clock, 0.1)
        self.sweep.startService()
        self.addCleanup(self.sweep.stopService)

    def watched(self, deadline: float, kind: type[Entry] = Entry) -> Entry:
        entry = kind(self.sweep, deadline)
        self.sweep.watch(entry)
        return entry

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds / 0.1))

    def test_inTime(self) -> None:
        """What is over is told so within an interval, and not before."""
        entry = self.watched(1.0)
        self.advance(0.9)
        self.assertEqual(entry.expiries, [])
        self.advance(0.2)
        self.assertEqual(len(entry.expiries), 1)
        self.assertTrue(1.0 <= entry.expiries[0] <= 1.1 + 1e-9)

    def test_moved(self) -> None:
        """Moving a deadline is enough to live longer."""
        entry = self.watched(1.0)
        self.advance(0.9)
        entry.deadline = 5.0
        self.advance(1.0)
        self.assertEqual(entry.expiries, [])

    def test_unwatched(self) -> None:
        """What ended by itself hears nothing more; ending twice is harmless."""
        entry = self.watched(1.0)
        self.sweep.unwatch(entry)
        self.sweep.unwatch(entry)
        self.advance(2.0)
        self.assertEqual(entry.expiries, [])

    def test_again(self) -> None:
        """Whoever sets another deadline is told again."""
        entry = self.watched(1.0, Stubborn)
        self.advance(5.4)
        self.assertEqual(len(entry.expiries), 3)

    def test_unwatchingOthers(self) -> None:
        """What expires may end others, and begin new ones, while all are looked at."""
        sweep = self.sweep

        class Chained(Entry):
            def expired(self, now: float) -> None:
                super().expired(now)
                sweep.watch(Entry(sweep, now + 100))

        entries = [self.watched(1.0, Chained) for _ in range(3)]
        self.advance(1.2)
        self.assertEqual([len(entry.expiries) for entry in entries], [1, 1, 1])
        self.assertEqual(len(sweep.watched), 3)

    def test_endedByAnother(self) -> None:
        """What another one ended, or gave more time, in the same moment is not told."""
        ended, moved = Entry(self.sweep, 1.0), Entry(self.sweep, 1.0)

        class First(Entry):
            def expired(self, now: float) -> None:
                super().expired(now)
                self.sweep.unwatch(ended)
                moved.deadline = now + 5

        self.watched(1.0, First)
        self.sweep.watch(ended)
        self.sweep.watch(moved)
        self.advance(2.0)
        self.assertEqual((ended.expiries, moved.expiries), ([], []))

    def test_defect(self) -> None:
        """A defect in one entry is logged, ends its watch, and delays nobody else."""
        self.watched(1.0, Broken)
        entry = self.watched(1.0)
        self.advance(1.5)
        self.assertEqual(len(entry.expiries), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stopped(self) -> None:
        """After stopping there is no timer left, and nobody is told anything."""
        entry = self.watched(1.0)
        self.sweep.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.advance(2.0)
        self.assertEqual(entry.expiries, [])

    def test_notStarted(self) -> None:
        """Nothing runs before the node starts; stopping then is harmless."""
        clock = Clock()
        sweep = Sweep(clock, 0.1)
        self.assertEqual(clock.getDelayedCalls(), [])
        sweep.stopService()

    @settings(derandomize=True, max_examples=30, deadline=None)
    @given(st.lists(st.floats(0.0, 3.0), max_size=20))
    def test_allInTime(self, deadlines: list[float]) -> None:
        """However many there are, each is told once and in time."""
        clock = Clock()
        sweep = Sweep(clock, 0.1)
        sweep.startService()
        entries = [Entry(sweep, deadline) for deadline in deadlines]
        for entry in entries:
            watched: Sweepable = entry
            sweep.watch(watched)
        clock.pump([0.1] * 33)
        for entry in entries:
            self.assertEqual(len(entry.expiries), 1)
            self.assertTrue(0 <= entry.expiries[0] - entry.deadline <= 0.1 + 1e-9)
        sweep.stopService()
