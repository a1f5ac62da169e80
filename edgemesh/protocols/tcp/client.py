# -*- test-case-name: tests.protocols.tcp.test_client -*-
"""
The transport client of opaque protocols: dial, and give the connection away.

Nothing is pooled: an opaque connection belongs to one caller.  Knows the reactor
and the connect time-out; says no byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IAddress, IConnector, ITransport
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import LocalProtocolError
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.protocols.dialling import dialFailed
from edgemesh.protocols.mesh import Mesh, TCPStream, handOver, prepare

if TYPE_CHECKING:
    from edgemesh.handlers.routes import LiveEndpoint


class _Dialled(Protocol):
    """A connection that is there; whoever waited for it takes it over at once."""

    def __init__(self, waiter: IUpstreamWaiter) -> None:
        self._waiter = waiter

    def connectionMade(self) -> None:
        prepare(cast("TCPStream", self.transport))
        self._waiter.opened(self)

    def dataReceived(self, data: bytes) -> None:
        raise LocalProtocolError(f"{self._waiter!r} left an open connection alone")


class _Unused(Protocol):
    """A connection on its way out."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class _Dial(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        self._endpoint = endpoint
        self._waiter = waiter

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Dialled(self._waiter)

    def clientConnectionFailed(self, connector: IConnector, reason: Reason) -> None:
        dialFailed(self._waiter, self._endpoint, reason)


@implementer(ITransportClient)
class TCPClient:
    """Connections to endpoints, one for each caller."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def open(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        where = endpoint.endpoint
        timeout = waiter.invocation.route.policy.timeouts.connect
        self._mesh.reactor.connectTCP(where.address, where.port, _Dial(endpoint, waiter), timeout)

    def adopt(self, endpoint: LiveEndpoint, transport: ITransport) -> None:
        # The endpoint may greet whoever connects: such a connection is nobody
        # else's.
        handOver(transport, _Unused(), b"")

    def retain(self, endpoints: Sequence[LiveEndpoint]) -> None:
        """No connection here is idle."""

    def close(self) -> None:
        """No connection here is idle."""
