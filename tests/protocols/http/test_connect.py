"""CONNECT, and what becomes of it."""

from __future__ import annotations

from tests.protocols.http.talks import GET, OK, Talk

CONNECT = b"CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectTests(Talk):
    """Tunnels through the proxy listener."""

    def setUp(self) -> None:
        self.use(endpoints=2)
        self.ladder.end(self.app)
        self.app = self.ladder.caller(proxy=True)

    def test_tunnel(self) -> None:
        """Once connected, bytes go both ways unread, those sent ahead first."""
        endpoint = self.sent(CONNECT + b"\x16\x03ahead")
        self.assertEqual(self.hear(self.app), CONNECTED)
        self.assertEqual(self.hear(endpoint), b"\x16\x03ahead")
        self.say(endpoint, b"back")
        self.say(self.app, GET)
        self.assertEqual(self.hear(endpoint), GET)
        self.assertEqual(self.hear(self.app), b"back")

    def test_ends(self) -> None:
        """It ends with both sides, and is one call with its bytes counted."""
        endpoint = self.sent(CONNECT)
        self.say(self.app, b"ping")
        self.ladder.end(self.app)
        self.assertTrue(endpoint.fake.finished)
        self.say(endpoint, b"pong!")
        self.ladder.end(endpoint)
        self.assertOnce("")
        outcome = self.ladder.ended[0].outcome
        counted = (outcome.status, outcome.received, outcome.sent)
        self.assertEqual(counted, (200, len(CONNECT) + 4, len(CONNECTED) + 5))
        self.assertEqual(self.ladder.mesh.live, {})

    def test_notHere(self) -> None:
        """A listener of one service is no proxy."""
        self.app = self.ladder.caller()
        self.say(self.app, CONNECT)
        self.assertIn(b"Allow: ", self.assertAnswered("MR", 405))
        self.assertClosed()

    def test_noRelay(self) -> None:
        """Without the protocol ``tcp`` there is nobody who could carry a tunnel."""
        del self.ladder.mesh.clients["tcp"]
        self.say(self.app, CONNECT)
        self.assertAnswered("MR", 405)

    def test_unknown(self) -> None:
        """It leads to known services only, never to an address."""
        for target in (b"example.org:443", b"127.0.0.1:22", b"[::1]:22", b"b:81"):
            self.app = self.ladder.caller(proxy=True)
            self.say(self.app, CONNECT.replace(b"b:80", target))
            self.assertAnswered("NR", 404)
        self.assertEqual(self.ladder.loop.dialled, [])

    def test_malformed(self) -> None:
        """A target without a port, or a body, is refused."""
        self.say(self.app, CONNECT.replace(b"b:80", b"b"))
        self.assertAnswered("BR", 400)
        self.app = self.ladder.caller(proxy=True)
        self.say(self.app, CONNECT[:-2] + b"Content-Length: 1\r\n\r\nx")
        self.assertAnswered("BR", 400)

    def test_unreachable(self) -> None:
        """When neither endpoint can be reached, the caller hears so and must call again."""
        self.say(self.app, CONNECT)
        self.ladder.refuses()
        self.ladder.refuses()
        self.assertAnswered("UF", 503)
        self.assertClosed()

    def test_another(self) -> None:
        """When the first endpoint cannot be reached, the second is."""
        self.say(self.app, CONNECT)
        self.ladder.refuses()
        self.ladder.accepts()
        self.assertEqual(self.hear(self.app), CONNECTED)

    def test_behindRequest(self) -> None:
        """A CONNECT may follow other requests on the same connection."""
        endpoint = self.sent(GET + CONNECT)
        self.say(endpoint, OK)
        self.hear(self.app)
        self.ladder.accepts()
        self.assertEqual(self.hear(self.app), CONNECTED)

    def test_goneWhileDialling(self) -> None:
        """A tunnel that nobody waits for is closed again."""
        self.say(self.app, CONNECT)
        self.ladder.reset(self.app)
        self.assertTrue(self.ladder.accepts().fake.closed)
        self.assertOnce("DC")

    def test_sendsAhead(self) -> None:
        """What a caller sends while the endpoint is dialled is bounded."""
        self.say(self.app, CONNECT, *[b"x" * 65_536] * 4)
        self.assertFalse(self.ladder.loop.isReading(self.app))
        endpoint = self.ladder.accepts()
        self.assertEqual(len(self.hear(endpoint)), 4 * 65_536)
