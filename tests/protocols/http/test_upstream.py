"""One connection to an endpoint, by itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import Failure
from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.meta.model import Endpoint
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.http.upstream import HTTPUpstream
from edgemesh.testing import Ladder, Wire
from edgemesh.testing.ladder import KEY
from edgemesh.wire.response import ResponseHead
from tests.protocols.http.talks import CHUNKED, GET, LONG, OK


class Listener:
    """Who asked; it writes down what it is told."""

    wantsPayload = False

    def __init__(self, upstream: HTTPUpstream) -> None:
        self.upstream = upstream
        self.heard: list[str] = []
        self.body = b""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx."""
        self.heard.append(f"interim {head.status}")

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """A 101."""
        self.heard.append(f"switched {rest!r}")

    def answer(self, head: ResponseHead, body: bytes, last: bool) -> None:
        """The head."""
        self.heard.append(f"answer {head.status}")
        self.answerMore(body, last)

    def answerMore(self, body: bytes, last: bool) -> None:
        """More."""
        self.body += body
        if last:
            self.heard.append("last")
            self.upstream.finished(True, 0.0)

    def answerFailed(self, failure: Failure, detail: str) -> None:
        """It will not come."""
        self.heard.append(failure.reason)

    def holdBody(self) -> None:
        """Wait."""
        self.heard.append("hold")

    def sendBody(self) -> None:
        """Go on."""
        self.heard.append("send")


class UpstreamCase(SynchronousTestCase):
    """An endpoint's connection with a request on it."""

    def setUp(self) -> None:
        self.ladder = Ladder(HTTP)
        client = self.ladder.mesh.clients["http"]
        assert isinstance(client, HTTPClient)
        self.client = client
        self.endpoint = LiveEndpoint(KEY, Endpoint("10.1.0.1", 80))
        self.upstream = HTTPUpstream(self.client, self.endpoint)
        self.wire: Wire = self.ladder.loop.accept(self.upstream)
        self.listener = Listener(self.upstream)
        self.upstream.request(self.listener, b"GET", GET)

    def say(self, *data: bytes) -> list[str]:
        """The endpoint says this; what the listener was told."""
        self.ladder.say(self.wire, *data)
        return self.listener.heard


class AnswerTests(UpstreamCase):
    """What it tells who asked."""

    def test_interfaces(self) -> None:
        """It is what a transport expects of a protocol and of a producer."""
        verifyObject(IProtocol, self.upstream)
        verifyObject(IPushProducer, self.upstream)

    def test_answer(self) -> None:
        """Head, body, end; then it is idle and can be used again."""
        self.assertEqual(self.say(LONG + b"01234", b"56789"), ["answer 200", "last"])
        self.assertEqual(self.listener.body, b"0123456789")
        self.assertIn("1 idle", repr(self.client))
        self.assertTrue(self.upstream.reused)
        self.assertIn("IDLE", repr(self.upstream))

    def test_switched(self) -> None:
        """A 101 comes with what the endpoint said after it."""
        self.assertEqual(self.say(b"HTTP/1.1 101 S\r\n\r\nxyz"), ["switched b'xyz'"])

    def test_lastBytesAndEnd(self) -> None:
        """An answer that is whole is whole, even when the connection ends with it."""
        self.wire.says(OK)
        self.ladder.end(self.wire)
        self.assertEqual(self.listener.heard, ["answer 200", "last"])
        self.assertIn("0 idle", repr(self.client))

    def test_closingAnswer(self) -> None:
        """An endpoint that says it closes is not asked again."""
        self.say(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        self.assertIn("0 idle", repr(self.client))
        self.assertTrue(self.wire.fake.closed)

    def test_trickledHead(self) -> None:
        """A head that comes byte by byte is read once for each line, and in the end."""
        self.assertEqual(self.say(*[b"%c" % byte for byte in OK])[-1], "last")

    def test_endlessLine(self) -> None:
        """A head without an end is refused at its limit."""
        line = OK[:-4] + b"X: "
        self.assertEqual(self.say(line, *[b"x" * 16_000] * 5), ["UR"])

    def test_pace(self) -> None:
        """It tells who asked when its transport is full, and when no longer."""
        self.wire.fake.room = 0
        self.wire.write(bytes(100_000))
        self.assertEqual(self.listener.heard, ["hold"])
        self.wire.fake.room = 1 << 30
        self.ladder.loop.turn()
        self.assertEqual(self.listener.heard, ["hold", "send"])

    def test_pauseTwice(self) -> None:
        """Pausing is a state, not a count; finishing ends it."""
        self.upstream.pause()
        self.upstream.pause()
        self.assertFalse(self.ladder.loop.isReading(self.wire))
        self.upstream.resume()
        self.assertTrue(self.ladder.loop.isReading(self.wire))
        self.upstream.pause()
        self.upstream.finished(True, 0.0)
        self.assertTrue(self.ladder.loop.isReading(self.wire))

    def test_leave(self) -> None:
        """A transport that is given away has no producer and reads."""
        self.upstream.pause()
        self.assertIs(self.upstream.leave(), self.wire)
        self.assertIs(self.wire.producer, None)
        self.assertTrue(self.ladder.loop.isReading(self.wire))

    def test_quietEnd(self) -> None:
        """Nobody is told of the end of a connection that nobody waits for."""
        self.upstream.cancel()
        self.ladder.loop.turn()
        self.assertEqual(self.listener.heard, [])

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.binary(max_size=80), st.lists(st.integers(1, 40), max_size=6), st.booleans())
    def test_garbage(self, garbage: bytes, sizes: list[int], behind: bool) -> None:
        """Whatever an endpoint says, the end is told at most once and nothing is told after it."""
        self.setUp()
        data = (CHUNKED if behind else b"") + garbage
        pieces = []
        for size in [*sizes, len(data)]:
            pieces.append(data[:size])
            data = data[size:]
        self.say(*[piece for piece in pieces if piece])
        self.ladder.end(self.wire)
        ends = [word for word in self.listener.heard if word in ("last", "UR", "UX")]
        self.assertEqual(len(ends), 1, self.listener.heard)
        self.assertEqual(self.listener.heard[-1:], ends)
        self.assertEqual(self.flushLoggedErrors(), [])
