"""``https://`` from curl to nginx: TLS goes through, and curl checks nginx's own certificate."""

from __future__ import annotations

import socket
import ssl
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.harness import HOST
from tests.functional.scene import scene
from tests.functional.webserver import TEXT, Curled, curl

#: What curl says when a certificate is not for the name that was called.
WRONG_CERTIFICATE = 60


def call(url: str, *arguments: str) -> Curled:
    """Call with HTTP/1.1 inside, trusting nobody but the authority of the tests."""
    return curl("--http1.1", "--cacert", str(scene().web.authority), *arguments, url)


def through(port: int, name: str) -> tuple[str, str]:
    """Let curl connect to a listener of the mesh when it calls this name by https."""
    return ("--connect-to", f"{name}:443:{HOST}:{port}")


class HTTPSTests(SynchronousTestCase):
    """Each way to the service ``servicea``, which nobody can read on the way."""

    def reaches(self, name: str, *arguments: str) -> None:
        """The call is answered by nginx over TLS, and nothing was put into it."""
        came = call(f"https://{name}/who", *arguments)
        self.assertEqual((came.exit, came.said, came.status), (0, "", 200))
        self.assertEqual(came.text, f"{scene().web.secure} GET https HTTP/1.1 {name}")
        self.assertIn("via= for= ", call(f"https://{name}/came", *arguments).text)

    def test_listener(self) -> None:
        """Through the listener of the service, by whichever of its names."""
        self.reaches("servicea", *through(scene().secure, "servicea"))
        self.reaches("servicea.default", *through(scene().secure, "servicea.default"))

    def test_proxyConnect(self) -> None:
        """Through the proxy as any client uses one: by CONNECT."""
        proxy = ("--proxy", f"http://{HOST}:{scene().proxy}", "--suppress-connect-headers")
        self.reaches("servicea", *proxy)
        self.reaches("servicea.default", *proxy)

    def test_proxyServerName(self) -> None:
        """Through the proxy listener without asking it: by the name in the TLS handshake."""
        self.reaches("servicea", *through(scene().proxy, "servicea"))
        self.reaches("servicea.default", *through(scene().proxy, "servicea.default"))

    def test_http2(self) -> None:
        """What client and service agree on inside TLS is theirs: here HTTP/2."""
        url = "https://servicea/text"
        trusting = ("--cacert", str(scene().web.authority))
        came = curl("--http2", *trusting, *through(scene().secure, "servicea"), url)
        self.assertEqual((came.exit, came.status, came.body), (0, 200, TEXT))
        self.assertTrue(came.head.startswith("http/2 200"))

    def test_checked(self) -> None:
        """The certificate is the service's own: one for another name is refused by curl."""
        for port in (scene().secure, scene().proxy):
            came = call("https://serviceb/who", *through(port, "serviceb"))
            self.assertEqual(came.exit, WRONG_CERTIFICATE, came.said)
        untrusting = curl("https://servicea/who", *through(scene().secure, "servicea"))
        self.assertEqual(untrusting.exit, WRONG_CERTIFICATE, untrusting.said)

    def test_unknown(self) -> None:
        """A server name that is no service leads nowhere."""
        came = call("https://example.test/", *through(scene().proxy, "example.test"))
        self.assertNotEqual(came.exit, 0)
        self.assertEqual(came.status, 0)

    def test_counted(self) -> None:
        """Such a connection counts as one of protocol tls, by service."""
        seen = {"service": "servicea.default:443", "protocol": "tls"}
        before = scene().node.metric("edgemesh_requests_total", **seen)
        call("https://servicea/who", *through(scene().proxy, "servicea"))
        self.assertEqual(scene().node.metric("edgemesh_requests_total", **seen), before + 1)


class SlowHelloTests(SynchronousTestCase):
    """Clients whose hello comes late, or in many pieces."""

    def client(self, port: int) -> tuple[Client, socket.socket]:
        """A client that is connected and has said nothing."""
        caller = socket.create_connection((HOST, port), timeout=10)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(caller.close)
        return Client(caller), caller

    def reaches(self, client: Client) -> None:
        """After its hello the client finishes the handshake and is answered."""
        self.assertIn(b"%d GET https" % scene().web.secure, client.get("/who"))

    def test_segments(self) -> None:
        """A hello in many segments is recognised, and the name in it is found."""
        for port in (scene().secure, scene().proxy):
            client, caller = self.client(port)
            for start in range(0, len(client.hello), 7):
                caller.sendall(client.hello[start : start + 7])
                time.sleep(0.001)
            self.reaches(client)

    def test_pauseInside(self) -> None:
        """A pause in the middle of the hello changes nothing."""
        for port in (scene().secure, scene().proxy):
            client, caller = self.client(port)
            caller.sendall(client.hello[:3])
            time.sleep(0.1)
            caller.sendall(client.hello[3:60])
            time.sleep(0.1)
            caller.sendall(client.hello[60:])
            self.reaches(client)

    def test_silent(self) -> None:
        """A client that says nothing for seconds and then speaks TLS is served as TLS."""
        seen = {"service": "servicea.default:443", "protocol": "tls"}
        before = scene().node.metric("edgemesh_requests_total", **seen)
        clients = [self.client(port) for port in (scene().secure, scene().proxy)]
        time.sleep(3)
        for client, caller in clients:
            caller.sendall(client.hello)
            self.reaches(client)
            caller.close()
        self.assertEqual(scene().node.metric("edgemesh_requests_total", **seen), before + 2)


class Client:
    """
    A TLS client that leaves it to others when its hello is sent, and how.

    :ivar hello: its first bytes.
    """

    def __init__(self, caller: socket.socket) -> None:
        context = ssl.create_default_context(cafile=scene().web.authority)
        self._came, self._go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._go, server_hostname="servicea")
        self._caller = caller
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.hello = self._go.read()

    def get(self, target: str) -> bytes:
        """Finish the handshake and make one call, whose answer ends with the connection."""
        answer = b""
        while True:
            try:
                self._tls.do_handshake()
                if target:
                    self._tls.write(f"GET {target} HTTP/1.0\r\nHost: servicea\r\n\r\n".encode())
                    target = ""
                part = self._tls.read()
                if not part:
                    return answer
                answer += part
            except ssl.SSLWantReadError:
                self._exchange()

    def _exchange(self) -> None:
        self._caller.sendall(self._go.read())
        came = self._caller.recv(65_536)
        if not came:
            raise AssertionError("closed without a word")
        self._came.write(came)
