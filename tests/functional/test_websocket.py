"""WebSocket through the mesh, between a stock client and a stock server."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from functools import cache

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from edgemesh.demo.processes import freePorts
from tests.functional.harness import HOST, listenAt, service
from tests.functional.standing import Standing

#: A message of this size is allowed; websockets' own limit is lower.
LARGEST = 4 << 20
#: Longer than anything here waits for, shorter than a test may take.
PATIENCE = 10


class Scene:
    """
    A node and a server that echoes.

    :ivar port: a listener for the service.
    :ivar proxy: the proxy listener.
    :ivar heads: of every request that came to the server.
    """

    def __init__(self) -> None:
        standing = Standing()
        self.heads: list[Request] = []
        server = serve(
            _echo, HOST, 0, process_request=self._came, max_size=LARGEST, compression=None
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        standing.addCleanup(server.shutdown)
        self.port, self.proxy = freePorts(2)
        listeners = [
            {"listen": listenAt(self.port), "service": "echo.default:80"},
            {"listen": listenAt(self.proxy), "proxy": True},
        ]
        port = server.socket.getsockname()[1]
        self.node = standing.node({"listeners": listeners}, {"echo.yaml": service("echo", port)})

    def _came(self, connection: ServerConnection, request: Request) -> Response | None:
        self.heads.append(request)
        if request.path.startswith("/refused"):
            return connection.respond(403, "not here\n")
        return None


def _echo(connection: ServerConnection) -> None:
    if connection.request is not None and connection.request.path == "/greeting":
        connection.send("welcome")
    for message in connection:
        connection.send(message)


@cache
def scene() -> Scene:
    """Start it, once."""
    return Scene()


class WebSocketTests(SynchronousTestCase):
    """One connection, from its opening to its closing handshake."""

    def connected(self, path: str = "/", host: str = "echo", port: int = 0) -> ClientConnection:
        """A client whose opening handshake is over."""
        caller = socket.create_connection((HOST, port or scene().port), timeout=PATIENCE)
        client = connect(
            f"ws://{host}{path}", sock=caller, max_size=LARGEST, proxy=None, close_timeout=PATIENCE
        )
        self.addCleanup(client.close)
        return client

    def test_echo(self) -> None:
        """Text and bytes come back; the closing handshake is clean on both sides."""
        client = self.connected()
        for message in ("some text", b"\x00\xff", ""):
            client.send(message)
            self.assertEqual(client.recv(PATIENCE), message)
        client.close()
        self.assertEqual((client.close_code, client.protocol.close_rcvd_then_sent), (1000, False))

    def test_large(self) -> None:
        """Messages of one MiB pass in both directions."""
        client = self.connected()
        for _ in range(3):
            message = os.urandom(1 << 20)
            client.send(message)
            self.assertEqual(client.recv(PATIENCE), message)

    def test_ping(self) -> None:
        """A ping of the client is answered by the server itself."""
        self.assertTrue(self.connected().ping().wait(PATIENCE))

    def test_greeting(self) -> None:
        """What the server sends together with its 101 is not lost."""
        for _ in range(10):
            self.assertEqual(self.connected("/greeting").recv(PATIENCE), "welcome")

    def test_idle(self) -> None:
        """A connection on which nothing happens for a while stays."""
        client = self.connected()
        time.sleep(2)
        client.send("still there")
        self.assertEqual(client.recv(PATIENCE), "still there")

    def test_proxy(self) -> None:
        """The same by name through the proxy, by Host and by CONNECT."""
        client = self.connected(host="echo.default", port=scene().proxy)
        client.send("by Host")
        self.assertEqual(client.recv(PATIENCE), "by Host")
        tunnelled = connect("ws://echo/", proxy=f"http://{HOST}:{scene().proxy}")
        self.addCleanup(tunnelled.close)
        tunnelled.send("by CONNECT")
        self.assertEqual(tunnelled.recv(PATIENCE), "by CONNECT")

    def test_told(self) -> None:
        """The server gets the handshake as it was, with what the mesh adds to any request."""
        self.connected("/told?x=1")
        head = scene().heads[-1]
        self.assertEqual((head.path, head.headers["Host"]), ("/told?x=1", "echo"))
        self.assertEqual(head.headers["X-Forwarded-For"], HOST)

    def test_refused(self) -> None:
        """A server that refuses is quoted, and the caller's connection stays usable."""
        refusal = self.assertRaises(InvalidStatus, self.connected, "/refused")
        self.assertEqual(refusal.response.status_code, 403)
        self.assertEqual(refusal.response.body, b"not here\n")

    def test_counted(self) -> None:
        """An upgraded connection is one call with status 101, counted when it ends."""

        def ended() -> float:
            return scene().node.metric(
                "edgemesh_requests_total", service="echo.default:80", code="101"
            )

        before = ended()
        client = self.connected()
        self.assertEqual(ended(), before)
        client.close()
        for _ in range(100):
            if ended() > before:
                break
            time.sleep(0.02)
        self.assertEqual(ended(), before + 1)


class OtherUpgradeTests(SynchronousTestCase):
    """An Upgrade to anything else."""

    def test_notForwarded(self) -> None:
        """It is ignored, as any server may: the call is an ordinary one."""
        caller = http.client.HTTPConnection(HOST, scene().port, timeout=PATIENCE)
        self.addCleanup(caller.close)
        fields = {"Connection": "Upgrade", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
        caller.request("GET", "/refused?h2c", headers=fields)
        self.assertEqual(caller.getresponse().read(), b"not here\n")
        head = scene().heads[-1]
        self.assertEqual(head.path, "/refused?h2c")
        self.assertNotIn("Upgrade", head.headers)
        self.assertNotIn("HTTP2-Settings", head.headers)
