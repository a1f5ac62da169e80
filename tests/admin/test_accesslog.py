# -*- test-case-name: tests.admin.test_accesslog -*-
"""A line for every call, without any call waiting for it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.accesslog import AccessLog
from edgemesh.errors import ConfigurationError
from edgemesh.handlers.path import Ended
from edgemesh.invocation import Invocation, Outcome
from edgemesh.metrics import Metrics


class FixedSink:
    """A sink with a certain room."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.taken = b""
        self.writes = 0
        self.closed = 0
        self.broken = False

    def __repr__(self) -> str:
        return "the sink"

    def write(self, data: bytes) -> int:
        self.writes += 1
        if not self.room:
            raise OSError(28, "No space left on device")
        part = data[: self.room]
        self.taken += part
        self.room -= len(part)
        return len(part)

    def check(self) -> None:
        if self.broken:
            raise PermissionError(13, "Permission denied")

    def close(self) -> None:
        self.closed += 1


class Logging:
    """An access log that has been started, and everything around it."""

    def __init__(self, sink: FixedSink | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.metrics = Metrics()
        self.sink = sink or FixedSink()
        self.log = AccessLog("edge-1", self.sink, self.clock, self.metrics, wall=lambda: 1.7e9)
        self.log.startService()

    def call(self, path: bytes = b"/") -> None:
        """A call that took a quarter of a second."""
        invocation = Invocation("http", "127.0.0.1", path=path, started=self.clock.seconds() - 0.25)
        observer: Ended = self.log
        observer.callEnded(invocation, Outcome(200))

    def lines(self) -> list[Any]:
        """What the sink has: whole lines of JSON."""
        return [json.loads(line) for line in self.sink.taken.splitlines()]


class FlushTests(SynchronousTestCase):
    """When lines are written."""

    def test_everySecond(self) -> None:
        """A line is in the file at the latest after a second; lines are written together."""
        logging = Logging()
        logging.call(b"/a")
        logging.call(b"/b")
        self.assertEqual(logging.sink.writes, 0)
        logging.clock.advance(1)
        self.assertEqual([line["path"] for line in logging.lines()], ["/a", "/b"])
        self.assertEqual(logging.sink.writes, 1)

    def test_times(self) -> None:
        """A call's beginning and duration come from the right clocks."""
        logging = Logging()
        logging.call()
        logging.clock.advance(1)
        (line,) = logging.lines()
        self.assertEqual((line["start_time"], line["duration"]), ("2023-11-14T22:13:19.750Z", 250))

    def test_many(self) -> None:
        """Under load lines do not wait for the second to end."""
        logging = Logging()
        logging.log.flushAt = 2000
        for _ in range(10):
            logging.call()
        self.assertGreater(logging.sink.writes, 0)

    def test_quiet(self) -> None:
        """Without calls nothing is written."""
        logging = Logging()
        logging.clock.pump([1] * 5)
        self.assertEqual(logging.sink.writes, 0)

    def test_stop(self) -> None:
        """What waits is written when the node stops, and the file is closed."""
        logging = Logging()
        logging.call()
        logging.log.stopService()
        self.assertEqual((len(logging.lines()), logging.sink.closed), (1, 1))
        self.assertEqual(logging.clock.getDelayedCalls(), [])

    def test_reopen(self) -> None:
        """On request the file is closed, with everything in it, to be opened again."""
        logging = Logging()
        logging.call()
        logging.log.reopen()
        self.assertEqual((len(logging.lines()), logging.sink.closed), (1, 1))


class StartTests(SynchronousTestCase):
    """Before the first call."""

    def test_impossible(self) -> None:
        """A file that cannot be written stops the start with one line."""
        sink = FixedSink()
        sink.broken = True
        error = self.assertRaises(ConfigurationError, Logging, sink)
        self.assertEqual(
            str(error),
            "accessLog: expected a file that can be written, found the sink: Permission denied",
        )


class StuckTests(SynchronousTestCase):
    """A full disk or a reader that sleeps does not disturb calls."""

    def setUp(self) -> None:
        self.warnings: list[Any] = []
        globalLogPublisher.addObserver(self.warnings.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.warnings.append)

    def test_recovers(self) -> None:
        """Lines wait while nothing can be written, and none is torn by what was."""
        logging = Logging(FixedSink(room=100))
        for path in (b"/a", b"/b"):
            logging.call(path)
        logging.clock.advance(1)
        self.assertEqual(len(logging.sink.taken), 100)
        logging.clock.advance(1)
        logging.sink.room = 1 << 30
        logging.clock.advance(1)
        self.assertEqual([line["path"] for line in logging.lines()], ["/a", "/b"])
        self.assertEqual(logging.metrics.linesDropped, 0)

    def test_bounded(self) -> None:
        """What waits is bounded; what finds no room is counted."""
        logging = Logging(FixedSink(room=0))
        logging.log.room = 2000
        for _ in range(10):
            logging.call()
        logging.sink.room = 1 << 30
        logging.clock.advance(1)
        written = len(logging.lines())
        self.assertTrue(0 < written < 10)
        self.assertEqual(logging.metrics.linesDropped, 10 - written)

    def test_triedOnceASecond(self) -> None:
        """While it is stuck, calls do not try to write again and again."""
        logging = Logging(FixedSink(room=0))
        logging.log.flushAt = 1
        for _ in range(20):
            logging.call()
        self.assertEqual(logging.sink.writes, 1)

    def test_onceAMinute(self) -> None:
        """The reason is in the node's log once a minute, not with every line."""
        logging = Logging(FixedSink(room=0))
        logging.call()
        logging.clock.pump([1] * 59)
        self.assertEqual(len(self.warnings), 1)
        self.assertEqual(str(self.warnings[0]["sink"]), "the sink")
        self.assertIn("No space left", str(self.warnings[0]["error"]))
        logging.clock.pump([1] * 60)
        self.assertEqual(len(self.warnings), 2)

    def test_stop(self) -> None:
        """Lines that cannot be written at the end are counted, and the node stops."""
        logging = Logging(FixedSink(room=0))
        logging.call()
        logging.log.stopService()
        self.assertEqual((logging.metrics.linesDropped, logging.sink.closed), (1, 1))

    def test_reopenInLine(self) -> None:
        """A line that is half written stays in the file where it began."""
        logging = Logging(FixedSink(room=100))
        logging.call()
        logging.log.reopen()
        self.assertEqual(logging.sink.closed, 0)

    @settings(derandomize=True, max_examples=40, deadline=None)
    @given(st.lists(st.one_of(st.just("call"), st.just("tick"), st.integers(0, 1500)), max_size=30))
    def test_everyLineOnce(self, steps: list[str | int]) -> None:
        """However the sink takes and refuses: each call is one whole line, or counted."""
        logging = Logging(FixedSink(room=700))
        logging.log.room, logging.log.flushAt = 3000, 1000
        calls = 0
        for step in steps:
            if step == "call":
                logging.call(b"/%d" % calls)
                calls += 1
            elif step == "tick":
                logging.clock.advance(1)
            else:
                logging.sink.room = int(step)
        logging.sink.room = 1 << 30
        logging.log.stopService()
        paths = [int(line["path"][1:]) for line in logging.lines()]
        self.assertEqual(paths, sorted(set(paths)))
        self.assertEqual(len(paths) + logging.metrics.linesDropped, calls)
