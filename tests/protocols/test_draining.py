"""Tests of edgemesh/protocols/draining.py."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.draining import LOOK, drain


class Connection:
    """Ends when it is drained, or only when it is cut off."""

    def __init__(self, live: dict[Connection, None], busy: bool) -> None:
        self.live = live
        self.busy = busy
        self.heard: list[str] = []
        live[self] = None

    def drain(self) -> None:
        """Nothing new, please."""
        self.heard.append("drain")
        if not self.busy:
            del self.live[self]

    def abort(self) -> None:
        """Enough."""
        self.heard.append("abort")
        del self.live[self]


class DrainTests(SynchronousTestCase):
    """A node that shuts down lets calls end, but not for ever."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.live: dict[Connection, None] = {}

    def drained(self) -> Deferred[None]:
        """Begin, with ten seconds of grace."""
        return Deferred.fromCoroutine(drain(self.live, self.clock, 10.0))

    def test_idle(self) -> None:
        """Idle connections end at once."""
        idle = Connection(self.live, False)
        self.successResultOf(self.drained())
        self.assertEqual((idle.heard, self.clock.getDelayedCalls()), (["drain"], []))

    def test_inFlight(self) -> None:
        """A call in flight is waited for and not disturbed."""
        busy = Connection(self.live, True)
        drained = self.drained()
        self.clock.pump([LOOK] * 5)
        self.assertNoResult(drained)
        del self.live[busy]
        self.clock.advance(LOOK)
        self.successResultOf(drained)
        self.assertEqual(busy.heard, ["drain"])

    def test_grace(self) -> None:
        """What does not end in time is cut off."""
        busy, idle = Connection(self.live, True), Connection(self.live, False)
        drained = self.drained()
        self.clock.pump([LOOK] * int(10 / LOOK + 2))
        self.successResultOf(drained)
        self.assertEqual((busy.heard, idle.heard), (["drain", "abort"], ["drain"]))
