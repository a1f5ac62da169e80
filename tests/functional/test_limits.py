"""Callers that cost more than they may: they are ended, and nobody else notices."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import eventually, twistd
from tests.functional.callers import HOST, Broken, Caller, Load
from tests.functional.harness import until
from tests.functional.kernel import descriptors, processorTime
from tests.functional.meshes import Mesh, MeshMixin


class SlowCallerTests(MeshMixin, SynchronousTestCase):
    """Two hundred callers that send a byte now and then."""

    def test_heads(self) -> None:
        """They get 408 when the time for a head is over; others are served all along."""
        app = self.loadApp()
        mesh = self.mesh(app.port, limits={"headerTimeout": 2})
        began = time.monotonic()
        with Load((mesh.port, mesh.other), callers=2) as load:
            slow = [socket.create_connection((HOST, mesh.port), 10) for _ in range(200)]
            for connection in slow:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nX-Slow: ")
            said = self.trickle(slow, began + 6)
            load.wait(50)
        self.assertEqual({answer[:12] for answer in said}, {b"HTTP/1.1 408"})
        self.assertEqual(len(said), 200)
        self.assertEqual(load.outcomes, {"200": load.total})
        self.assertLess(sorted(load.latencies)[int(0.99 * load.total)], 0.5)

    def trickle(self, slow: list[socket.socket], end: float) -> list[bytes]:
        """Send bytes until all have got an answer or it takes too long; the answers."""
        said = []
        waiting = set(slow)
        while waiting and time.monotonic() < end:
            readable, _, _ = select.select(list(waiting), [], [], 0.25)
            for connection in readable:
                said.append(connection.recv(4096))
                connection.close()
            waiting -= set(readable)
            for connection in waiting:
                connection.send(b"a")
        for connection in waiting:
            connection.close()
        return said

    def test_unrecognised(self) -> None:
        """A caller whose bytes are no protocol yet has no more time than that either."""
        app = self.loadApp()
        mesh = self.mesh(app.port, limits={"headerTimeout": 1, "sniffTimeout": 1})
        with Caller(mesh.proxy) as caller:
            caller.socket.sendall(b"G")
            self.assertIn(self.end(caller), (b"", b"HTTP/1.1 408"))

    def end(self, caller: Caller) -> bytes:
        """What it gets at the end."""
        try:
            return caller.socket.recv(12)
        except ConnectionResetError:
            return b""


class SizeTests(MeshMixin, SynchronousTestCase):
    """Heads that are too large."""

    def test_heads(self) -> None:
        """A long target gets 414, a large head or many fields 431; nothing is forwarded."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        cases = {
            "414 UL": b"GET /%s HTTP/1.1\r\nHost: web\r\n\r\n" % (b"a" * 9000),
            "431 HL": b"GET / HTTP/1.1\r\nHost: web\r\nX: %s\r\n\r\n" % (b"a" * 70_000),
            " 431 HL": b"GET / HTTP/1.1\r\nHost: web\r\n%s\r\n" % (b"X: a\r\n" * 150),
        }
        for expected, data in cases.items():
            with Caller(mesh.port) as caller:
                answer = caller.call(data)
                self.assertEqual(f"{answer.status} {answer.reason}", expected.strip())
        self.assertEqual(app.requests(), [])

    def test_endless(self) -> None:
        """A head or a target that never ends is refused before it has all been read."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        for start, status in ((b"GET /", b"414"), (b"GET / HTTP/1.1\r\nHost: web\r\nX: ", b"431")):
            with Caller(mesh.port) as caller:
                caller.socket.sendall(start + b"a" * 200_000)
                self.assertEqual(caller.socket.recv(12)[9:], status)


class DescriptorTests(MeshMixin, SynchronousTestCase):
    """A node that has no file descriptor left."""

    most = 60

    def limited(self, path: Path) -> list[str]:
        """The command that runs a node with few descriptors."""
        script = f'ulimit -n {self.most}; exec "$@"'
        return ["sh", "-c", script, "sh", *twistd(path)]

    def exhausted(self) -> tuple[Mesh, list[socket.socket]]:
        """A node, and so many connections to it that it can take no more."""
        app = self.loadApp()
        mesh = self.mesh(app.port, command=self.limited)
        self.floor = descriptors(mesh.pid)
        held = [socket.create_connection((HOST, mesh.proxy), 5) for _ in range(2 * self.most)]
        self.addCleanup(lambda: [each.close() for each in held])
        until("it has none left", lambda: descriptors(mesh.pid) >= self.most - 2 or None)
        return mesh, held

    def test_calm(self) -> None:
        """It waits for better times instead of trying without end."""
        mesh, _ = self.exhausted()
        before = processorTime(mesh.pid)
        eventually(lambda: None, 1.5)
        self.assertLess(processorTime(mesh.pid) - before, 0.6)
        self.assertIsNone(mesh.program.status)

    def test_recovers(self) -> None:
        """As soon as descriptors are free it serves again, within 6 s."""
        mesh, held = self.exhausted()
        for each in held:
            each.close()
        until("it serves again", lambda: self.served(mesh), 6)
        until("all are closed", lambda: descriptors(mesh.pid) <= self.floor + 2 or None)
        self.assertNotIn("Traceback", mesh.program.said())

    def served(self, mesh: Mesh) -> bool | None:
        """Whether a call is answered."""
        with Caller(mesh.port, timeout=2) as caller:
            try:
                return True if caller.get().status == 200 else None
            except Broken:
                return None

    def test_establishedLive(self) -> None:
        """A connection that is there already goes on being served meanwhile."""
        app = self.loadApp()
        mesh = self.mesh(app.port, command=self.limited)
        with Caller(mesh.port) as caller:
            caller.get()
            held = [socket.create_connection((HOST, mesh.proxy), 5) for _ in range(2 * self.most)]
            self.addCleanup(lambda: [each.close() for each in held])
            until("it has none left", lambda: descriptors(mesh.pid) >= self.most - 2 or None)
            self.assertEqual([caller.get().status for _ in range(20)], [200] * 20)
