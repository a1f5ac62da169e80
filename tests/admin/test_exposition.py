# -*- test-case-name: tests.admin.test_exposition -*-
"""The metrics as a scraper reads them."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openMetricsFamilies,
)
from prometheus_client.parser import text_string_to_metric_families as textFamilies
from prometheus_client.samples import Sample
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.exposition import Exposition, Ratchet
from edgemesh.errors import RATE_LIMITED
from edgemesh.invocation import Invocation, Outcome
from tests.admin.nodes import FixedCircuit, FixedHandler, FixedLimit, FixedRouter, Node, State

DOCUMENTED = Path(__file__).parents[2] / "docs" / "metrics.rst"


def samples(node: Node, exposition: Exposition | None = None) -> list[Sample]:
    """Scrape, and read what came as Prometheus does."""
    text, _ = (exposition or Exposition(node.view)).render("")
    return [sample for family in textFamilies(text.decode()) for sample in family.samples]


def value(found: list[Sample], name: str, /, **labels: str) -> float:
    """The value of the one sample with this name and exactly these labels."""
    (only,) = [s.value for s in found if s.name == name and s.labels == labels]
    return only


def called(node: Node, status: int, latency: float) -> Invocation:
    """A call to ``web`` that has ended."""
    invocation = Invocation("http", "127.0.0.1", asked="web.default:80")
    invocation.route = node.table.routes["web.default:80"]
    failure = RATE_LIMITED if status == 429 else None
    node.metrics.callEnded(invocation, Outcome(status, failure, latency, 10, 20))
    return invocation


class CallTests(SynchronousTestCase):
    """The golden signals."""

    def test_requests(self) -> None:
        """Rate and errors: calls by service, protocol, status and reason."""
        node = Node()
        called(node, 200, 0.003)
        called(node, 429, 0.0)
        found = samples(node)
        where = {"service": "web.default:80", "protocol": "http"}
        name = "edgemesh_requests_total"
        self.assertEqual(value(found, name, **where, code="200", reason=""), 1)
        self.assertEqual(value(found, name, **where, code="429", reason="RL"), 1)
        self.assertEqual(value(found, "edgemesh_received_bytes_total", **where), 20)
        self.assertEqual(value(found, "edgemesh_sent_bytes_total", **where), 40)

    def test_durations(self) -> None:
        """Durations are a histogram in seconds whose buckets add up."""
        node = Node()
        for latency in (0.003, 0.04, 99.0):
            called(node, 200, latency)
        found = samples(node)
        where = {"service": "web.default:80", "protocol": "http"}
        name = "edgemesh_request_duration_seconds"
        self.assertEqual(value(found, f"{name}_bucket", **where, le="0.005"), 1)
        self.assertEqual(value(found, f"{name}_bucket", **where, le="0.05"), 2)
        self.assertEqual(value(found, f"{name}_bucket", **where, le="+Inf"), 3)
        self.assertEqual(value(found, f"{name}_count", **where), 3)
        self.assertAlmostEqual(value(found, f"{name}_sum", **where), 99.043)

    def test_connections(self) -> None:
        """Open connections and how they were recognised."""
        node = Node()
        node.metrics.connectionOpened("tcp")
        node.metrics.connectionOpened("tcp")
        node.metrics.connectionClosed("tcp")
        node.metrics.detected("tcp", 0.02)
        node.metrics.detectTimeouts = 3
        node.metrics.linesDropped = 4
        found = samples(node)
        self.assertEqual(value(found, "edgemesh_connections_opened_total", protocol="tcp"), 2)
        self.assertEqual(value(found, "edgemesh_connections_active", protocol="tcp"), 1)
        self.assertEqual(
            value(found, "edgemesh_protocol_detect_seconds_bucket", protocol="tcp", le="0.02"), 1
        )
        self.assertEqual(value(found, "edgemesh_protocol_detect_timeouts_total"), 3)
        self.assertEqual(value(found, "edgemesh_access_log_dropped_total"), 4)


class TallyTests(SynchronousTestCase):
    """What plugins count."""

    def test_tally(self) -> None:
        """A plugin's counts are in the metrics under its name and label."""
        node = Node()
        tally = node.view.metrics.tally("redis_commands", "Commands seen.", "command")
        tally.add("GET")
        found = samples(node)
        self.assertEqual(value(found, "edgemesh_redis_commands_total", command="GET"), 1)


