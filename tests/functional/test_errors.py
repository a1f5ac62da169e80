"""Endpoints that fail in every way there is: the caller learns in time which way it was."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.callers import Caller, Load, request
from tests.functional.harness import service, until
from tests.functional.kernel import Peer, blackHole, requests
from tests.functional.meshes import Mesh, MeshMixin

_HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


def closed() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class StatusTests(MeshMixin, SynchronousTestCase):
    """One service, one endpoint, one way to fail."""

    def meshOf(self, serve: Callable[[socket.socket], object], **policy: object) -> Mesh:
        """A node with such an endpoint."""
        self.peer = Peer(serve)
        self.addCleanup(self.peer.close)
        return self.mesh(self.peer.port, policies={"*": policy})

    def assertAnswer(self, mesh: Mesh, status: int, reason: str, within: float) -> None:
        """What a GET and a POST get, in which time."""
        for data in (request("/"), request("/", method="POST", body=b"x")):
            with Caller(mesh.port) as caller:
                began = time.monotonic()
                answer = caller.call(data)
                self.assertEqual((answer.status, answer.reason), (status, reason))
                self.assertLess(time.monotonic() - began, within)

    def test_refused(self) -> None:
        """Nobody listens: 503 at once."""
        self.assertAnswer(self.mesh(closed()), 503, "UF", 2)

    def test_blackHole(self) -> None:
        """Nobody answers the dial: 503 within 4 s."""
        with blackHole() as port:
            self.assertAnswer(self.mesh(port), 503, "UF", 4)

    def test_blackHoles(self) -> None:
        """Nor does it take longer when there are several."""
        with ExitStack() as stack:
            ports = [stack.enter_context(blackHole()) for _ in range(3)]
            mesh = self.mesh(*ports)
            caller = stack.enter_context(Caller(mesh.port))
            began = time.monotonic()
            answer = caller.get()
            self.assertEqual((answer.status, answer.reason), (503, "UF"))
            self.assertLess(time.monotonic() - began, 4)

    def test_silent(self) -> None:
        """The endpoint never answers: 504 when its time is over."""
        mesh = self.meshOf(lambda connection: time.sleep(20), timeouts={"response": 0.5})
        self.assertAnswer(mesh, 504, "UT", 4)

    def test_emptyReply(self) -> None:
        """The endpoint closes without a word: 502."""
        mesh = self.meshOf(lambda connection: connection.recv(65_536))
        self.assertAnswer(mesh, 502, "UX", 2)

    def test_nonsense(self) -> None:
        """The endpoint speaks something else: 502."""
        mesh = self.meshOf(_says(b"-ERR unknown command\r\n"))
        self.assertAnswer(mesh, 502, "UR", 2)

    def test_ambiguous(self) -> None:
        """The endpoint's answer could be read in two ways: 502."""
        both = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"
        self.assertAnswer(self.meshOf(_says(both)), 502, "UR", 2)

    def test_noEndpoint(self) -> None:
        """The service has no endpoint: 503; no such service: 404."""
        mesh = self.mesh()
        self.assertAnswer(mesh, 503, "NE", 2)
        with Caller(mesh.proxy) as caller:
            answer = caller.get("/", "nobody")
            self.assertEqual((answer.status, answer.reason), (404, "NR"))

    def test_opaqueRefused(self) -> None:
        """An opaque caller of such an endpoint is reset, and the log says why."""
        mesh = self.mesh(closed(), policies={"*": {"protocol": "tcp"}})
        with Caller(mesh.port) as caller:
            self.assertRaises(ConnectionResetError, caller.socket.recv, 1)
        self.assertIn("UF", mesh.program.said())


