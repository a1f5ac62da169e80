"""Tests of edgemesh.monotonic."""

import time

from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from edgemesh.monotonic import makeMonotonic


@implementer(IReactorTime)
class QuietReactor(ReactorBase):
    """Twisted's own timers, without anything to wait for."""

    def installWaker(self) -> None:
        """Nobody wakes it."""

    def installNameResolver(self, resolver: object) -> object:
        """Nobody asks it."""
        return resolver


class MakeMonotonicTests(SynchronousTestCase):
    """:func:`~edgemesh.monotonic.makeMonotonic`."""

    def test_timeOfDayReplaced(self) -> None:
        """A fresh reactor reads the monotonic clock from now on."""
        reactor = QuietReactor()
        self.assertIs(reactor.seconds, time.time)
        self.assertTrue(makeMonotonic(reactor))
        self.assertIs(reactor.seconds, time.monotonic)

    def test_jumpStallsNothing(self) -> None:
        """A timer is due when its time has passed, whatever happens to the time of day."""
        timeOfDay, steady = [2_000_000_000.0], [100.0]
        self.patch(time, "time", lambda: timeOfDay[0])
        self.patch(time, "monotonic", lambda: steady[0])
        reactor = QuietReactor()
        reactor.seconds = time.time
        makeMonotonic(reactor)
        fired: list[str] = []
        reactor.callLater(5, fired.append, "due")
        timeOfDay[0] = 0.0
        steady[0] = 104.9
        reactor.runUntilCurrent()
        self.assertEqual(fired, [])
        steady[0] = 105.0
        reactor.runUntilCurrent()
        self.assertEqual(fired, ["due"])

    def test_twice(self) -> None:
        """Doing it again changes nothing and is no error."""
        reactor = QuietReactor()
        makeMonotonic(reactor)
        reactor.callLater(1, lambda: None)
        self.assertTrue(makeMonotonic(reactor))
        self.assertIs(reactor.seconds, time.monotonic)

    def test_pendingTimers(self) -> None:
        """Timers that were set by the time of day are not left to sleep for ever."""
        reactor = QuietReactor()
        reactor.callLater(1, lambda: None)
        self.assertFalse(makeMonotonic(reactor))
        self.assertIs(reactor.seconds, time.time)

    def test_somebodyElsesClock(self) -> None:
        """A clock that is not the time of day stays as it is."""
        clock = Clock()
        clock.advance(7)
        self.assertTrue(makeMonotonic(clock))
        self.assertEqual(clock.seconds(), 7)
