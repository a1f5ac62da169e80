"""Endpoints that die under load: nobody notices who could be spared it."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.callers import Broken, Caller, Load, getting, request
from tests.functional.harness import until
from tests.functional.meshes import MeshMixin


def posting(caller: Caller, number: int) -> str:
    """A POST with a number of its own."""
    return str(caller.post(f"/?post={number}").status)


class KilledTests(MeshMixin, SynchronousTestCase):
    """``kill -9`` of one endpoint after the other."""

    def test_oneOfThree(self) -> None:
        """While one of three endpoints is dead, and when it is back, every GET is answered."""
        apps = self.loadApps(3)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port,)) as load:
            load.wait(300)
            apps[1].kill()
            load.wait(1500)
            apps[1].restart()
            load.wait(300)
        self.assertEqual(load.outcomes, {"200": load.total})

    def test_rolled(self) -> None:
        """All endpoints are replaced in turn, on their ports: every GET is answered."""
        apps = self.loadApps(3)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port,)) as load:
            for app in apps * 2:
                load.wait(200)
                app.kill()
                load.wait(100)
                app.restart()
            load.wait(200)
        self.assertEqual(load.outcomes, {"200": load.total})

    def test_slowAnswers(self) -> None:
        """Calls that wait for a killed endpoint's answer get it from another one."""
        apps = self.loadApps(2)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port,), lambda c, n: str(c.get("/?after=0.3").status), callers=8) as load:
            until("both have calls", lambda: all(len(app.requests()) > 2 for app in apps) or None)
            apps[0].kill()
            load.wait(8)
        self.assertEqual(load.outcomes, {"200": load.total})

    def test_postsNeverTwice(self) -> None:
        """A POST may fail with its endpoint, but no endpoint ever gets it again."""
        apps = self.loadApps(3)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port,), posting) as load:
            for app in apps:
                load.wait(200)
                app.kill()
                load.wait(100)
                app.restart()
            load.wait(100)
        came = Counter(line for app in apps for line in app.requests())
        self.assertEqual({line: count for line, count in came.items() if count > 1}, {})
        self.assertGreater(load.outcomes["200"], 800)
        # What was not answered is what was in flight when its endpoint died.
        self.assertLessEqual(load.total - load.outcomes["200"], 3 * load.callers)


class TruncatedTests(MeshMixin, SynchronousTestCase):
    """An answer that has begun when its endpoint dies."""

    def cutOff(self, framing: str) -> tuple[bytes, str]:
        """What a caller reads of such an answer, and how it ends."""
        apps = self.loadApps(2)
        mesh = self.mesh(*(app.port for app in apps))
        with Caller(mesh.port) as caller:
            caller.socket.sendall(request(f"/endless?framing={framing}"))
            heard = b""
            while b"begun" not in heard:
                heard += caller.socket.recv(65_536)
            for app in apps:
                app.kill()
            try:
                while part := caller.socket.recv(65_536):
                    heard += part
            except ConnectionResetError:
                return heard, "reset"
            return heard, "closed"

    def test_length(self) -> None:
        """It ends before the length that it announced."""
        heard, _ = self.cutOff("length")
        self.assertIn(b"Content-Length: 99999", heard)

    def test_chunked(self) -> None:
        """It ends without its last chunk."""
        heard, _ = self.cutOff("chunked")
        self.assertFalse(heard.endswith(b"0\r\n\r\n"), heard)

    def test_untilClose(self) -> None:
        """A killed process closes its connections in order; so does the mesh."""
        heard, end = self.cutOff("close")
        self.assertEqual((heard[-7:], end), (b"begun\r\n", "closed"))


class ManyConnectionsTests(MeshMixin, SynchronousTestCase):
    """A caller that makes a connection for each call."""

    def test_fresh(self) -> None:
        """Its calls are answered while an endpoint dies, too."""

        def once(caller: Caller, number: int) -> str:
            outcome = getting(caller, number)
            caller.close()
            return outcome

        apps = self.loadApps(2)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port, mesh.other), once, callers=4) as load:
            load.wait(100)
            apps[0].kill()
            load.wait(300)
        self.assertEqual(load.outcomes, {"200": load.total})

    def test_nobodyLeft(self) -> None:
        """With every endpoint dead a call is answered at once, with the reason."""
        (app,) = self.loadApps(1)
        mesh = self.mesh(app.port)
        with Caller(mesh.port) as caller:
            caller.get()
            app.kill()
            answer = caller.get()
            self.assertEqual((answer.status, answer.reason), (503, "UF"))
            self.assertRaises(Broken, caller.answer) if answer.closes else None
            app.restart()
            self.assertEqual(caller.get().status, 200)
