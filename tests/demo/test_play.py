"""Tests of edgemesh.demo.play; the acts themselves run in tests.functional.test_demo."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.play import Watch
from edgemesh.demo.processes import Trouble


class WatchTests(SynchronousTestCase):
    """:class:`~edgemesh.demo.play.Watch`."""

    def test_changes(self) -> None:
        """Each change is remembered once, however often the same state is seen."""
        states = iter(["CLOSED", "CLOSED", "OPEN", "OPEN", "CLOSED"])
        watch = Watch(lambda: next(states))
        for _ in range(5):
            watch.look()
        self.assertEqual(watch.states(), ["CLOSED", "OPEN", "CLOSED"])

    def test_trouble(self) -> None:
        """When the state cannot be read any more, whoever asks is told."""

        def gone() -> str:
            raise Trouble("no answer")

        watch = Watch(gone)
        watch.look()
        self.assertRaises(Trouble, watch.states)
