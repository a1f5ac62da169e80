"""Changes under load: services and policies change, calls do not notice."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.callers import Caller, Load
from tests.functional.harness import until
from tests.functional.meshes import Mesh, MeshMixin

_BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: web\nspec: [\n"


def fresh(caller: Caller, number: int) -> str:
    """A GET whose connection is made anew now and then."""
    status = caller.get().status
    if number % 5 == 0:
        caller.close()
    return str(status)


class ReloadTests(MeshMixin, SynchronousTestCase):
    """SIGHUP, and files that are replaced."""

    def test_hangups(self) -> None:
        """However often SIGHUP comes, every call is answered."""
        apps = self.loadApps(2)
        mesh = self.mesh(*(app.port for app in apps))
        with Load((mesh.port, mesh.other), fresh) as load:
            for _ in range(20):
                load.wait(100)
                mesh.reload()
        self.assertGreater(load.total, 2000)
        self.assertEqual(load.outcomes, {"200": load.total})
        self.assertGreater(mesh.program.said().count("reloaded"), 1)

    def test_endpoints(self) -> None:
        """Endpoints come and go in the service's file; every call is answered."""
        apps = self.loadApps(3)
        one, two, three = (app.port for app in apps)
        mesh = self.mesh(one)
        with Load((mesh.port, mesh.other), fresh) as load:
            for ports in ((one, two), (two,), (two, three), (three, one), (one, two, three)) * 2:
                mesh.endpoints(*ports)
                load.wait(200)
                self.known(mesh, len(ports))
        self.assertGreaterEqual(load.total, 2000)
        self.assertEqual(load.outcomes, {"200": load.total})

    def known(self, mesh: Mesh, count: int) -> None:
        """Wait until the node knows so many endpoints."""
        until(
            f"{count} endpoints are known",
            lambda: (len(mesh.services()["web.default:80"]["endpoints"]) == count) or None,
        )

    def test_broken(self) -> None:
        """A broken file changes nothing; the admin page, the log and a metric name it."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        with Load((mesh.port,), fresh, callers=2) as load:
            mesh.write("web.yaml", _BROKEN)
            until("it is noticed", lambda: mesh.metric("edgemesh_config_rejected_total") or None)
            load.wait(200)
        self.assertEqual(load.outcomes, {"200": load.total})
        status, text = mesh.page("/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn(b"web.yaml", text)
        self.assertIn("web.yaml", mesh.program.said())
        self.assertIn("last good content stays", mesh.program.said())
        mesh.endpoints(app.port)
        until("it is good again", lambda: b"[!]" not in mesh.page("/readyz?verbose")[1] or None)

    def test_brokenConfiguration(self) -> None:
        """A mistake in the configuration changes nothing when SIGHUP comes."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        (mesh.folder / "edgemesh.yaml").write_text("nodes: edge-1\n")
        mesh.reload()
        until("it is told", lambda: "not reloaded" in mesh.program.said() or None)
        with Caller(mesh.port) as caller:
            self.assertEqual(caller.get().status, 200)

    def test_removed(self) -> None:
        """A service whose file is removed is unknown; the proxy says so."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        with Caller(mesh.proxy) as caller:
            self.assertEqual(caller.get("http://web/").status, 200)
            (mesh.folder / "services.d" / "web.yaml").unlink()
            until("it is gone", lambda: "web.default:80" not in mesh.services() or None)
            self.assertEqual(caller.get("http://web/").status, 404)


class PolicyTests(MeshMixin, SynchronousTestCase):
    """Policies that change."""

    def test_atOnce(self) -> None:
        """A new limit counts from the moment at which SIGHUP is acknowledged, then it goes."""
        app = self.loadApp()
        mesh = self.mesh(app.port)
        with Caller(mesh.port) as caller:
            self.assertEqual([caller.get().status for _ in range(20)], [200] * 20)
            mesh.change(policies={"web.default": {"qps": {"outbound": limit(0.01, 3)}}})
            self.assertEqual([caller.get().status for _ in range(5)], [200] * 3 + [429] * 2)
            mesh.change(policies={})
            self.assertEqual([caller.get().status for _ in range(20)], [200] * 20)

    def test_levelSurvives(self) -> None:
        """A bucket that is empty stays so over SIGHUP and over changed endpoints."""
        apps = self.loadApps(2)
        policies = {"web.default": {"qps": {"outbound": limit(0.01, 5)}}}
        mesh = self.mesh(apps[0].port, policies=policies)
        with Caller(mesh.port) as caller:
            self.assertEqual([caller.get().status for _ in range(6)], [200] * 5 + [429])
            mesh.change()
            mesh.endpoints(*(app.port for app in apps))
            until("both are known", lambda: "2 endpoints" in mesh.program.said() or None)
            self.assertEqual(caller.get().status, 429)


def limit(limit: float, burst: int) -> dict[str, float]:
    """A QPS limit, as the configuration writes it."""
    return {"limit": limit, "burst": burst}
