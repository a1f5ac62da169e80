# -*- test-case-name: tests.test_metrics -*-
"""What the node counts while it works."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import NO_ROUTE, RATE_LIMITED
from edgemesh.handlers.routes import Route
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Service, ServicePort
from edgemesh.meta.policy import Policy
from edgemesh.metrics import DURATIONS, OTHERS, Histogram, Metrics, Tally


def called(service: str = "web", protocol: str = "http", method: bytes = b"GET") -> Invocation:
    """A call whose service port is known."""
    invocation = Invocation(protocol, "127.0.0.1", method=method)
    port = ServicePort(80)
    invocation.route = Route(Service("default", service, (port,)), port, Policy(), ())
    return invocation


class HistogramTests(SynchronousTestCase):
    """Values fall into buckets."""

    def test_onBound(self) -> None:
        """A value that equals a bound counts as not above it."""
        histogram = Histogram((1.0, 2.0))
        histogram.observe(1.0)
        self.assertEqual(histogram.counts, [1, 0, 0])

    def test_above(self) -> None:
        """A value above every bound is not lost."""
        histogram = Histogram((1.0, 2.0))
        histogram.observe(99.0)
        self.assertEqual((histogram.counts, histogram.total), ([0, 0, 1], 99.0))

    @settings(derandomize=True, max_examples=50, deadline=None)
    @given(st.lists(st.floats(0, 100)))
    def test_everyValueOnce(self, values: list[float]) -> None:
        """Each value is in exactly the bucket that its size says."""
        histogram = Histogram(DURATIONS)
        for value in values:
            histogram.observe(value)
        bounds = (*DURATIONS, float("inf"))
        cumulative = [sum(histogram.counts[: i + 1]) for i in range(len(bounds))]
        self.assertEqual(cumulative, [sum(v <= bound for v in values) for bound in bounds])


class CallTests(SynchronousTestCase):
    """Calls are counted by service, protocol, status and reason."""

    def test_counted(self) -> None:
        """A call shows up with its status, its duration and its bytes both ways."""
        metrics = Metrics()
        metrics.callEnded(called(), Outcome(200, None, 0.003, received=10, sent=20))
        cells = metrics.calls["web.default:80", "http"]
        self.assertEqual(cells.outcomes, {(200, ""): 1})
        self.assertEqual((cells.received, cells.sent), (10, 20))
        self.assertEqual(sum(cells.durations.counts), 1)

    def test_reason(self) -> None:
        """A refusal is counted apart from an app's own answer of the same status."""
        metrics = Metrics()
        metrics.callEnded(called(), Outcome(429, RATE_LIMITED))
        metrics.callEnded(called(), Outcome(429))
        cells = metrics.calls["web.default:80", "http"]
        self.assertEqual(cells.outcomes, {(429, "RL"): 1, (429, ""): 1})

    def test_protocolApart(self) -> None:
        """Two protocols of one service do not mix."""
        metrics = Metrics()
        metrics.callEnded(called(protocol="http"), Outcome(200))
        metrics.callEnded(called(protocol="tcp"), Outcome())
        self.assertEqual(
            list(metrics.calls), [("web.default:80", "http"), ("web.default:80", "tcp")]
        )

    @settings(derandomize=True, max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.binary(), st.binary(), st.integers(-5, 2000)), max_size=20))
    def test_callerCannotGrow(self, asked: list[tuple[bytes, bytes, int]]) -> None:
        """Invented names, methods and status codes do not make the node remember more."""
        metrics = Metrics()
        for name, method, status in asked:
            invocation = Invocation("http", "192.0.2.1", name=name, method=method)
            metrics.callEnded(invocation, Outcome(status, NO_ROUTE))
        self.assertLessEqual(set(metrics.calls), {("", "http")})
        for cells in metrics.calls.values():
            self.assertTrue(all(code == 0 or 100 <= code < 600 for code, _ in cells.outcomes))
            self.assertEqual(sum(cells.outcomes.values()), len(asked))

    def test_mostServices(self) -> None:
        """Services that come and go for years are counted together in the end, not forgotten."""
        metrics = Metrics(most=2)
        for name in ("a", "b", "c", "d", "a"):
            metrics.callEnded(called(name), Outcome(200))
        self.assertEqual(
            {key: cells.outcomes[200, ""] for key, cells in metrics.calls.items()},
            {("a.default:80", "http"): 2, ("b.default:80", "http"): 1, (OTHERS, "http"): 2},
        )


class ConnectionTests(SynchronousTestCase):
    """Connections and how they were recognised."""

    def test_openAndClosed(self) -> None:
        """Opened and closed connections are counted by protocol."""
        metrics = Metrics()
        metrics.connectionOpened("tcp")
        metrics.connectionOpened("tcp")
        metrics.connectionOpened("http")
        metrics.connectionClosed("tcp")
        self.assertEqual(
            {name: (cells.opened, cells.closed) for name, cells in metrics.connections.items()},
            {"tcp": (2, 1), "http": (1, 0)},
        )

    def test_detected(self) -> None:
        """The time to recognise a protocol is kept by protocol."""
        metrics = Metrics()
        metrics.detected("http", 0.0002)
        metrics.detected("tcp", 0.02)
        self.assertEqual(sum(metrics.detection["http"].counts), 1)
        self.assertEqual(metrics.detection["tcp"].total, 0.02)


class TallyTests(SynchronousTestCase):
    """What plugins count."""

    def test_sameName(self) -> None:
        """Every connection of a plugin counts into the same cells."""
        metrics = Metrics()
        metrics.tally("redis_commands", "Commands.", "command").add("GET")
        metrics.tally("redis_commands", "Commands.", "command").add("GET")
        self.assertEqual(metrics.tallies["redis_commands"].counts, {"GET": 2})

    def test_bounded(self) -> None:
        """A caller that invents values cannot make the node remember them all."""
        tally = Tally("commands", "Commands.", "command", most=2)
        for value in ("a", "b", "c", "d", "a"):
            tally.add(value)
        self.assertEqual(tally.counts, {"a": 2, "b": 1, OTHERS: 2})
