# -*- test-case-name: tests.admin.test_exposition -*-
"""
The metrics as text: cells and live state in, Prometheus or OpenMetrics out.

Two collectors, both reading at scrape: :class:`CellCollector` over what
:class:`~edgemesh.metrics.Metrics` counts, :class:`NodeCollector` over what counts
itself (endpoints, limits, circuits, the metadata source).  Families and labels
are listed in ``docs/metrics.rst``; a test keeps the two the same.

``prometheus_client.twisted`` is never imported: it would choose the process's
reactor.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice

from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from edgemesh.admin.readout import circuitState, obstacle
from edgemesh.admin.view import NodeView
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import IStage
from edgemesh.metrics import Histogram, Metrics

_BREAKER = {"CLOSED": 0, "OPEN": 1, "HALF_OPEN": 2}
#: Broken objects named one by one.
_MOST_PROBLEMS = 100


class Exposition:
    """
    Everything the node can tell a scraper.

    :param view: the node.
    """

    def __init__(self, view: NodeView) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(CellCollector(view.metrics))
        self._registry.register(NodeCollector(view))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """
        Write everything down.

        :param accept: the Accept header; decides between the two text formats.
        :return: the text and its content type.
        """
        encode, contentType = choose_encoder(accept)
        return encode(self._registry), contentType


class CellCollector(Collector):
    """The cells of :class:`~edgemesh.metrics.Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._calls()
        yield from self._connections()
        yield from self._detection()
        dropped = CounterMetricFamily(
            "edgemesh_access_log_dropped", "Access log lines that found no room."
        )
        dropped.add_metric((), self._metrics.linesDropped)
        yield dropped
        yield from self._tallies()

    def _tallies(self) -> Iterator[Metric]:
        """What plugins count."""
        for tally in self._metrics.tallies.values():
            family = CounterMetricFamily(
                f"edgemesh_{tally.name}", tally.meaning, labels=(tally.label,)
            )
            for value, count in tally.counts.items():
                family.add_metric((value,), count)
            yield family

    def _calls(self) -> Iterator[Metric]:
        where = ("service", "protocol")
        requests = CounterMetricFamily(
            "edgemesh_requests",
            "Calls that ended; for opaque protocols, connections.",
            labels=(*where, "code", "reason"),
        )
        durations = HistogramMetricFamily(
            "edgemesh_request_duration_seconds",
            "Until the answer began, or until the connection ended.",
            labels=where,
        )
        received = CounterMetricFamily(
            "edgemesh_received_bytes", "Bytes from callers, heads included.", labels=where
        )
        sent = CounterMetricFamily(
            "edgemesh_sent_bytes", "Bytes to callers, heads included.", labels=where
        )
        for labels, cells in self._metrics.calls.items():
            for (code, reason), count in cells.outcomes.items():
                requests.add_metric((*labels, str(code), reason), count)
            _addHistogram(durations, labels, cells.durations)
            received.add_metric(labels, cells.received)
            sent.add_metric(labels, cells.sent)
        return iter((requests, durations, received, sent))

    def _connections(self) -> Iterator[Metric]:
        opened = CounterMetricFamily(
            "edgemesh_connections_opened", "Callers' connections so far.", labels=("protocol",)
        )
        active = GaugeMetricFamily(
            "edgemesh_connections_active", "Callers' connections now.", labels=("protocol",)
        )
        for protocol, cells in self._metrics.connections.items():
            opened.add_metric((protocol,), cells.opened)
            active.add_metric((protocol,), cells.opened - cells.closed)
        return iter((opened, active))

    def _detection(self) -> Iterator[Metric]:
        detection = HistogramMetricFamily(
            "edgemesh_protocol_detect_seconds",
            "Until a connection's protocol was recognised.",
            labels=("protocol",),
        )
        for protocol, histogram in self._metrics.detection.items():
            _addHistogram(detection, (protocol,), histogram)
        timeouts = CounterMetricFamily(
            "edgemesh_protocol_detect_timeouts", "Connections whose protocol had to be guessed."
        )
        timeouts.add_metric((), self._metrics.detectTimeouts)
        return iter((detection, timeouts))


class Ratchet:
    """
    Counters that go on when what they read starts again at zero.

    A limit that is taken out of the configuration and put back is a new stage
    with new counts; its counter must not go backwards.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], int] = {}
        self._latest: dict[tuple[str, str], int] = {}

    def total(self, key: tuple[str, str], reading: int) -> int:
        """The counter of ``key``, whose present stage has counted ``reading``."""
        latest = self._latest.get(key, 0)
        if reading < latest:
            self._before[key] = self._before.get(key, 0) + latest
        self._latest[key] = reading
        return self._before.get(key, 0) + reading


class NodeCollector(Collector):
    """Endpoints, limits, circuits and the metadata source, as they are now."""

    def __init__(self, view: NodeView) -> None:
        self._view = view
        self._refusals = Ratchet()

    def collect(self) -> Iterator[Metric]:
        yield from self._endpoints()
        yield self._limits()
        yield self._circuits()
        yield from self._source()
        build = GaugeMetricFamily(
            "edgemesh_build_info", "Always 1; the labels tell.", labels=("version", "node")
        )
        build.add_metric((self._view.version, self._view.node), 1)
        yield build

    def _endpoints(self) -> Iterator[Metric]:
        which = ("service", "endpoint")
        picks = CounterMetricFamily(
            "edgemesh_lb_picks", "How often LB picked the endpoint.", labels=which
        )
        health = GaugeMetricFamily(
            "edgemesh_endpoint_health", "1 when a call could be given to it.", labels=which
        )
        inFlight = GaugeMetricFamily(
            "edgemesh_endpoint_in_flight", "Calls given to it that have not ended.", labels=which
        )
        now = self._view.seconds()
        for live in self._view.table.liveEndpoints():
            labels = (live.key, live.address)
            picks.add_metric(labels, live.picks)
            health.add_metric(labels, 0 if obstacle(live, now) else 1)
            inFlight.add_metric(labels, live.inFlight)
        return iter((picks, health, inFlight))

    def _limits(self) -> Metric:
        rejected = CounterMetricFamily(
            "edgemesh_qps_rejected", "Calls that a QPS limit refused.", labels=("side", "service")
        )
        view = self._view
        for side, chain in (("outbound", view.outbound), ("inbound", view.inbound)):
            for service, stage in _stages(chain, view.table):
                refused = _refusals(stage)
                if refused is not None:
                    count = self._refusals.total((side, service), refused)
                    rejected.add_metric((side, service), count)
        return rejected

    def _circuits(self) -> Metric:
        breaker = GaugeMetricFamily(
            "edgemesh_breaker_state",
            "0 closed, 1 open, 2 half open; the endpoint is empty when the scope is the service.",
            labels=("service", "endpoint"),
        )
        for live in self._view.table.liveEndpoints():
            state = _BREAKER.get(circuitState(live.circuit))
            if state is not None:
                breaker.add_metric((live.key, live.address), state)
        for service, stage in _stages(self._view.outbound, self._view.table):
            state = _BREAKER.get(circuitState(getattr(stage, "circuit", None)))
            if state is not None:
                breaker.add_metric((service, ""), state)
        return breaker

    def _source(self) -> Iterator[Metric]:
        view = self._view
        source = view.source
        applied = CounterMetricFamily("edgemesh_config_applied", "Changes of metadata taken in.")
        applied.add_metric((), source.applied)
        rejected = CounterMetricFamily(
            "edgemesh_config_rejected", "Broken files that were not taken in."
        )
        rejected.add_metric((), source.rejected + view.rereading.refused)
        problems = GaugeMetricFamily(
            "edgemesh_config_problem",
            "1 for each file or object that is broken now.",
            labels=("name",),
        )
        for name in islice(sorted(view.problems()), _MOST_PROBLEMS):
            # A file name need not be valid UTF-8; the text format must be.
            problems.add_metric((name.encode("utf-8", "backslashreplace").decode(),), 1)
        return iter((applied, rejected, problems))


def _stages(chain: Chain, table: RouteTable) -> Iterator[tuple[str, IStage]]:
    """Every stage of a chain with the service port it is for."""
    for service in table.routes:
        for stage in chain.stagesOf(service):
            yield service, stage


def _refusals(stage: IStage) -> int | None:
    """What a stage has refused, when it is one that counts what it lets pass and what not."""
    return getattr(stage, "refused", None) if hasattr(stage, "admitted") else None


def _addHistogram(
    family: HistogramMetricFamily, labels: tuple[str, ...], histogram: Histogram
) -> None:
    bounds = (*map(str, histogram.bounds), "+Inf")
    cumulative = accumulate(histogram.counts)
    family.add_metric(labels, list(zip(bounds, cumulative, strict=True)), histogram.total)
