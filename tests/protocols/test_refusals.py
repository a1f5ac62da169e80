"""Tests of edgemesh/protocols/refusals.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import NO_ENDPOINT, NO_ROUTE, UPSTREAM_RESET, Failure
from edgemesh.invocation import Invocation
from edgemesh.protocols.refusals import RefusalLog


class RefusalLogTests(SynchronousTestCase):
    """A storm of refusals is told without being one in the log."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.refusals = RefusalLog(self.clock.seconds)
        self.said: list[tuple[Any, ...]] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Note what is said."""
        if "reason" in event and "count" in event:
            self.said.append((event["reason"], event["service"], event["count"]))

    def refuse(self, failure: Failure = NO_ENDPOINT, asked: str = "a.b:1") -> None:
        """One caller is refused."""
        self.refusals.refused(Invocation("tcp", "10.0.0.9", asked), failure, "why")

    def test_oncePerSecond(self) -> None:
        """The first is told at once, the others of that second as a number, later."""
        for _ in range(100):
            self.refuse()
        self.assertEqual(self.said, [("NE", "a.b:1", 1)])
        self.clock.advance(1.0)
        self.refuse()
        self.assertEqual(self.said[1:], [("NE", "a.b:1", 100)])

    def test_perReason(self) -> None:
        """Other reasons and other services are told besides."""
        self.refuse()
        self.refuse(NO_ROUTE)
        self.refuse(asked="")
        self.assertEqual(
            self.said, [("NE", "a.b:1", 1), ("NR", "a.b:1", 1), ("NE", "(unknown)", 1)]
        )

    def test_failures(self) -> None:
        """A call that an endpoint failed is told the same way, and as often."""
        call = Invocation("http", "10.0.0.9", "a.b:1")
        for _ in range(3):
            self.refusals.failed(call, UPSTREAM_RESET, "10.0.0.1:80 closed before its answer")
        self.assertEqual(self.said, [("UX", "a.b:1", 1)])

    def test_bounded(self) -> None:
        """However many services are refused, what is remembered is bounded."""
        for number in range(1_500):
            self.refuse(asked=f"s{number}.b:1")
        self.assertEqual(len(self.said), 1_500)
        self.assertLessEqual(len(self.refusals._since), 1_024)
