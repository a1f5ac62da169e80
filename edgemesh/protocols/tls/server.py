# -*- test-case-name: tests.protocols.tls.test_server -*-
"""
The server of one TLS connection: read the server name, then relay.

::

    caller --ClientHello--> TLSServer --all bytes so far--> TCPServer --> endpoint

The hello is waited for as long as a request head would be.  Bytes that are no
readable hello are relayed without a name when the listener stands for a service;
otherwise there is nowhere to send them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import HEADER_TIMEOUT, RemoteProtocolError
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.mesh import Accepted, handOver
from edgemesh.protocols.tcp.server import TCPServer
from edgemesh.wire.tls import parseClientHello

_PORT = 443


@implementer(IProtocol, IHalfCloseableProtocol)
class TLSServer:
    """
    One caller that speaks TLS.

    :ivar deadline: when its hello must be whole.
    """

    __slots__ = ("_accepted", "_seen", "deadline", "transport")

    transport: Any

    def __init__(self, accepted: Accepted) -> None:
        self._accepted = accepted
        self._seen = b""
        mesh = accepted.mesh
        self.deadline = mesh.seconds() + mesh.limits.headerTimeout

    def __repr__(self) -> str:
        return f"<TLSServer {len(self._seen)} bytes of a hello>"

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        self._accepted.mesh.live[self] = None
        self._accepted.mesh.connections.watch(self)

    def dataReceived(self, data: bytes) -> None:
        self._seen += data
        try:
            hello = parseClientHello(self._seen)
        except RemoteProtocolError:
            # The router answers this: a listener's service needs no name, and
            # without one there is no route.
            self._relay(b"")
            return
        if hello is not None:
            self._relay(hello.serverName.lower())

    def readConnectionLost(self) -> None:
        # Half a hello is all there will be; what becomes of it is the endpoint's
        # business, as it would be without us.
        self._relay(b"")

    def writeConnectionLost(self) -> None:
        """Nothing was written here."""

    def connectionLost(self, reason: Reason) -> None:
        self._leave()
        early = self._accepted.early
        if early is not None:
            self._accepted.early = None
            mesh = self._accepted.mesh
            mesh.path.release(early.invocation, mesh.seconds())
            early.transport.abortConnection()  # type: ignore[attr-defined]

    def expired(self, now: float) -> None:
        """The hello took too long."""
        accepted = self._accepted
        invocation = Invocation("tls", accepted.caller, accepted.asked, started=now)
        accepted.mesh.path.finish(invocation, Outcome(0, HEADER_TIMEOUT), now)
        accepted.mesh.refusals.refused(invocation, HEADER_TIMEOUT, repr(self))
        self.abort()

    def drain(self) -> None:
        """A hello that has begun is a call in flight."""

    def abort(self) -> None:
        """Reset the caller."""
        self._leave()
        self.transport.abortConnection()

    def _leave(self) -> None:
        mesh = self._accepted.mesh
        mesh.live.pop(self, None)
        mesh.connections.unwatch(self)

    def _relay(self, name: bytes) -> None:
        self._leave()
        server = TCPServer(self._accepted, "tls", name, _PORT)
        handOver(self.transport, server, self._seen)
