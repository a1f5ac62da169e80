"""Names asked for over TCP."""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.dns.packets import Malformed
from edgemesh.dns.respond import Responder, Send
from edgemesh.dns.streams import IDLE_SECONDS, MOST_CONNECTIONS, MOST_PIPELINED, StreamFactory
from tests.dns.net import Connection


class Later(Responder):
    """Answers with the query itself, when the test says so; ``bad`` is no query."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, Send]] = []
        self.atOnce = False

    def take(self, data: bytes, caller: str, streamed: bool, send: Send) -> None:
        if data == b"bad":
            raise Malformed("bad")
        if self.atOnce:
            send(data)
        else:
            self.taken.append((data, send))

    def answer(self) -> None:
        """Answer the oldest."""
        data, send = self.taken.pop(0)
        send(data)


def framed(*queries: bytes) -> bytes:
    """Each behind its length."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in queries)


class StreamTestCase(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.responder = Later()
        self.factory = StreamFactory(self.responder, self.clock)
        self.connection = self.connect()

    def connect(self) -> Connection:
        """Another caller."""
        return Connection().begin(self.factory.buildProtocol(None))

    def deliver(self, data: bytes) -> None:
        """The caller sends this."""
        self.connection.protocol.dataReceived(data)


class StreamTests(StreamTestCase):
    """What one caller may do."""

    def test_interfaces(self) -> None:
        """It is what Twisted asks for."""
        verifyObject(IHalfCloseableProtocol, self.connection.protocol)
        verifyObject(IPushProducer, self.connection.producer)

    def test_anySplit(self) -> None:
        """However the bytes come, each query is answered in full."""
        self.responder.atOnce = True
        for byte in framed(b"one", b"two"):
            self.deliver(bytes([byte]))
        self.deliver(framed(b"three", b"four"))
        self.assertEqual(self.connection.value(), framed(b"one", b"two", b"three", b"four"))

    def test_ownPace(self) -> None:
        """Answers go back as they are known, in whatever order."""
        self.deliver(framed(b"slow", b"quick"))
        self.responder.taken.reverse()
        self.responder.answer()
        self.assertEqual(self.connection.value(), framed(b"quick"))

    def test_pipelined(self) -> None:
        """A caller with too many queries in flight is read no further until one is answered."""
        self.deliver(framed(*[b"q"] * (MOST_PIPELINED + 5)))
        self.assertEqual(len(self.responder.taken), MOST_PIPELINED)
        self.assertEqual(self.connection.producerState, "paused")
        for _ in range(6):
            self.responder.answer()
        self.assertEqual(len(self.responder.taken), MOST_PIPELINED - 1)
        self.assertEqual(self.connection.producerState, "producing")

    def test_unread(self) -> None:
        """A caller that does not read its answers is read no further until it does."""
        self.connection.producer.pauseProducing()
        self.deliver(framed(b"q"))
        self.assertEqual((self.connection.producerState, self.responder.taken), ("paused", []))
        self.connection.producer.resumeProducing()
        self.assertEqual(
            (self.connection.producerState, len(self.responder.taken)), ("producing", 1)
        )

    def test_idle(self) -> None:
        """A silent connection is closed; one that asks now and then is not."""
        for _ in range(3):
            self.clock.advance(IDLE_SECONDS - 1)
            self.deliver(framed(b"q"))
        self.assertFalse(self.connection.disconnecting)
        self.clock.advance(IDLE_SECONDS)
        self.assertTrue(self.connection.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowQuery(self) -> None:
        """A query that does not come whole does not keep a connection open."""
        for byte in framed(b"x" * 20):
            self.clock.advance(1.0)
            if not self.connection.aborted:
                self.deliver(bytes([byte]))
        self.assertTrue(self.connection.aborted)

    def test_halfClosed(self) -> None:
        """A caller that has said that it asks no more gets what is due, then the end."""
        self.deliver(framed(b"one", b"two"))
        self.connection.protocol.readConnectionLost()
        self.responder.answer()
        self.assertFalse(self.connection.disconnecting)
        self.responder.answer()
        self.assertEqual(self.connection.value(), framed(b"one", b"two"))
        self.assertTrue(self.connection.disconnecting)

    def test_halfClosedAndDone(self) -> None:
        """With nothing due the connection ends at once, whichever side says so."""
        self.connection.protocol.readConnectionLost()
        self.assertTrue(self.connection.disconnecting)
        other = self.connect()
        other.protocol.writeConnectionLost()
        self.assertTrue(other.aborted)

    def test_malformed(self) -> None:
        """Who sends garbage is cut off."""
        self.deliver(framed(b"bad"))
        self.assertTrue(self.connection.aborted)

    def test_goneBeforeTheAnswer(self) -> None:
        """An answer for a caller that is gone goes nowhere."""
        self.deliver(framed(b"q"))
        self.connection.loseConnection()
        self.responder.answer()
        self.assertEqual(self.connection.value(), b"")
        self.assertEqual(repr(self.connection.protocol), "<StreamServer for , 0 answers due>")


class FactoryTests(StreamTestCase):
    """Every connection."""

    def test_most(self) -> None:
        """One connection too many is closed; when another ends there is room again."""
        for _ in range(MOST_CONNECTIONS - 1):
            last = self.connect()
        self.assertFalse(last.aborted)
        self.assertTrue(self.connect().aborted)
        last.loseConnection()
        self.assertFalse(self.connect().aborted)

    def test_close(self) -> None:
        """At the end every connection is closed, and that is said."""
        other = self.connect()
        self.successResultOf(self.factory.close())
        self.assertTrue(self.connection.aborted and other.aborted)
        self.successResultOf(self.factory.close())
        self.assertEqual(self.clock.getDelayedCalls(), [])
