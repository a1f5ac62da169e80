"""What a caller says never leads to an address that is no known service."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.callers import Broken, Caller
from tests.functional.kernel import Peer
from tests.functional.meshes import Mesh, MeshMixin

#: Spellings of this machine, as a caller might hide them.
_HERE = (
    "127.0.0.1",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0",
    "0.0.0.0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "127.0.0.1.",
    "web@127.0.0.1",
    "web:80@127.0.0.1",
    "127.0.0.1%23web",
    "127.0.0.1#web",
    "127.0.0.1\\@web",
    "localhost.default.svc.cluster.local",
)
_ELSEWHERE = ("169.254.169.254", "metadata.google.internal", "unknown", "unknown:80", "web:81")


class ForeignTargetTests(MeshMixin, SynchronousTestCase):
    """Targets that a careless proxy would connect to."""

    def begin(self) -> Mesh:
        """A node, its app, and a canary at this machine's addresses."""
        self.canary = Peer(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n"))
        self.addCleanup(self.canary.close)
        self.canary6 = Peer(lambda connection: None, "::1", self.canary.port)
        self.addCleanup(self.canary6.close)
        self.app = self.loadApp()
        return self.mesh(self.app.port)

    def authorities(self, mesh: Mesh) -> Iterator[str]:
        """Everything that leads to the canary, to the node itself, or out."""
        for host in _HERE:
            yield f"{host}:{self.canary.port}"
        for port in (mesh.admin, mesh.port, mesh.proxy, self.app.port):
            yield f"127.0.0.1:{port}"
            yield f"localhost:{port}"
        yield from _ELSEWHERE

    def assertHarmless(self, requests: Iterator[str], port: int) -> None:
        """Each is refused, and neither canary nor app ever hear of it."""
        wrong = {}
        for text in requests:
            with Caller(port) as caller:
                try:
                    status = str(caller.call(text.encode()).status)
                except Broken as broken:
                    status = str(broken)
            if status not in ("400", "404"):
                wrong[text] = status
        self.assertEqual(wrong, {})
        dialled = self.canary.accepted, self.canary6.accepted, self.app.requests()
        self.assertEqual(dialled, (0, 0, []))

    def test_host(self) -> None:
        """In Host."""
        mesh = self.begin()
        targets = self.authorities(mesh)
        requests = (f"GET / HTTP/1.1\r\nHost: {each}\r\n\r\n" for each in targets)
        self.assertHarmless(requests, mesh.proxy)

    def test_absoluteForm(self) -> None:
        """In the request target; a known name in Host does not help."""
        mesh = self.begin()
        targets = self.authorities(mesh)
        requests = (f"GET http://{each}/ HTTP/1.1\r\nHost: web\r\n\r\n" for each in targets)
        self.assertHarmless(requests, mesh.proxy)

    def test_connect(self) -> None:
        """As the target of CONNECT."""
        mesh = self.begin()
        targets = [each if ":" in each else f"{each}:80" for each in self.authorities(mesh)]
        requests = (f"CONNECT {each} HTTP/1.1\r\nHost: {each}\r\n\r\n" for each in targets)
        self.assertHarmless(requests, mesh.proxy)

    def test_otherSchemes(self) -> None:
        """Only ``http://`` means anything here."""
        mesh = self.begin()
        where = f"127.0.0.1:{self.canary.port}"
        schemes = ("https", "ftp", "file", "gopher", "unix", "ws")
        requests = (f"GET {s}://{where}/ HTTP/1.1\r\nHost: {where}\r\n\r\n" for s in schemes)
        self.assertHarmless(requests, mesh.proxy)

    def test_hopFields(self) -> None:
        """Fields that other proxies believe do not lead elsewhere."""
        mesh = self.begin()
        where = f"127.0.0.1:{self.canary.port}"
        names = ("X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Host", "x-edgemesh-route")
        requests = (f"GET / HTTP/1.1\r\nHost: unknown\r\n{name}: {where}\r\n\r\n" for name in names)
        self.assertHarmless(requests, mesh.proxy)

    def test_explicitListener(self) -> None:
        """On a service's own listener any Host reaches that service and nobody else."""
        mesh = self.begin()
        with Caller(mesh.port) as caller:
            for host in (f"127.0.0.1:{self.canary.port}", "169.254.169.254", "unknown"):
                self.assertEqual(caller.get("/", host).status, 200)
            refused = f"CONNECT 127.0.0.1:{self.canary.port} HTTP/1.1\r\nHost: a\r\n\r\n"
            self.assertEqual(caller.call(refused.encode()).status, 405)
        self.assertEqual((self.canary.accepted, len(self.app.requests())), (0, 3))

    def test_known(self) -> None:
        """Known names work in every form, so that the refusals above are worth something."""
        mesh = self.begin()
        with Caller(mesh.proxy) as caller:
            for name in ("web", "web.default", "web.default.svc.cluster.local", "WEB:80"):
                self.assertEqual(caller.get("/", name).status, 200)
                self.assertEqual(caller.get(f"http://{name}/", "unknown").status, 200)
            connect = b"CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n"
            self.assertEqual(caller.call(connect).status, 200)
            self.assertEqual(caller.get().status, 200)
