"""SIGTERM and ``kill -9``: what callers see of a node that ends."""

from __future__ import annotations

import signal
import socket
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.calls import ready
from edgemesh.demo.processes import twistd
from tests.functional.callers import HOST, Answer, Broken, Caller, Load, request
from tests.functional.harness import until
from tests.functional.meshes import LoadApp, Mesh, MeshMixin

#: twistd ends by the signal that it was sent, when everything has stopped.
ENDED = (0, -signal.SIGTERM)


def refuses(port: int) -> bool | None:
    """Whether nobody listens there; None while somebody does."""
    with socket.socket() as caller:
        return True if caller.connect_ex((HOST, port)) else None


class InFlight:
    """A call in a thread of its own; ``result`` is its answer, or how it broke."""

    def __init__(self, port: int, target: str) -> None:
        self.result: Answer | str = ""
        self._thread = threading.Thread(target=self._run, args=(port, target))
        self._thread.start()

    def _run(self, port: int, target: str) -> None:
        with Caller(port, timeout=20) as caller:
            try:
                self.result = caller.get(target)
            except Broken as broken:
                self.result = str(broken)

    def ended(self) -> Answer | str:
        """What became of it."""
        self._thread.join()
        return self.result


class DrainTests(MeshMixin, SynchronousTestCase):
    """SIGTERM."""

    def started(self, grace: float) -> tuple[LoadApp, Mesh]:
        """An app and a node."""
        app = self.loadApp()
        return app, self.mesh(app.port, limits={"grace": grace})

    def terminated(self, mesh: Mesh, app: LoadApp) -> None:
        """Send SIGTERM once a call is at the app; return once nobody listens any more."""
        until("the call is in flight", lambda: app.requests() or None)
        mesh.program.signal(signal.SIGTERM)
        for port in (mesh.port, mesh.other, mesh.proxy):
            until("nobody listens", lambda port=port: refuses(port))

    def status(self, mesh: Mesh, seconds: float = 10.0) -> int:
        """How the node ended."""
        return until("the node has ended", lambda: mesh.program.status, seconds)

    def test_inFlight(self) -> None:
        """A call in flight is answered, and the answer says that the connection ends with it."""
        app, mesh = self.started(grace=10)
        call = InFlight(mesh.port, "/?after=1")
        self.terminated(mesh, app)
        answer = call.ended()
        assert isinstance(answer, Answer), answer
        self.assertEqual((answer.status, answer.closes), (200, True))
        self.assertIn(self.status(mesh), ENDED)

    def test_idle(self) -> None:
        """Idle connections, and those that never said a word, are closed at once."""
        app, mesh = self.started(grace=10)
        call = InFlight(mesh.port, "/?after=1")
        with Caller(mesh.proxy) as silent, Caller(mesh.proxy) as idle:
            silent.socket.settimeout(5)
            # Whoever is answered was accepted after the silent one.
            idle.get("http://web/")
            self.terminated(mesh, app)
            self.assertEqual((idle.socket.recv(1), silent.socket.recv(1)), (b"", b""))
            self.assertIsNone(mesh.program.status)
        self.assertIsInstance(call.ended(), Answer)
        self.assertIn(self.status(mesh), ENDED)

    def test_nextRequest(self) -> None:
        """What was sent ahead of an answer is not begun any more."""
        app, mesh = self.started(grace=10)
        with Caller(mesh.port) as caller:
            caller.socket.sendall(request("/?after=1") + request("/?second"))
            self.terminated(mesh, app)
            self.assertTrue(caller.answer().closes)
            self.assertRaises((Broken, OSError), caller.answer)
        self.assertEqual([line for line in app.requests() if "second" in line], [])
        self.assertIn(self.status(mesh), ENDED)

    def test_unready(self) -> None:
        """While it drains the admin page says so, for whoever sends it calls."""
        app, mesh = self.started(grace=10)
        call = InFlight(mesh.port, "/?after=1")
        self.terminated(mesh, app)
        status, text = mesh.page("/readyz?verbose")
        self.assertEqual(status, 503)
        self.assertIn(b"drains", text)
        call.ended()

    def test_grace(self) -> None:
        """A call that takes longer than the grace time is cut off, visibly."""
        app, mesh = self.started(grace=0.5)
        call = InFlight(mesh.port, "/?after=30")
        began = time.monotonic()
        self.terminated(mesh, app)
        result = call.ended()
        self.assertIsInstance(result, str)
        self.assertIn(self.status(mesh), ENDED)
        self.assertLess(time.monotonic() - began, 10)

    def test_opaque(self) -> None:
        """An opaque connection lives on for the grace time, then it is reset."""
        app = self.loadApp()
        mesh = self.mesh(app.port, limits={"grace": 0.5}, policies={"*": {"protocol": "tcp"}})
        with Caller(mesh.port) as caller:
            caller.get()
            mesh.program.signal(signal.SIGTERM)
            until("nobody listens", lambda: refuses(mesh.port))
            self.assertEqual(caller.get().status, 200)
            self.assertRaises(ConnectionResetError, caller.socket.recv, 1)
        self.assertIn(self.status(mesh), ENDED)

    def test_underLoad(self) -> None:
        """Under load no answer is lost: connections end with an answer, or unused."""
        _, mesh = self.started(grace=10)
        with Load((mesh.port,), _untilClosed) as load:
            load.wait(200)
            mesh.program.signal(signal.SIGTERM)
            self.assertIn(self.status(mesh), ENDED)
        bad = {o: n for o, n in load.outcomes.items() if o not in ("200", "refused", "unused")}
        self.assertEqual(bad, {})


def _untilClosed(caller: Caller, number: int) -> str:
    """
    A GET; a connection that was closed before it may have been so at the same moment.

    That is the one race which HTTP leaves to callers: a kept connection may be
    closed while a request is on its way.
    """
    try:
        return str(caller.get().status)
    except Broken as broken:
        text = str(broken)
        if "refused" in text:
            time.sleep(0.01)
            return "refused"
        return "unused" if "before its head" in text or "reset" in text else text


class RestartTests(MeshMixin, SynchronousTestCase):
    """A node that was killed."""

    def test_killed(self) -> None:
        """After ``kill -9`` it can be started again at once and serves within 5 s."""
        app = self.loadApp()
        mesh = self.mesh(app.port, accessLog="access.log")
        with Caller(mesh.port) as caller:
            self.assertEqual(caller.get().status, 200)
            mesh.program.kill()
            self.assertRaises(Broken, caller.get)
            again = self.start("again", twistd(mesh.folder / "edgemesh.yaml"), mesh.folder)
            again.waitFor("good /readyz", lambda: ready(mesh.admin), seconds=5)
            self.assertEqual(caller.get().status, 200)
