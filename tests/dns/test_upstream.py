"""One question to one upstream server."""

from collections.abc import Iterator

import dns.message
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.addresses import Address
from edgemesh.dns.answers import Answer
from edgemesh.dns.queries import Ask
from edgemesh.dns.upstream import Exchange, Upstream
from tests.dns.net import AskingPort, Net, lines, query, read, respond

RECORD = "a.test. 60 IN A 192.0.2.1"


class ExchangeTestCase(SynchronousTestCase):
    """An upstream server at 192.0.2.53, and what it told."""

    host = "192.0.2.53"

    def setUp(self) -> None:
        self.net = Net()
        self.numbers: Iterator[int] = iter(range(1, 1000))
        self.upstream = Upstream(
            self.net, Address(self.host), lambda: next(self.numbers), self.net.opened
        )
        self.told: list[Answer | None] = []

    def begin(self, ask: Ask | None = None) -> Exchange:
        """Ask."""
        exchange = self.upstream.exchange(ask or query("a.test").ask, self.told.append)
        exchange.start()
        return exchange

    @property
    def port(self) -> AskingPort:
        """The socket that was opened last."""
        return self.net.ports[-1]

    def deliver(self, data: bytes) -> None:
        """The server says this."""
        self.port.asking.received(data)


class DatagramTests(ExchangeTestCase):
    """Over UDP."""

    def test_answer(self) -> None:
        """An answer is told once, and the socket closed."""
        self.begin()
        self.assertEqual(self.port.peer, ("192.0.2.53", 53))
        asking = self.port.asking
        self.deliver(respond(self.port.written[0], RECORD))
        asking.received(respond(self.port.written[0], RECORD))
        (answer,) = self.told
        assert answer is not None
        self.assertEqual(lines(answer.reply(query("a.test"), 512)), [RECORD])
        self.assertEqual(self.net.open, [])

    def test_ownSocketAndNumber(self) -> None:
        """Each question has its own port and number: a forger would have to guess both."""
        self.begin()
        self.begin()
        ports = {port.number for port in self.net.ports}
        numbers = {read(port.written[0]).id for port in self.net.ports}
        self.assertEqual((len(ports), len(numbers)), (2, 2))
        self.assertTrue(all(number >= 1024 for number in ports))

    def test_forgeries(self) -> None:
        """What does not repeat number and question is passed over; the real answer counts."""
        self.begin()
        sent = self.port.written[0]
        other = bytearray(sent)
        other[13:14] = b"b"
        number = bytearray(respond(sent, RECORD))
        number[0] ^= 1
        for forged in (respond(bytes(other)), bytes(number), sent, b"", b"garbage"):
            self.deliver(forged)
        self.assertEqual(self.told, [])
        self.deliver(respond(sent, RECORD))
        self.assertEqual(len(self.told), 1)

    def test_spelling(self) -> None:
        """A server that spells the question otherwise has answered it all the same."""
        self.begin()
        self.deliver(respond(self.port.written[0], RECORD).replace(b"\1a\4test", b"\1A\4TEST"))
        self.assertEqual(len(self.told), 1)

    def test_denied(self) -> None:
        """NXDOMAIN is an answer; a failure is none."""
        for code, found in (("NXDOMAIN", True), ("SERVFAIL", False), ("REFUSED", False)):
            self.begin()
            self.deliver(respond(self.port.written[0], code=code))
            self.assertEqual(self.told.pop() is not None, found, code)
            self.assertEqual(self.net.open, [])

    def test_olderThanEDNS(self) -> None:
        """A server that does not know EDNS is asked again without it, once."""
        for code in ("FORMERR", "NOTIMP"):
            self.begin()
            self.deliver(respond(self.port.written[0], code=code))
            first, second = map(dns.message.from_wire, self.port.written)
            self.assertEqual((first.edns, second.edns), (0, -1))
            self.deliver(respond(self.port.written[1], code=code))
            self.assertEqual(self.told.pop(), None)

    def test_refused(self) -> None:
        """When nobody listens there, that is known at once."""
        self.begin()
        self.port.asking.refused()
        self.assertEqual((self.told, self.net.open), ([None], []))

    def test_unreachable(self) -> None:
        """Without a way there it fails at once, and closes its socket."""
        self.net.unreachable = True
        self.begin()
        self.assertEqual((self.told, self.net.open), ([None], []))

    def test_portTaken(self) -> None:
        """A port that is taken is no reason to fail."""
        self.net.taken = {1024 + 2, 1024 + 3}
        self.begin()
        self.assertEqual(self.port.number, 1024 + 4)

    def test_noPorts(self) -> None:
        """A machine without free ports fails, and does not try forever."""
        self.net.taken = set(range(65_536))
        self.begin()
        self.assertEqual(self.told, [None])

    def test_cancelled(self) -> None:
        """Who does not wait any more is told nothing."""
        exchange = self.begin()
        exchange.cancel()
        self.assertEqual((self.told, self.net.open), ([], []))
        self.assertEqual(repr(exchange), "<Exchange with 192.0.2.53:53: over>")


