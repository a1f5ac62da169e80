"""Tests for :mod:`edgemesh.link.dialling`."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.link.dialling import Backoff, Redialler, connected
from edgemesh.link.listener import RecordListener
from edgemesh.link.records import RecordLimits
from edgemesh.link.seqpacket import LINGER
from tests.link.places import PlacesMixin
from tests.link.sockets import Recording, Turned


class BackoffTests(SynchronousTestCase):
    """How long to wait after a failure."""

    def test_doubles(self) -> None:
        """The span doubles with every failure, up to its bound."""
        backoff = Backoff(first=0.5, most=3.0)
        spans = [backoff.delay(failures, lambda: 1.0) for failures in (1, 2, 3, 4, 5_000)]
        self.assertEqual(spans, [0.5, 1.0, 2.0, 3.0, 3.0])

    @settings(derandomize=True, max_examples=50, deadline=None)
    @given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
    def test_fullJitter(self, failures: int, random: float) -> None:
        """The wait is anywhere in the span, also right at its beginning."""
        backoff = Backoff()
        whole = backoff.delay(failures, lambda: 1.0)
        self.assertAlmostEqual(backoff.delay(failures, lambda: random), whole * random)
        self.assertLessEqual(whole, backoff.most)


class RedialTests(PlacesMixin, SynchronousTestCase):
    """A link that is made again and again."""

    def setUp(self) -> None:
        self.path = self.place()
        self.reactor = Turned()
        self.made: list[Recording] = []
        self.accepted: list[Recording] = []
        self.redialler = Redialler(
            self.reactor, self.path, self.make, RecordLimits(), Backoff(1.0, 8.0), lambda: 0.5
        )
        self.addCleanup(self.end)

    def end(self) -> None:
        """Whatever a test leaves open is closed."""
        self.redialler.stopService()
        self.settle()
        self.reactor.advance(LINGER)

    def make(self) -> Recording:
        self.made.append(Recording())
        return self.made[-1]

    def accept(self) -> Recording:
        self.accepted.append(Recording())
        return self.accepted[-1]

    def listen(self) -> RecordListener:
        """Somebody listens."""
        listener = RecordListener(self.reactor, self.path, self.accept, RecordLimits())
        listener.startService()
        self.addCleanup(listener.stopService)
        return listener

    def settle(self) -> None:
        """Everything that can happen now happens."""
        self.reactor.advance(0)
        self.reactor.turn(3)

    def test_links(self) -> None:
        """With somebody there, the link is up at once, and records go both ways."""
        self.listen()
        self.redialler.startService()
        self.settle()
        self.made[0].transport.sendRecord(b"question")
        self.settle()
        self.accepted[0].transport.sendRecord(b"answer")
        self.settle()
        self.assertEqual(self.accepted[0].records, [b"question"])
        self.assertEqual(self.made[0].records, [b"answer"])
        self.assertIn("LINKED", repr(self.redialler))

    def test_nobodyThere(self) -> None:
        """With nobody there it is tried again, after longer and longer waits."""
        self.redialler.startService()
        self.settle()
        waits = []
        for _ in range(6):
            (call,) = self.reactor.getDelayedCalls()
            waits.append(round(call.getTime() - self.reactor.seconds(), 3))
            self.reactor.advance(waits[-1])
        self.assertEqual(waits, [0.5, 1.0, 2.0, 4.0, 4.0, 4.0])
        self.assertEqual(self.made, [])
        self.assertIn("WAITING", repr(self.redialler))

    def test_comesLater(self) -> None:
        """Who comes later is found."""
        self.redialler.startService()
        self.settle()
        self.listen()
        self.reactor.advance(0.5)
        self.settle()
        self.assertEqual(len(self.made), 1)

    def test_lost(self) -> None:
        """A lost link is made again; once the peer had settled, after a short wait."""
        self.listen()
        self.redialler.startService()
        self.settle()
        self.redialler.settled()
        for again in (1, 2):
            self.accepted[-1].transport.abortConnection()
            self.settle()
            self.assertEqual(len(self.made[-1].lost), 1)
            self.reactor.advance(0.5)
            self.settle()
            self.assertEqual(len(self.made), again + 1)
            self.redialler.settled()

    def test_hangsUp(self) -> None:
        """A peer that accepts and hangs up is asked less and less often."""
        self.listen()
        self.redialler.startService()
        self.settle()
        for expected in (1, 2, 3):
            self.accepted[-1].transport.abortConnection()
            self.settle()
            self.assertEqual(self.redialler.failures, expected)
            self.reactor.advance(4.0)
            self.settle()

    def test_stopWaiting(self) -> None:
        """Stopped between two attempts, it makes no other."""
        self.redialler.startService()
        self.settle()
        self.successResultOf(self.redialler.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertIn("IDLE", repr(self.redialler))

    def test_stopLinked(self) -> None:
        """Stopped while linked, it sends what is queued and is stopped when the link is closed."""
        self.listen()
        self.redialler.startService()
        self.settle()
        self.made[0].transport.sendRecord(b"last")
        stopped = self.redialler.stopService()
        self.assertNoResult(stopped)
        self.settle()
        self.successResultOf(stopped)
        self.assertEqual(self.accepted[0].records, [b"last"])
        self.reactor.advance(100)
        self.assertEqual(len(self.made), 1)

    def test_notConnected(self) -> None:
        """Nobody there and no such path are errors; no descriptor is left open."""
        before = len(os.listdir("/proc/self/fd"))
        self.assertRaises(FileNotFoundError, connected, self.path)
        self.dead(self.path)
        self.assertRaises(ConnectionRefusedError, connected, self.path)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
