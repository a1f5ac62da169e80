"""Names of the rest of the world."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.addresses import Address
from edgemesh.dns.cache import Cache
from edgemesh.dns.forward import Forwarder, Found
from edgemesh.dns.upstream import Upstream
from tests.dns.net import AskingPort, Net, lines, query, respond

FIRST, SECOND = "192.0.2.1", "192.0.2.2"
RECORD = "a.test. 60 IN A 192.0.2.9"


class ForwarderTestCase(SynchronousTestCase):
    """Two upstream servers that answer when the test says so."""

    hosts = (FIRST, SECOND)
    most = 256

    def setUp(self) -> None:
        self.net = Net()
        self._number = 0
        upstreams = [
            Upstream(self.net, Address(host), self.random, self.net.opened) for host in self.hosts
        ]
        self.cache = Cache(1_000_000, maxStale=86_400.0)
        self.forwarder = Forwarder(self.net, upstreams, self.cache, self.most)

    def random(self) -> int:
        """The next number."""
        self._number += 1
        return self._number

    def find(self, name: str = "a.test") -> Deferred[Found]:
        """Ask."""
        return self.forwarder.find(query(name).ask)

    def open(self, host: str) -> list[AskingPort]:
        """The questions that this server has not answered."""
        return [port for port in self.net.open if port.peer == (host, 53)]

    def deliver(self, host: str, *records: str, code: str = "NOERROR", soa: str = "") -> None:
        """The server answers the oldest question."""
        port = self.open(host)[0]
        port.asking.received(respond(port.written[-1], *records, code=code, soa=soa))

    def result(self, waiting: Deferred[Found]) -> tuple[list[str], bool]:
        """The records that a caller got, and whether they are stale."""
        found = self.successResultOf(waiting)
        assert found.answer is not None
        reply = found.answer.reply(query("a.test"), 512, found.age, found.stale)
        return lines(reply), found.stale

    def assertFailed(self, waiting: Deferred[Found]) -> None:
        """The caller gets SERVFAIL."""
        self.assertIsNone(self.successResultOf(waiting).answer)

    def remember(self) -> None:
        """The answer comes, and its time passes."""
        waiting = self.find()
        self.deliver(FIRST, RECORD)
        self.successResultOf(waiting)
        self.net.advance(61.0)


class AskTests(ForwarderTestCase):
    """Who is asked, and when."""

    def test_first(self) -> None:
        """The first server is asked, and what it says is told."""
        waiting = self.find()
        self.assertEqual((len(self.open(FIRST)), len(self.open(SECOND))), (1, 0))
        self.assertNoResult(waiting)
        self.deliver(FIRST, RECORD)
        self.assertEqual(self.result(waiting), ([RECORD], False))
        self.assertEqual(
            (self.net.open, self.net.getDelayedCalls(), self.forwarder.inFlight), ([], [], 0)
        )

    def test_slow(self) -> None:
        """After a quarter of a second the next one is asked as well; the first answer counts."""
        waiting = self.find()
        self.net.advance(0.24)
        self.assertEqual(self.open(SECOND), [])
        self.net.advance(0.01)
        self.deliver(SECOND, RECORD)
        self.assertEqual(self.result(waiting), ([RECORD], False))
        self.assertEqual(self.net.open, [])

    def test_slowIsLastChoice(self) -> None:
        """A slow server delays one name; the others go to one that answers."""
        self.find()
        self.net.advance(0.25)
        self.deliver(SECOND, RECORD)
        waiting = self.find("b.test")
        self.assertEqual((len(self.open(FIRST)), len(self.open(SECOND))), (0, 1))
        self.deliver(SECOND, "b.test. 60 IN A 192.0.2.9")
        self.successResultOf(waiting)
        self.net.advance(2.0)
        self.find("c.test")
        self.assertEqual(len(self.open(FIRST)), 1)

    def test_quickIsNotBlamed(self) -> None:
        """A server that was only just asked is not the last choice for that."""
        self.find()
        self.net.advance(0.25)
        self.deliver(FIRST, RECORD)
        self.assertEqual([each.avoidUntil for each in self.forwarder.upstreams], [0.0, 0.0])

    def test_fails(self) -> None:
        """When a server fails the next one is asked at once."""
        waiting = self.find()
        self.deliver(FIRST, code="SERVFAIL")
        self.deliver(SECOND, RECORD)
        self.assertEqual(self.result(waiting), ([RECORD], False))

    def test_slowNameDelaysNobody(self) -> None:
        """While one name waits, others are answered."""
        slow = self.find("slow.test")
        quick = self.find("quick.test")
        port = self.open(FIRST)[1]
        port.asking.received(respond(port.written[0], "quick.test. 60 IN A 192.0.2.9"))
        self.successResultOf(quick)
        self.assertNoResult(slow)
        self.net.advance(1.0)
        self.assertFailed(slow)

    def test_together(self) -> None:
        """Callers who ask the same are answered by one question."""
        waiting = [self.find(), self.find("A.TEST"), self.find()]
        self.assertEqual(len(self.net.ports), 1)
        self.deliver(FIRST, RECORD)
        for each in waiting:
            self.result(each)

    def test_givenUp(self) -> None:
        """A caller that gives up does not keep the others from their answer."""
        gone, waiting = self.find(), self.find()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.deliver(FIRST, RECORD)
        self.result(waiting)


class CacheTests(ForwarderTestCase):
    """What was said before."""

    def test_repeated(self) -> None:
        """Within its time an answer is repeated, with the time that is left."""
        self.find()
        self.deliver(FIRST, RECORD)
        self.net.advance(20.0)
        self.assertEqual(self.result(self.find()), (["a.test. 40 IN A 192.0.2.9"], False))
        self.assertEqual(len(self.net.ports), 1)

    def test_negative(self) -> None:
        """That there is no such name is repeated as well."""
        self.find()
        self.deliver(FIRST, code="NXDOMAIN", soa="test. 300 IN SOA n.test. h.test. 1 2 3 4 60")
        self.net.advance(59.0)
        found = self.successResultOf(self.find())
        assert found.answer is not None
        self.assertEqual((found.answer.code, found.cached), (3, True))
        self.net.advance(1.0)
        self.assertNoResult(self.find())

    def test_asksAgain(self) -> None:
        """Beyond its time it is asked for again, and the new answer told."""
        self.remember()
        waiting = self.find()
        self.assertNoResult(waiting)
        self.deliver(FIRST, RECORD)
        self.assertEqual(self.result(waiting), ([RECORD], False))


class StaleTests(ForwarderTestCase):
    """While the upstream servers are away."""

    STALE = (["a.test. 30 IN A 192.0.2.9"], True)

    def test_silent(self) -> None:
        """With nobody answering, what was known before is told after 400 ms."""
        self.remember()
        waiting = self.find()
        self.net.advance(0.39)
        self.assertNoResult(waiting)
        self.net.advance(0.01)
        self.assertEqual(self.result(waiting), self.STALE)

    def test_late(self) -> None:
        """Who asks while the servers are still waited for is told at once."""
        self.remember()
        self.find()
        self.net.advance(0.5)
        self.assertEqual(self.result(self.find()), self.STALE)

    def test_away(self) -> None:
        """Known to be away, they are not asked for each caller; after a while they are."""
        self.remember()
        self.find()
        self.net.pump([0.25, 0.25, 1.5])
        asked = len(self.net.ports)
        self.net.advance(4.9)
        self.assertEqual(self.result(self.find()), self.STALE)
        self.assertEqual((len(self.net.ports), self.forwarder.inFlight), (asked, 0))
        self.net.advance(0.1)
        waiting = self.find()
        self.deliver(FIRST, RECORD)
        self.assertEqual(self.result(waiting), ([RECORD], False))

    def test_failing(self) -> None:
        """Servers that fail are away too: no caller gets SERVFAIL for a known name."""
        self.remember()
        waiting = self.find()
        self.deliver(FIRST, code="SERVFAIL")
        self.deliver(SECOND, code="REFUSED")
        self.assertEqual(self.result(waiting), self.STALE)

    def test_tooOld(self) -> None:
        """What is older than a day is not told any more."""
        self.remember()
        self.net.advance(86_400.0)
        waiting = self.find()
        self.net.advance(0.9)
        self.assertFailed(waiting)

    def test_comesLate(self) -> None:
        """An answer that comes too late for its caller is there for the next one."""
        waiting = self.find()
        self.net.pump([0.25, 0.65])
        self.assertFailed(waiting)
        self.deliver(SECOND, RECORD)
        self.assertEqual(self.result(self.find()), ([RECORD], False))


class FailureTests(ForwarderTestCase):
    """With nothing known."""

    def test_withinASecond(self) -> None:
        """The caller gets SERVFAIL within a second; everything is closed soon after."""
        waiting = self.find()
        self.net.pump([0.25, 0.64])
        self.assertNoResult(waiting)
        self.net.advance(0.02)
        self.assertFailed(waiting)
        self.net.advance(1.1)
        self.assertEqual(
            (self.net.open, self.net.getDelayedCalls(), self.forwarder.inFlight), ([], [], 0)
        )

    def test_unreachable(self) -> None:
        """Without a network that is at once."""
        self.net.unreachable = True
        self.assertFailed(self.find())
        self.assertEqual(self.net.getDelayedCalls(), [])

    def test_remembered(self) -> None:
        """A failure is remembered for a second, so that a storm of callers asks nobody."""
        self.net.unreachable = True
        self.find()
        asked = len(self.net.ports)
        self.assertFailed(self.find())
        self.assertEqual(len(self.net.ports), asked)
        self.net.unreachable = False
        self.net.advance(1.0)
        self.assertNoResult(self.find())

    def test_manyFailures(self) -> None:
        """However many names fail, not all of them are remembered."""
        self.net.unreachable = True
        for number in range(1_100):
            self.find(f"n{number}.test")
        self.assertLessEqual(len(self.forwarder._failures), 1_000)


class NoServerTests(ForwarderTestCase):
    """No upstream server configured."""

    hosts = ()

    def test_atOnce(self) -> None:
        """Nothing is found, at once."""
        self.assertFailed(self.find())


class BoundTests(ForwarderTestCase):
    """More than there is room for."""

    most = 2

    def test_lookups(self) -> None:
        """Beyond the bound a name fails at once, or is told as it was known."""
        self.remember()
        self.find("b.test")
        self.find("c.test")
        self.assertFailed(self.find("d.test"))
        self.assertEqual(self.result(self.find("a.test")), StaleTests.STALE)
        self.assertEqual(self.forwarder.inFlight, 2)

    def test_callers(self) -> None:
        """No more than a thousand callers wait for one name."""
        waiting = [self.find() for _ in range(1_001)]
        self.assertFailed(waiting[-1])
        self.assertNoResult(waiting[-2])

    def test_stop(self) -> None:
        """At the end everybody gets what is known, and nothing stays open."""
        waiting = self.find()
        self.forwarder.stop()
        self.assertFailed(waiting)
        self.assertEqual((self.net.open, self.net.getDelayedCalls()), ([], []))
        self.assertEqual(repr(self.forwarder), "<Forwarder to 2 servers, 0 in flight>")
