"""The name server, started and stopped."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.addresses import Address
from edgemesh.dns.cache import Cache
from edgemesh.dns.forward import Forwarder
from edgemesh.dns.server import TIDY_SECONDS, NameServer
from edgemesh.dns.upstream import Upstream
from edgemesh.dns.virtual import MemoryListenerRows, VirtualAddresses
from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Metadata, Service, ServicePort
from tests.dns.net import (
    Connection,
    DatagramPort,
    Net,
    StreamPort,
    code,
    lines,
    meshOf,
    respond,
    wire,
)

CALLER = ("::ffff:192.0.2.200", 5353)


class NameServerTestCase(SynchronousTestCase):
    """A name server on any free number of 127.0.0.1, and one upstream server."""

    listenAt = (Address("127.0.0.1", 0),)
    network = "198.18.0.0/24"

    def setUp(self) -> None:
        self.net = Net()
        self.rows = MemoryListenerRows()
        self.source = MemoryMetaSource(meshOf())
        self.server = self.make()

    def make(self) -> NameServer:
        """As after a start of the process."""
        upstream = Upstream(self.net, Address("192.0.2.53"), lambda: 7, self.net.opened)
        forwarder = Forwarder(self.net, [upstream], Cache(100_000, 10.0))
        virtual = VirtualAddresses(IPv4Network(self.network), self.rows, keep=100.0)
        return NameServer(self.net, self.listenAt, self.source, virtual, forwarder)

    def ask(self, name: str, kind: str = "A") -> bytes:
        """The reply to a datagram."""
        port = next(each for each in self.net.open if each.number == self.server.listening[0].port
                    and type(each) is DatagramPort)  # fmt: skip
        port.protocol.datagramReceived(wire(name, kind), CALLER)
        self.assertEqual(port.sentTo[-1], CALLER)
        return port.written[-1]


class LifeTests(NameServerTestCase):
    """Start and stop."""

    def test_nothingBefore(self) -> None:
        """Nothing is opened, and no row is touched, before it starts."""
        self.assertEqual((self.net.ports, self.net.getDelayedCalls()), ([], []))
        self.assertEqual(self.rows.rows(), {})
        self.assertEqual(repr(self.server), "<NameServer at no address>")

    def test_sameNumber(self) -> None:
        """UDP is on the number that TCP got."""
        self.server.startService()
        self.assertEqual([port.number for port in self.net.open], [40_000, 40_000])
        self.assertEqual(self.server.listening, (Address("127.0.0.1", 40_000),))
        self.assertEqual(repr(self.server), "<NameServer at 127.0.0.1:40000>")

    def test_numberTaken(self) -> None:
        """When UDP is not to be had on that number, both try another."""
        self.net.taken = {40_000, 40_001}
        self.server.startService()
        self.assertEqual([port.number for port in self.net.open], [40_002, 40_002])

    def test_noNumber(self) -> None:
        """When no number will do, that is said and nothing stays open."""
        self.net.taken = set(range(65_536))
        self.assertRaises(CannotListenError, self.server.startService)
        self.assertEqual((self.net.open, self.net.getDelayedCalls()), ([], []))
        self.assertFalse(self.server.running)

    def test_stop(self) -> None:
        """When it has stopped every socket is closed: listening, to callers, to upstream."""
        self.server.startService()
        stream = next(port for port in self.net.open if type(port) is StreamPort)
        connection = Connection().begin(stream.protocol.buildProtocol(None))
        self.ask_elsewhere()
        self.successResultOf(self.server.stopService())
        self.assertTrue(connection.aborted)
        self.assertEqual((self.net.open, self.net.getDelayedCalls()), ([], []))
        self.assertEqual(self.server.listening, ())

    def ask_elsewhere(self) -> None:
        """A query whose answer will not come."""
        port = next(each for each in self.net.open if type(each) is DatagramPort)
        port.protocol.datagramReceived(wire("a.test"), CALLER)
        self.assertEqual(port.written, [])

    def test_again(self) -> None:
        """It can be started again, and hears of changes once."""
        self.server.startService()
        self.successResultOf(self.server.stopService())
        self.server.startService()
        self.assertEqual(lines(self.ask("web")), ["web. 5 IN A 10.96.0.7"])

    def test_changeWhileStopped(self) -> None:
        """A change while it is stopped is known when it starts again."""
        self.server.startService()
        self.successResultOf(self.server.stopService())
        self.source.put(Metadata())
        self.server.startService()
        self.assertEqual(code(self.ask("web.default.svc")), "NXDOMAIN")


class FixedTests(NameServerTestCase):
    """Numbers that are named."""

    listenAt = (Address("127.0.0.1", 53), Address("::1", 53))

    def test_both(self) -> None:
        """Every address has both protocols."""
        self.server.startService()
        where = [(port.interface, port.number) for port in self.net.open]
        self.assertEqual(where, [("127.0.0.1", 53)] * 2 + [("::1", 53)] * 2)

    def test_taken(self) -> None:
        """A number that is taken is not replaced by another."""
        self.net.taken = {53}
        self.assertRaises(CannotListenError, self.server.startService)
        self.assertEqual(self.net.open, [])


class AnswerTests(NameServerTestCase):
    """What callers get."""

    def setUp(self) -> None:
        super().setUp()
        self.server.startService()

    def test_change(self) -> None:
        """The very next query sees a change."""
        service = Service("default", "new", (ServicePort(80),), ("10.96.0.99",))
        self.source.put(Metadata({("default", "new"): service}))
        self.assertEqual(lines(self.ask("new")), ["new. 5 IN A 10.96.0.99"])
        self.assertEqual(code(self.ask("web.default.svc")), "NXDOMAIN")

    def test_forwarded(self) -> None:
        """A name of somebody else is asked for upstream."""
        listening = self.net.open[1]
        listening.protocol.datagramReceived(wire("a.test"), CALLER)
        upstream = self.net.open[-1]
        reply = respond(upstream.written[0], "a.test. 60 IN A 192.0.2.9")
        upstream.asking.received(reply)
        self.assertEqual(lines(listening.written[0]), ["a.test. 60 IN A 192.0.2.9"])
        self.assertEqual(self.server.counts.asked, 1)

    def test_stream(self) -> None:
        """The same over TCP."""
        factory: Any = self.net.open[0].protocol
        connection = Connection().begin(factory.buildProtocol(None))
        data = wire("web")
        connection.protocol.dataReceived(len(data).to_bytes(2, "big") + data)
        self.assertEqual(lines(connection.value()[2:]), ["web. 5 IN A 10.96.0.7"])

    def test_malformed(self) -> None:
        """Garbage is dropped and counted."""
        port = self.net.open[1]
        port.protocol.datagramReceived(b"garbage", CALLER)
        self.assertEqual((port.written, self.server.counts.malformed), ([], 1))

    def test_unsent(self) -> None:
        """A reply that the system will not send is counted, and hurts nobody else."""
        port = self.net.open[1]
        port.broken = True
        port.protocol.datagramReceived(wire("web"), ("192.0.2.200", 0))
        port.broken = False
        self.assertEqual(self.server.counts.unsent, 1)
        self.assertEqual(lines(self.ask("web")), ["web. 5 IN A 10.96.0.7"])


class VirtualTests(NameServerTestCase):
    """Virtual addresses over time."""

    network = "198.18.0.0/30"

    def setUp(self) -> None:
        super().setUp()
        self.source = MemoryMetaSource(self.meshOf("a", "b"))
        self.server = self.make()

    def meshOf(self, *names: str) -> Metadata:
        """Services without cluster IPs."""
        return Metadata({("default", n): Service("default", n, (ServicePort(80),)) for n in names})

    def test_restart(self) -> None:
        """After a restart a name has the address from before."""
        self.server.startService()
        before = lines(self.ask("a"))
        self.successResultOf(self.server.stopService())
        self.server = self.make()
        self.server.startService()
        self.assertEqual(lines(self.ask("a")), before)

    def test_notReady(self) -> None:
        """Until metadata is there nothing is denied, and nobody's address begins to be free."""
        self.server.startService()
        self.successResultOf(self.server.stopService())
        self.source = MemoryMetaSource()
        self.server = self.make()
        self.server.startService()
        self.assertEqual(code(self.ask("a")), "SERVFAIL")
        self.net.advance(1000.0)
        self.assertEqual(len(self.rows.rows()), 2)
        self.source.put(self.meshOf("a"))
        self.assertEqual(len(lines(self.ask("a"))), 1)

    def test_rested(self) -> None:
        """An address that has rested is given on without any change to wait for."""
        self.server.startService()
        self.source.put(self.meshOf("b", "c"))
        self.assertEqual(code(self.ask("c")), "SERVFAIL")
        self.net.pump([TIDY_SECONDS, TIDY_SECONDS])
        self.assertEqual(len(lines(self.ask("c"))), 1)