class LiveStateTests(SynchronousTestCase):
    """What is read from the node itself at scrape."""

    def test_endpoints(self) -> None:
        """Picks, health and calls in flight of each endpoint."""
        node = Node()
        live = node.live("10.1.0.1:8000")
        live.picks, live.inFlight = 5, 2
        node.live("10.1.0.2:8000").circuit = FixedCircuit(State.OPEN)
        found = samples(node)
        first = {"service": "web.default:80", "endpoint": "10.1.0.1:8000"}
        second = {"service": "web.default:80", "endpoint": "10.1.0.2:8000"}
        self.assertEqual(value(found, "edgemesh_lb_picks_total", **first), 5)
        self.assertEqual(value(found, "edgemesh_endpoint_in_flight", **first), 2)
        self.assertEqual(value(found, "edgemesh_endpoint_health", **first), 1)
        self.assertEqual(value(found, "edgemesh_endpoint_health", **second), 0)

    def test_breakerOfEndpoint(self) -> None:
        """Each state of an endpoint's circuit has its number."""
        node = Node()
        live = node.live("10.1.0.1:8000")
        for state, number in ((State.CLOSED, 0), (State.OPEN, 1), (State.HALF_OPEN, 2)):
            live.circuit = FixedCircuit(state)
            found = samples(node)
            labels = {"service": "web.default:80", "endpoint": "10.1.0.1:8000"}
            self.assertEqual(value(found, "edgemesh_breaker_state", **labels), number)

    def test_breakerOfService(self) -> None:
        """A circuit of the whole service has no endpoint."""
        node = Node()
        node.keeper.circuit = FixedCircuit(State.OPEN)
        found = samples(node)
        labels = {"service": "web.default:80", "endpoint": ""}
        self.assertEqual(value(found, "edgemesh_breaker_state", **labels), 1)

    def test_limits(self) -> None:
        """What a limit refused is told by side and service."""
        node = Node()
        node.limit.refused = 6
        found = samples(node)
        labels = {"side": "outbound", "service": "web.default:80"}
        self.assertEqual(value(found, "edgemesh_qps_rejected_total", **labels), 6)

    def test_neverBackwards(self) -> None:
        """A limit that is taken away and put back goes on counting where it was."""
        node = Node()
        exposition = Exposition(node.view)
        labels = {"side": "outbound", "service": "web.default:80"}
        seen = []
        for stage, refused in ((node.limit, 6), (FixedLimit("a new one"), 1)):
            node.outbound.useHandlers([FixedRouter("router"), FixedHandler("qps", stage)])
            node.apply()
            stage.refused = refused
            found = samples(node, exposition)
            seen.append(value(found, "edgemesh_qps_rejected_total", **labels))
        self.assertEqual(seen, [6, 7])

    def test_source(self) -> None:
        """Changes that were taken in or not, and what is broken now, by name."""
        node = Node()
        node.source.applied, node.source.rejected = 3, 2
        node.source.broken = {"bad.yaml": "line 3", "wo\udcffrse.yaml": "no text"}
        found = samples(node)
        self.assertEqual(value(found, "edgemesh_config_applied_total"), 3)
        self.assertEqual(value(found, "edgemesh_config_rejected_total"), 2)
        self.assertEqual(value(found, "edgemesh_config_problem", name="bad.yaml"), 1)

    def test_configuration(self) -> None:
        """A configuration that is wrong at SIGHUP counts and is named."""
        node = Node()
        node.rereading.refuse("configuration", "edgemesh.yaml: listners: ...")
        found = samples(node)
        self.assertEqual(value(found, "edgemesh_config_rejected_total"), 1)
        self.assertEqual(value(found, "edgemesh_config_problem", name="configuration"), 1)

    def test_build(self) -> None:
        """Which version runs on which node."""
        labels = {"version": "1.2.3", "node": "edge-1"}
        self.assertEqual(value(samples(Node()), "edgemesh_build_info", **labels), 1)

    def test_process(self) -> None:
        """The process and its garbage collector are told too."""
        names = {sample.name for sample in samples(Node())}
        self.assertLessEqual(
            {"process_resident_memory_bytes", "python_gc_collections_total", "python_info"}, names
        )


class FormatTests(SynchronousTestCase):
    """Two text formats."""

    def test_openMetrics(self) -> None:
        """Who accepts OpenMetrics gets it, and a strict parser takes it."""
        node = Node()
        called(node, 200, 0.003)
        node.metrics.detected("http", 0.001)
        text, contentType = Exposition(node.view).render("application/openmetrics-text")
        self.assertTrue(contentType.startswith("application/openmetrics-text"))
        names = {family.name for family in openMetricsFamilies(text.decode())}
        self.assertIn("edgemesh_requests", names)

    def test_prometheus(self) -> None:
        """Everybody else gets the Prometheus text format."""
        for accept in ("", "*/*", "text/html, nonsense;;q=x"):
            _, contentType = Exposition(Node().view).render(accept)
            self.assertTrue(contentType.startswith("text/plain; version=0.0.4"), accept)

    def test_noDuplicates(self) -> None:
        """No sample is there twice, which would make a scraper refuse all of them."""
        node = Node()
        called(node, 200, 0.003)
        node.keeper.circuit = FixedCircuit()
        keys = [(s.name, tuple(sorted(s.labels.items()))) for s in samples(node)]
        self.assertEqual(len(keys), len(set(keys)))

    def test_documented(self) -> None:
        """The table in the documentation has every family, with its labels, and no other."""
        node = Node()
        called(node, 200, 0.003)
        node.metrics.connectionOpened("tcp")
        node.metrics.detected("tcp", 0.02)
        node.keeper.circuit = FixedCircuit()
        node.source.broken = {"bad.yaml": "line 3"}
        text = Exposition(node.view).render("")[0].decode()
        rendered = set()
        for family in textFamilies(text):
            if family.name.startswith("edgemesh_"):
                name = family.name + ("_total" if family.type == "counter" else "")
                labels = {label for s in family.samples for label in s.labels} - {"le"}
                rendered.add((name, family.type, tuple(sorted(labels))))
        self.assertEqual(rendered, documented())


class RatchetTests(SynchronousTestCase):
    """Counters over readings that may start again."""

    def test_onward(self) -> None:
        """Each new beginning is added to what was there before."""
        ratchet = Ratchet()
        totals = [ratchet.total(("outbound", "web"), n) for n in (0, 5, 7, 2, 2, 0, 1)]
        self.assertEqual(totals, [0, 5, 7, 9, 9, 9, 10])


def documented() -> set[tuple[str, str, tuple[str, ...]]]:
    """Name, type and labels of each row in the documentation."""
    rows = DOCUMENTED.read_text("utf-8").split("   * - ``edgemesh_")[1:]
    found = set()
    for row in rows:
        name, kind, labels = (cell.strip() for cell in row.splitlines()[:3])
        listed = labels.removeprefix("- ").replace("(none)", "").split(", ")
        kind = kind.removeprefix("- ")
        found.add((f"edgemesh_{name.strip('`')}", kind, tuple(sorted(filter(None, listed)))))
    return found
