"""A caller's connection: callers that do not read, and how connections end."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from zope.interface.verify import verifyObject

from edgemesh.invocation import Invocation
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Accepted, Early
from edgemesh.testing import Ladder, Wire
from edgemesh.testing.ladder import KEY
from tests.protocols.http.talks import BEGUN, CHUNKED, GET, LONG, OK, Talk

BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + bytes(40_000)


class NotReadingTests(Talk):
    """Callers that do not read their answers."""

    def test_pipelinedAnswers(self) -> None:
        """A caller that sends ahead but reads nothing cannot make the node hold its answers."""
        self.app.fake.room = 0
        endpoint = self.sent(GET * 50)
        for _ in range(50):
            if not self.hear(endpoint):
                break
            self.say(endpoint, BIG)
        self.assertEqual(len(self.ladder.ended), 2)
        self.assertIn("FULL", repr(self.app.protocol))

    def test_readsOn(self) -> None:
        """When it reads again, everything comes, in order, and nobody stays paused."""
        self.test_pipelinedAnswers()
        endpoint = self.ladder.loop.wires[-1]
        self.app.fake.room = 1 << 30
        heard = self.hear(self.app)
        for _ in range(48):
            self.assertEqual(self.hear(endpoint), GET)
            self.say(endpoint, BIG)
            heard += self.hear(self.app)
        self.assertEqual(heard, BIG * 50)
        self.assertOnce(*[""] * 50)
        self.assertTrue(self.ladder.loop.isReading(self.app))
        self.assertTrue(self.ladder.loop.isReading(endpoint))

    def test_sendsWhileFull(self) -> None:
        """What it sends meanwhile is kept, but not without end."""
        self.test_pipelinedAnswers()
        self.say(self.app, *[GET * 1_000] * 8)
        self.assertFalse(self.ladder.loop.isReading(self.app))

    def test_goneWhileHeld(self) -> None:
        """A caller that resets while its upload stalls is seen to be gone, its endpoint freed."""
        endpoint = self.sent(BEGUN.replace(b"Length: 8", b"Length: 99999999"))
        endpoint.fake.room = 0
        self.say(self.app, *[b"x" * 65_536] * 4)
        self.assertFalse(self.ladder.loop.isReading(self.app))
        self.app.breaks()
        self.ladder.after(3.0)
        self.assertTrue(endpoint.fake.closed)
        self.assertOnce("DC")
        self.assertEqual(len(self.ladder.mesh.held), 0)

    def test_neverReads(self) -> None:
        """It is cut off after a while."""
        self.use(limits=Limits(keepAlive=4.0))
        self.test_pipelinedAnswers()
        self.ladder.after(6.0)
        self.assertReset()
        self.assertEqual(self.ladder.mesh.live, {})

    def test_drainWhileFull(self) -> None:
        """At shutdown it still gets what was answered."""
        self.test_pipelinedAnswers()
        next(iter(self.ladder.mesh.live)).drain()
        self.app.fake.room = 1 << 30
        self.assertEqual(self.hear(self.app), BIG * 2)
        self.assertClosed()

    def test_stalledInAnswer(self) -> None:
        """A caller that stalls in the middle of an answer is reset in the end."""
        self.use(limits=Limits(keepAlive=4.0))
        self.app.fake.room = 0
        endpoint = self.sent(GET)
        self.say(endpoint, LONG.replace(b": 10", b": 999999"), *[bytes(65_536)] * 3)
        self.assertFalse(self.ladder.loop.isReading(endpoint))
        self.ladder.after(6.0)
        self.assertOnce("IT")
        self.assertReset(endpoint)
        self.ladder.after(6.0)
        self.assertReset()

    def test_producer(self) -> None:
        """The transport may tell the connection to wait."""
        verifyObject(IPushProducer, self.app.protocol)


class EndTests(Talk):
    """How connections end."""

    def test_linger(self) -> None:
        """After an early last answer the caller may finish writing before we close."""
        endpoint = self.sent(BEGUN)
        self.say(endpoint, OK)
        self.assertIn(b"Connection: close\r\n", self.hear(self.app))
        self.assertTrue(self.app.fake.finished)
        self.say(self.app, b"more" * 10_000)
        self.assertFalse(self.app.fake.closed)
        self.ladder.end(self.app)
        self.assertClosed()

    def test_lingerEnds(self) -> None:
        """It is not waited for without end."""
        self.say(self.sent(BEGUN), OK)
        self.ladder.after(7.0)
        self.assertReset()
        self.assertEqual(self.ladder.mesh.live, {})

    def test_drainIdle(self) -> None:
        """At shutdown an idle connection is closed at once."""
        next(iter(self.ladder.mesh.live)).drain()
        self.ladder.loop.turn()
        self.assertClosed()

    def test_drainInFlight(self) -> None:
        """At shutdown a call in flight is answered; the answer says that it is the last."""
        endpoint = self.sent(GET)
        self.ladder.mesh.draining = True
        next(iter(self.ladder.mesh.live)).drain()
        self.say(endpoint, OK)
        self.assertIn(b"Connection: close\r\n", self.hear(self.app))
        self.assertClosed()
        self.assertClosed(endpoint)
        self.assertOnce("")

    def test_drainInAnswer(self) -> None:
        """An answer that has begun already is finished, and then the connection ends."""
        endpoint = self.sent(GET)
        self.say(endpoint, LONG)
        self.ladder.mesh.draining = True
        self.say(endpoint, b"0123456789")
        self.assertEqual(self.hear(self.app), LONG + b"0123456789")
        self.assertClosed()

    def test_abort(self) -> None:
        """When the grace time is over, the call ends as shut down, once."""
        endpoint = self.sent(GET)
        next(iter(self.ladder.mesh.live)).abort()
        self.ladder.loop.turn()
        self.assertReset()
        self.assertReset(endpoint)
        self.assertOnce("DR")

    def test_counted(self) -> None:
        """Connections are counted when they come and when they go."""
        cells = self.ladder.mesh.metrics.connections["http"]
        self.assertEqual((cells.opened, cells.closed), (1, 0))
        self.ladder.reset(self.app)
        self.assertEqual((cells.opened, cells.closed), (1, 1))

    def test_truncated(self) -> None:
        """What came of a broken answer is delivered before the reset."""
        endpoint = self.sent(GET)
        self.app.fake.room = 0
        self.say(endpoint, CHUNKED + b"3\r\nabc\r\n")
        self.ladder.end(endpoint)
        self.assertFalse(self.app.fake.closed)
        self.app.fake.room = 1 << 30
        self.assertEqual(self.hear(self.app), CHUNKED + b"3\r\nabc\r\n")
        self.assertReset()
        self.assertOnce("UX")


class EarlyTests(Talk):
    """A connection that was dialled while the caller was silent."""

    def begun(self, said: bytes) -> tuple[Ladder, Wire, Wire]:
        """A caller whose connection comes with an open one: ladder, caller, endpoint."""
        ladder = Ladder(HTTP, endpoints=1)
        invocation = Invocation("tcp", "10.0.0.9", KEY)
        ladder.path.decide(invocation, 0.0)
        early = Wire(ladder.loop, Protocol())
        early.pauseProducing()
        accepted = Accepted(ladder.mesh, KEY, False, "10.0.0.9", Early(invocation, early, said))
        return ladder, ladder.loop.accept(HTTP.server(accepted)), early

    def test_adopted(self) -> None:
        """It carries the first request; what was taken for it is given back."""
        ladder, caller, endpoint = self.begun(b"")
        self.assertEqual(ladder.inFlight, 0)
        ladder.say(caller, GET)
        self.assertEqual(ladder.hear(endpoint), GET)
        ladder.say(endpoint, OK)
        self.assertEqual(ladder.hear(caller), OK)
        self.assertEqual(ladder.reasons, [""])

    def test_spoke(self) -> None:
        """An endpoint that spoke first is not used for requests."""
        ladder, caller, endpoint = self.begun(b"220 hello\r\n")
        ladder.say(caller, GET)
        self.assertTrue(endpoint.fake.closed)
        self.assertEqual(ladder.hear(ladder.accepts()), GET)

    def test_died(self) -> None:
        """When it has died unnoticed, the request goes over a fresh connection."""
        ladder, caller, endpoint = self.begun(b"")
        caller.says(GET)
        endpoint.ends()
        ladder.loop.turn()
        self.assertEqual(ladder.hear(ladder.accepts()), GET)
