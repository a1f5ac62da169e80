"""QPS limits and circuits under concurrent calls: they are exact."""

from __future__ import annotations

import socket
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import eventually
from tests.functional.callers import Caller, Load
from tests.functional.harness import until
from tests.functional.kernel import Peer, requests
from tests.functional.meshes import Mesh, MeshMixin


def side(side: str, limit: float, burst: int) -> dict[str, object]:
    """Policies with a limit on one side."""
    return {"web.default": {"qps": {side: {"limit": limit, "burst": burst}}}}


class LimitTests(MeshMixin, SynchronousTestCase):
    """More calls than a limit lets pass, from many connections at once."""

    def overload(self, mesh: Mesh, limit: float, burst: int, seconds: float) -> None:
        """Call as fast as possible for a while; judge how many were let pass."""
        began = time.monotonic()
        with Load((mesh.port, mesh.other), callers=8) as load:
            eventually(lambda: None, seconds)
        longest = time.monotonic() - began
        self.assertEqual(set(load.outcomes), {"200", "429"}, load.outcomes)
        self.assertLessEqual(load.outcomes["200"], limit * longest + burst)
        # The machine may be busy: a limit that is not asked for long lets less pass.
        self.assertGreaterEqual(load.outcomes["200"], 0.9 * limit * seconds)
        self.assertGreater(load.outcomes["429"], load.outcomes["200"])
        refused = mesh.metric("edgemesh_qps_rejected_total", service="web.default:80")
        self.assertEqual(refused, load.outcomes["429"])

    def test_outbound(self) -> None:
        """A node's calls to a service: at most limit times seconds plus burst, hardly fewer."""
        app = self.loadApp()
        self.overload(self.mesh(app.port, policies=side("outbound", 100, 10)), 100, 10, 3)

    def test_inbound(self) -> None:
        """All calls to an app on this node, by whichever listener they come."""
        apps = self.loadApps(2)
        mesh = self.mesh(*(app.port for app in apps), policies=side("inbound", 100, 10))
        self.overload(mesh, 100, 10, 2)
        answered = sum(len(app.requests()) for app in apps)
        self.assertEqual(answered, mesh.metric("edgemesh_requests_total", code="200"))

    def test_burstOfOne(self) -> None:
        """With a burst of one two calls never pass at once."""
        app = self.loadApp()
        mesh = self.mesh(app.port, policies=side("outbound", 0.05, 1))
        with Load((mesh.port, mesh.other, mesh.port), callers=8) as load:
            load.wait(300)
        self.assertEqual(load.outcomes["200"], 1)

    def test_retryAfter(self) -> None:
        """A call too many is told why and when to try again; its connection stays."""
        app = self.loadApp()
        mesh = self.mesh(app.port, policies=side("outbound", 0.1, 1))
        with Caller(mesh.port) as caller:
            self.assertEqual(caller.get().status, 200)
            answer = caller.get()
            self.assertEqual((answer.status, answer.reason), (429, "RL"))
            self.assertIn(int(answer.field("Retry-After")), range(5, 11))
            self.assertFalse(answer.closes)
        self.assertEqual(len(app.requests()), 1)

    def test_proxyAndListener(self) -> None:
        """Explicit and proxy listener share the limit of the app."""
        app = self.loadApp()
        mesh = self.mesh(app.port, policies=side("inbound", 0.01, 4))
        statuses = []
        with Caller(mesh.port) as explicit, Caller(mesh.proxy) as proxy:
            for _ in range(3):
                statuses += [explicit.get().status, proxy.get("http://web/").status]
        self.assertEqual(statuses, [200] * 4 + [429] * 2)

    def test_connections(self) -> None:
        """Of an opaque protocol connections are counted; one too many is reset."""
        app = self.loadApp()
        qps = {"protocol": "tcp", "qps": {"outbound": {"limit": 0.01, "burst": 2}}}
        mesh = self.mesh(app.port, policies={"web.default": qps})
        with Caller(mesh.port) as one, Caller(mesh.port) as two, Caller(mesh.port) as three:
            self.assertEqual([one.get().status for _ in range(3)], [200] * 3)
            self.assertEqual(two.get().status, 200)
            self.assertRaises(ConnectionResetError, three.socket.recv, 1)


class Failing:
    """
    An endpoint that fails until it is mended, and can be made to think.

    :ivar seen: how many requests it got.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.status = b"500 Broken"
        self.mayAnswer = threading.Event()
        self.mayAnswer.set()
        self.peer = Peer(self._serve)

    def _serve(self, connection: socket.socket) -> None:
        for _ in requests(connection):
            self.seen += 1
            self.mayAnswer.wait(10)
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % self.status)


class BreakerTests(MeshMixin, SynchronousTestCase):
    """The circuit of an endpoint that fails, through real calls."""

    def setUp(self) -> None:
        self.app = Failing()
        self.addCleanup(self.app.peer.close)

    def opened(self, sleep: int) -> Mesh:
        """A node whose circuit has just opened."""
        settings = {
            "enabled": True,
            "requestVolumeThreshold": 10,
            "errorThresholdPercentage": 50,
            "sleepWindowInMilliseconds": sleep,
        }
        policies = {"web.default": {"bizKeeper": {"circuitBreaker": settings}}}
        mesh = self.mesh(self.app.peer.port, policies=policies)
        with Caller(mesh.port) as caller:
            statuses = [caller.get().status for _ in range(10)]
            self.assertEqual(statuses, [500] * 10)
            answer = caller.get()
            self.assertEqual((answer.status, answer.reason), (503, "CB"))
        self.assertEqual(self.app.seen, 10)
        return mesh

    def test_opens(self) -> None:
        """Once it is open nothing reaches the endpoint, also over SIGHUP."""
        mesh = self.opened(60_000)
        with Load((mesh.port, mesh.other)) as load:
            load.wait(200)
            mesh.change()
            load.wait(200)
        self.assertEqual(set(load.outcomes), {"503"})
        self.assertEqual(self.app.seen, 10)

    def test_oneProbe(self) -> None:
        """After the sleep window exactly one call passes, however many want to; then it closes."""
        mesh = self.opened(500)
        self.app.mayAnswer.clear()
        self.app.status = b"200 OK"
        with Load((mesh.port, mesh.other), callers=8) as load:
            until("a probe", lambda: self.app.seen > 10 or None)
            load.wait(200)
            self.assertEqual(self.app.seen, 11)
            self.app.mayAnswer.set()
            until("it is closed", lambda: load.outcomes["200"] > 50 or None)
        self.assertEqual(set(load.outcomes), {"200", "503"})

    def test_failedProbe(self) -> None:
        """A probe that fails opens it again, for another sleep window."""
        mesh = self.opened(500)
        with Load((mesh.port,), callers=4) as load:
            until("two probes", lambda: self.app.seen >= 12 or None)
            began = time.monotonic()
            until("a third one", lambda: self.app.seen >= 13 or None)
        self.assertGreater(time.monotonic() - began, 0.3)
        self.assertEqual(load.outcomes["500"], self.app.seen - 10)
