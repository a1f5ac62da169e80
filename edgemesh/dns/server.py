# -*- test-case-name: tests.dns.test_server -*-
"""
The name server as a Service: UDP and TCP on the same addresses.

Nothing is opened before ``startService``; when the Deferred of ``stopService``
fires, every socket is closed.  TCP is bound first and UDP on the number it got,
because a free number for one is not always free for the other.

``twisted.names`` supplies records, names and numbers.  Its own server takes answers
apart and puts them together again, never leaves records out of a datagram and never
closes an idle connection, so the protocols here are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from edgemesh.dns.addresses import Address, callerAt
from edgemesh.dns.forward import Forwarder
from edgemesh.dns.names import Directory, Zone
from edgemesh.dns.packets import Malformed
from edgemesh.dns.respond import Counts, Responder
from edgemesh.dns.streams import StreamFactory
from edgemesh.dns.virtual import VirtualAddresses, holdersIn
from edgemesh.interfaces import IMetaSource
from edgemesh.meta.model import Metadata

#: How often addresses that have rested are looked for.
TIDY_SECONDS = 60.0
#: Tries to find a number that is free for both protocols.
_PORT_TRIES = 50


class DatagramServer(DatagramProtocol):
    """Queries and replies in datagrams."""

    noisy = False
    transport: Any

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        def send(reply: bytes) -> None:
            # The answer may come when the port is closed already.
            if self.transport is not None:
                self._write(reply, addr)

        try:
            self._responder.take(datagram, callerAt(addr[0]), False, send)
        except Malformed:
            # Counted; whoever sent it is perhaps not who it says.
            return

    def _write(self, reply: bytes, addr: Any) -> None:
        try:
            self.transport.write(reply, addr)
        except OSError:
            # A sender that cannot be, such as port 0; or a filter that forbids it.
            self._responder.counts.unsent += 1

    def stopProtocol(self) -> None:
        self.transport = None


class NameServer(Service):
    """
    Answers names of the mesh, and everybody else's, on UDP and TCP.

    :ivar listening: where it listens; with the numbers that port 0 became.
    :ivar virtual: who has which virtual address.
    :param reactor: for sockets and time.
    :param listenAt: each for UDP and for TCP.  Name every address: what is sent from a
        socket for all of them may leave with another one than the caller asked.
    :param source: what the node knows.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        listenAt: Sequence[Address],
        source: IMetaSource,
        virtual: VirtualAddresses,
        forwarder: Forwarder,
        zone: Zone | None = None,
    ) -> None:
        self.setName("dns")  # type: ignore[no-untyped-call]
        self.virtual = virtual
        self.listening: tuple[Address, ...] = ()
        self._reactor = reactor
        self._listenAt = tuple(listenAt)
        self._source = source
        self._forwarder = forwarder
        self._zone = zone or Zone()
        self._responder = Responder(self._directory(Metadata(), False), forwarder)
        self._factory = StreamFactory(self._responder, reactor)
        self._ports: list[Any] = []
        self._subscribed = False
        self._tidying = LoopingCall(self._tidy)
        self._tidying.clock = reactor

    def __repr__(self) -> str:
        return f"<NameServer at {', '.join(map(str, self.listening)) or 'no address'}>"

    @property
    def counts(self) -> Counts:
        """What it has seen."""
        return self._responder.counts

    def startService(self) -> None:
        """
        Begin to answer.

        :raise CannotListenError: an address is not to be had; nothing stays open.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if not self._subscribed:
            self._subscribed = True
            self.virtual.load(self._reactor.seconds())
            self._source.subscribe(self._changed)
        self._tidy()
        try:
            self.listening = tuple(self._listen(each) for each in self._listenAt)
        except CannotListenError:
            self.running = 0
            self._closePorts()
            raise
        self._tidying.start(TIDY_SECONDS, now=False)
        self.log.info("names are answered at {addresses}", addresses=self.listening)

    def stopService(self) -> Deferred[None]:
        """
        Answer no more.

        :return: fires when every socket is closed.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        if self._tidying.running:
            self._tidying.stop()
        self.listening = ()
        closing = [*self._closePorts(), self._factory.close()]
        self._forwarder.stop()
        closed: Deferred[None] = DeferredList(closing).addCallback(lambda _: None)
        return closed

    def _listen(self, address: Address) -> Address:
        """Both protocols on one number."""
        for tries in range(_PORT_TRIES, 0, -1):
            stream = self._reactor.listenTCP(address.port, self._factory, interface=address.host)
            port = stream.getHost().port
            try:
                datagrams = self._reactor.listenUDP(
                    port, DatagramServer(self._responder), interface=address.host
                )
            except CannotListenError:
                stream.stopListening()
                if address.port or tries == 1:
                    raise
            else:
                self._ports += [stream, datagrams]
                return Address(address.host, port)
        raise AssertionError("unreachable")

    def _closePorts(self) -> list[Deferred[Any]]:
        ports, self._ports = self._ports, []
        return [port.stopListening() for port in ports]

    def _changed(self, metadata: Metadata) -> None:
        if not self.running:
            return
        ready = self._source.ready()
        if ready:
            # Until then, who is absent from metadata is not gone.
            wanted = holdersIn(metadata, self._zone.podAddresses)
            self.virtual.update(wanted, self._reactor.seconds())
        self._responder.directory = self._directory(metadata, ready)

    def _tidy(self) -> None:
        self._changed(self._source.metadata())

    def _directory(self, metadata: Metadata, known: bool) -> Directory:
        return Directory(metadata, self.virtual, self._zone, known)