class StreamTests(ExchangeTestCase):
    """A truncated answer is asked for again over TCP."""

    def truncate(self) -> Exchange:
        """Ask; the answer does not fit."""
        exchange = self.begin()
        self.deliver(respond(self.port.written[0], truncated=True))
        return exchange

    def test_answer(self) -> None:
        """All of it comes from the same server, in pieces of any size."""
        self.truncate()
        (dial,) = self.net.dials
        self.assertEqual((dial.host, dial.port, self.net.open), ("192.0.2.53", 53, []))
        connection = dial.succeed()
        sent = connection.value()
        self.assertEqual(int.from_bytes(sent[:2], "big"), len(sent) - 2)
        records = [f"a.test. 60 IN A 192.0.2.{n}" for n in range(1, 100)]
        whole = respond(sent[2:], *records)
        for byte in len(whole).to_bytes(2, "big") + whole:
            connection.protocol.dataReceived(bytes([byte]))
        (answer,) = self.told
        assert answer is not None
        self.assertEqual(len(lines(answer.reply(query("a.test"), 65_535))), 99)
        self.assertTrue(connection.disconnecting)

    def test_failures(self) -> None:
        """No connection, a connection without an answer, a wrong answer: told once, as none."""
        self.truncate()
        self.net.dials[-1].fail()
        self.truncate()
        self.net.dials[-1].succeed().loseConnection()
        self.truncate()
        connection = self.net.dials[-1].succeed()
        connection.protocol.dataReceived(b"\0\5wrong")
        self.truncate()
        connection = self.net.dials[-1].succeed()
        cut = respond(connection.value()[2:], truncated=True)
        connection.protocol.dataReceived(len(cut).to_bytes(2, "big") + cut)
        self.assertEqual(self.told, [None] * 4)

    def test_cancelled(self) -> None:
        """The connection is closed, or the attempt given up, when nobody waits."""
        self.truncate().cancel()
        self.assertTrue(self.net.dials[-1].given)
        exchange = self.truncate()
        connection = self.net.dials[-1].succeed()
        exchange.cancel()
        self.assertTrue(connection.disconnecting)
        self.assertEqual(self.told, [])


class HealthTests(ExchangeTestCase):
    """What is remembered of a server."""

    def test_backOff(self) -> None:
        """It is avoided for longer with each failure, with some chance, up to half a minute."""
        self.numbers = iter([0, 0xFFFF, 0, 0, 0xFFFF, 0xFFFF])
        now, times = 0.0, []
        for _ in range(6):
            self.upstream.failed(now)
            self.upstream.failed(now)
            times.append(self.upstream.avoidUntil - now)
            now = self.upstream.avoidUntil
        self.assertEqual(times, [1.5, 4.0, 6.0, 12.0, 30.0, 30.0])

    def test_works(self) -> None:
        """An answer clears it."""
        self.upstream.failed(0.0)
        self.upstream.worked()
        self.assertEqual(self.upstream.avoidUntil, 0.0)
        self.assertEqual(repr(self.upstream), "<Upstream 192.0.2.53:53, 0 failures in a row>")