def _says(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        for _ in requests(connection):
            connection.sendall(answer)

    return serve


class OthersTests(MeshMixin, SynchronousTestCase):
    """One endpoint or caller in trouble, and everybody else."""

    def test_blackHoleAmongOthers(self) -> None:
        """One endpoint that answers no dial does not delay those who are sent elsewhere."""
        apps = self.loadApps(2)
        with blackHole() as port:
            mesh = self.mesh(apps[0].port, port, apps[1].port)
            with Load((mesh.port, mesh.other)) as load:
                load.wait(2000)
            self.assertEqual(load.outcomes, {"200": load.total})
            # Those that met it waited for the connect time-out, once in each cool-off.
            slow = [latency for latency in load.latencies if latency > 0.5]
            self.assertLessEqual(len(slow), 0.01 * load.total)

    def test_otherService(self) -> None:
        """Nor are the calls to another service."""
        app = self.loadApp()
        with blackHole() as port:
            mesh = self.mesh(app.port)
            mesh.write("hole.yaml", service("hole", port))
            until("it is known", lambda: "hole.default:80" in mesh.services() or None)
            stuck = Load((mesh.proxy,), lambda c, n: str(c.get("/", "hole").status), callers=4)
            with stuck, Load((mesh.port,), callers=2) as load:
                load.wait(1000)
        self.assertEqual(load.outcomes, {"200": load.total})
        self.assertLess(sorted(load.latencies)[int(0.99 * load.total)], 0.5)
        self.assertEqual(set(stuck.outcomes), {"503"})

    def test_callerGone(self) -> None:
        """A caller that goes away frees its endpoint within 3 s."""
        for path in ("/", "/begun"):
            ended: list[float] = []

            def serve(connection: socket.socket, ended: list[float] = ended) -> None:
                try:
                    for head in requests(connection):
                        if b"/begun" in head:
                            connection.sendall(_HALF)
                finally:
                    ended.append(time.monotonic())

            peer = Peer(serve)
            self.addCleanup(peer.close)
            mesh = self.mesh(peer.port)
            with Caller(mesh.port) as caller:
                caller.socket.sendall(request(path))
                until("it is there", lambda peer=peer: peer.accepted or None)
                gone = time.monotonic()
            until("the endpoint is free", lambda ended=ended: ended or None)
            self.assertLess(ended[0] - gone, 3)


class SecretsTests(MeshMixin, SynchronousTestCase):
    """What callers entrust to their apps."""

    def test_nowhere(self) -> None:
        """Credentials, cookies, queries and bodies are in no log, no metric, no admin page."""
        app = self.loadApp()
        mesh = self.mesh(app.port, accessLog="access.log")
        secrets = [f"s3cr3t{number}" for number in range(6)]
        authorization, cookie, query, body, user, field = secrets
        data = (
            f"POST /?token={query} HTTP/1.1\r\nHost: web\r\nAuthorization: Bearer {authorization}"
            f"\r\nCookie: session={cookie}\r\nX-Api-Key: {field}\r\nContent-Length: {len(body)}"
            f"\r\n\r\n{body}"
        ).encode()
        with Caller(mesh.port) as caller:
            self.assertEqual(caller.call(data).status, 200)
            app.kill()
            self.assertEqual(caller.call(data).status, 503)
        with Caller(mesh.proxy) as caller:
            broken = data.replace(b"POST /", f"POST http://a:{user}@web/".encode())
            self.assertEqual(caller.call(broken).status, 400)
        with Caller(mesh.port) as caller:
            ambiguous = data.replace(b"Content-Length", b"Content-Length : 1\r\nContent-Length")
            self.assertEqual(caller.call(ambiguous).status, 400)
        log = mesh.folder / "access.log"
        until("it is there", lambda: log.exists() or None)
        until("all is written", lambda: log.read_text().count("\n") >= 4 or None)
        pages = ("/metrics", "/services", "/chain?service=web.default:80", "/readyz?verbose")
        said = [mesh.program.said(), log.read_text()]
        said += [mesh.page(page)[1].decode() for page in pages]
        self.assertEqual([secret for secret in secrets if secret in "".join(said)], [])


class AccessTests(MeshMixin, SynchronousTestCase):
    """The admin's own address."""

    def test_strangers(self) -> None:
        """The admin page answers what is no HTTP with an error, and lives on."""
        mesh = self.mesh(closed())
        with socket.create_connection(("127.0.0.1", mesh.admin), 5) as caller:
            caller.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            caller.recv(4096)
        connection = http.client.HTTPConnection("127.0.0.1", mesh.admin, timeout=5)
        connection.request("GET", "/healthz")
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()
