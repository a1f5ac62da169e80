"""A network in memory for the name server, and DNS messages made and read by dnspython."""

from __future__ import annotations

import errno
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from edgemesh.dns.addresses import Address
from edgemesh.dns.answers import Answer
from edgemesh.dns.datagrams import Asking
from edgemesh.dns.queries import Query, readQuery
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort


class Readers:
    """A reactor that watches; the test says when there is something to read."""

    def __init__(self) -> None:
        self.watched: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.watched.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.watched.remove(reader)


class DatagramPort:
    """An open UDP socket: what was written to it, and where to."""

    def __init__(self, net: Net, number: int, protocol: Any, interface: str) -> None:
        self.net = net
        self.number = number
        self.protocol = protocol
        self.interface = interface
        self.written: list[bytes] = []
        self.sentTo: list[Any] = []
        self.broken = False
        self.open = True

    def write(self, datagram: bytes, addr: Any = None) -> None:
        if self.broken:
            raise OSError(errno.EINVAL, "not to be sent")
        self.written.append(datagram)
        self.sentTo.append(addr)

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", self.interface, self.number)

    def stopListening(self) -> Deferred[None]:
        self.open = False
        self.protocol.doStop()
        return succeed(None)


class AskingPort:
    """A UDP socket for one question; the server's part is played by the test."""

    def __init__(self, net: Net, server: Address, number: int, asking: Asking) -> None:
        self.peer = (server.host, server.port)
        self.number = number
        self.asking = asking
        self.written: list[bytes] = []
        self.open = True
        self._net = net

    def send(self, datagram: bytes) -> None:
        if self._net.unreachable:
            raise OSError(101, "no network")
        self.written.append(datagram)

    def close(self) -> None:
        self.open = False


class StreamPort(DatagramPort):
    """A listening TCP socket."""

    def stopListening(self) -> Deferred[None]:
        self.open = False
        return succeed(None)


class Connection(StringTransport):
    """A TCP connection; ``lose`` is the peer's doing."""

    protocol: Any = None
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def loseConnection(self) -> None:
        if not self.disconnecting:
            super().loseConnection()
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def begin(self, protocol: Any) -> Connection:
        self.protocol = protocol
        protocol.makeConnection(self)
        return self


class Dial:
    """An attempt to connect: let it succeed or fail."""

    def __init__(self, host: str, port: int, factory: Any) -> None:
        self.host, self.port, self.factory = host, port, factory
        self.connection: Connection | None = None
        self.given = False

    def succeed(self) -> Connection:
        self.connection = Connection().begin(self.factory.buildProtocol(None))
        return self.connection

    def fail(self) -> None:
        self.factory.clientConnectionFailed(self, Failure(ConnectionRefusedError()))

    def disconnect(self) -> None:
        self.given = True
        if self.connection is not None:
            self.connection.loseConnection()


class Net(Clock):
    """
    A reactor.

    :ivar ports: every socket that was opened, listening TCP ones too.
    :ivar taken: UDP numbers that are not to be had.
    :ivar unreachable: there is no way to anywhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[Any] = []
        self.dials: list[Dial] = []
        self.taken: set[int] = set()
        self.unreachable = False
        self._next = 40_000

    @property
    def open(self) -> list[Any]:
        """Sockets that are open now."""
        return [port for port in self.ports if port.open]

    def opened(self, reactor: Any, server: Address, port: int, asking: Asking) -> Any:
        """A socket for one question."""
        if port in self.taken:
            raise OSError(errno.EADDRINUSE, "taken")
        self.ports.append(AskingPort(self, server, port, asking))
        return self.ports[-1]

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> DatagramPort:
        if port in self.taken:
            raise CannotListenError(interface, port, OSError(98, "taken"))
        opened = DatagramPort(self, port, protocol, interface)
        self.ports.append(opened)
        protocol.makeConnection(opened)
        return opened

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> StreamPort:
        if not port:
            port = self._next
            self._next += 1
        opened = StreamPort(self, port, factory, interface)
        self.ports.append(opened)
        return opened

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30) -> Dial:
        self.dials.append(Dial(host, port, factory))
        return self.dials[-1]


def wire(name: str, kind: str = "A", edns: int = 0, **options: Any) -> bytes:
    """A query as bytes; ``edns`` is the size that its OPT record says, if any."""
    if edns:
        options["payload"] = edns
    return dns.message.make_query(name, kind, use_edns=0 if edns else None, **options).to_wire()


def query(name: str, kind: str = "A", edns: int = 0, **options: Any) -> Query:
    """The same, understood."""
    return readQuery(wire(name, kind, edns, **options))


def read(data: bytes) -> dns.message.Message:
    """What dnspython makes of a reply."""
    return dns.message.from_wire(data)


def respond(
    asked: bytes, *records: str, code: str = "NOERROR", soa: str = "", truncated: bool = False
) -> bytes:
    """
    What an upstream server says to a query.

    :param records: lines as in a zone file: ``example.com. 60 IN A 192.0.2.1``.
    """
    response = dns.message.make_response(dns.message.from_wire(asked))
    response.set_rcode(dns.rcode.from_text(code))
    for line in records:
        response.answer.append(_rrset(line))
    if soa:
        response.authority.append(_rrset(soa))
    if truncated:
        response.flags |= dns.flags.TC
    return response.to_wire(max_size=65_535)


def answered(asked: bytes, *records: str, **options: Any) -> Answer:
    """The same, looked through."""
    return Answer(respond(asked, *records, **options))


def lines(reply: bytes) -> list[str]:
    """The answer section as text."""
    return [line for each in read(reply).answer for line in each.to_text().splitlines()]


def code(reply: bytes) -> str:
    """The response code as text."""
    return dns.rcode.to_text(read(reply).rcode())


def _rrset(line: str) -> dns.rrset.RRset:
    name, ttl, klass, kind, text = line.split(maxsplit=4)
    return dns.rrset.from_text(name, int(ttl), klass, kind, text)


def meshOf() -> Metadata:
    """
    Some of everything: ``web`` with both versions of IP, ``old`` with IPv4, ``six`` with
    IPv6, ``own`` without a cluster IP and headless ``db``.
    """
    services = [
        Service("default", "web", (ServicePort(80, "http"),), ("10.96.0.7", "fd00:96::7")),
        Service("default", "old", (ServicePort(80),), ("10.96.0.8",)),
        Service("default", "six", (ServicePort(80),), ("fd00:96::9",)),
        Service("default", "own", (ServicePort(80),)),
        Service("default", "db", (ServicePort(5432, "pg"),)),
        Service("shop", "web", (ServicePort(80),), ("10.96.1.7",)),
    ]
    pods = (
        Endpoint("10.244.0.1", 15432, pod="db-0"),
        Endpoint("10.244.0.2", 15432, pod="db-1"),
        Endpoint("10.244.0.3", 15432, pod="db-2", ready=False),
    )
    return Metadata(
        services={(each.namespace, each.name): each for each in services},
        endpoints={"db.default:5432": pods, "own.default:80": (Endpoint("192.0.2.1", 80),)},
        generation=4,
    )
