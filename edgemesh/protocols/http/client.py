# -*- test-case-name: tests.protocols.http.test_client -*-
"""
The HTTP transport client: idle connections to endpoints, and new ones.

Idle connections are kept in a list for each endpoint, the last used one is taken
first.  What is not taken for a while is closed.  Whoever asks for a connection is
told once, perhaps at once; nobody else waits when an endpoint does not answer.

Knows endpoints and connections; nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IAddress, IConnector, ITransport
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.protocols.dialling import dialFailed
from edgemesh.protocols.http.upstream import HTTPUpstream
from edgemesh.protocols.mesh import Mesh, handOver


class _Dial(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        self._client = client
        self._endpoint = endpoint
        self._waiter = waiter

    def buildProtocol(self, addr: IAddress | None) -> _Dialled:  # type: ignore[override]
        return _Dialled(self._client, self._endpoint, self._waiter)

    def clientConnectionFailed(self, connector: IConnector, reason: Reason) -> None:
        dialFailed(self._waiter, self._endpoint, reason)


class _Dialled(HTTPUpstream):
    """A fresh connection that tells its waiter once, when it is there."""

    __slots__ = ("_waiter",)

    def __init__(self, client: HTTPClient, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        super().__init__(client, endpoint)
        self._waiter: IUpstreamWaiter | None = waiter

    def connectionMade(self) -> None:
        super().connectionMade()
        waiter, self._waiter = self._waiter, None
        assert waiter is not None
        waiter.opened(self)


@implementer(ITransportClient)
class HTTPClient:
    """
    Every connection of this node to HTTP endpoints.

    :ivar deadline: when idle connections are next looked through.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._idle: dict[LiveEndpoint, list[HTTPUpstream]] = {}
        self.deadline = 0.0
        mesh.connections.watch(self)

    def __repr__(self) -> str:
        idle = sum(len(pool) for pool in self._idle.values())
        return f"<HTTPClient {idle} idle>"

    def open(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        kept = self.take(endpoint)
        if kept is not None:
            waiter.opened(kept)
        else:
            self.dial(endpoint, waiter)

    def take(self, endpoint: LiveEndpoint) -> HTTPUpstream | None:
        """An idle connection out of the pool, if there is one."""
        pool = self._idle.get(endpoint)
        return pool.pop() if pool else None

    def dial(self, endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        """Get a fresh connection, whatever is in the pool."""
        where = endpoint.endpoint
        timeout = waiter.invocation.route.policy.timeouts.connect
        dial = _Dial(self, endpoint, waiter)
        self.mesh.reactor.connectTCP(where.address, where.port, dial, timeout)

    def adopt(self, endpoint: LiveEndpoint, transport: ITransport) -> None:
        upstream = HTTPUpstream(self, endpoint)
        handOver(transport, upstream, b"")
        upstream.transport.resumeProducing()
        self.keep(upstream, self.mesh.seconds())

    def keep(self, upstream: HTTPUpstream, now: float) -> None:
        """Put an idle connection into the pool."""
        mesh = self.mesh
        pool = self._idle.get(upstream.endpoint)
        if pool is None:
            pool = self._idle[upstream.endpoint] = []
        if len(pool) >= mesh.limits.poolSize or mesh.draining:
            upstream.transport.loseConnection()
            return
        upstream.reused = True
        upstream.idleSince = now
        pool.append(upstream)

    def lost(self, upstream: HTTPUpstream) -> None:
        """A connection ended, or is not fit for use; it may have been idle."""
        pool = self._idle.get(upstream.endpoint)
        if pool is not None and upstream in pool:
            pool.remove(upstream)

    def retain(self, endpoints: Sequence[LiveEndpoint]) -> None:
        known = set(endpoints)
        for endpoint in [one for one in self._idle if one not in known]:
            _drop(self._idle.pop(endpoint))

    def close(self) -> None:
        idle, self._idle = self._idle, {}
        for pool in idle.values():
            _drop(pool)

    def expired(self, now: float) -> None:
        """Close what has been idle for too long; the oldest are in front."""
        self.deadline = now + 1.0
        oldest = now - self.mesh.limits.poolIdle
        for pool in self._idle.values():
            stale = 0
            while stale < len(pool) and pool[stale].idleSince <= oldest:
                stale += 1
            if stale:
                gone = pool[:stale]
                del pool[:stale]
                _drop(gone)


def _drop(pool: list[HTTPUpstream]) -> None:
    for upstream in pool:
        upstream.transport.loseConnection()
