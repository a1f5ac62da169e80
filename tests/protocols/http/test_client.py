"""The HTTP transport client: idle connections, and new ones."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from edgemesh.errors import Failure
from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.interfaces import ITransportClient, IUpstreamWaiter
from edgemesh.invocation import Invocation
from edgemesh.meta.model import Endpoint
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.http.upstream import HTTPUpstream
from edgemesh.protocols.limits import Limits
from edgemesh.testing import Ladder, Wire
from edgemesh.testing.ladder import KEY

LIMITS = Limits(poolIdle=10.0, poolSize=3)


@implementer(IUpstreamWaiter)
class Waiter:
    """Who waits for a connection."""

    def __init__(self, ladder: Ladder) -> None:
        self.invocation = Invocation("http", "10.0.0.9", KEY)
        ladder.path.decide(self.invocation, 0.0)
        self.got: list[HTTPUpstream] = []
        self.failed: list[str] = []

    def opened(self, upstream: IProtocol) -> None:
        """It is there."""
        assert isinstance(upstream, HTTPUpstream)
        self.got.append(upstream)

    def openFailed(self, failure: Failure, detail: str) -> None:
        """It is not."""
        self.failed.append(f"{failure.reason} {detail}")


class ClientTests(SynchronousTestCase):
    """Connections are kept, and not for too long."""

    def setUp(self) -> None:
        self.ladder = Ladder(HTTP, limits=LIMITS)
        client = self.ladder.mesh.clients["http"]
        assert isinstance(client, HTTPClient)
        self.client = client
        self.endpoint = LiveEndpoint(KEY, Endpoint("10.1.0.1", 8080))
        self.waiter = Waiter(self.ladder)

    def fresh(self) -> HTTPUpstream:
        """A new connection."""
        self.client.dial(self.endpoint, self.waiter)
        self.ladder.accepts()
        return self.waiter.got[-1]

    def isClosed(self, upstream: HTTPUpstream) -> bool:
        """Whether its connection is gone."""
        self.ladder.loop.turn()
        return self.wire(upstream).fake.closed

    def wire(self, upstream: HTTPUpstream) -> Wire:
        """The connection underneath."""
        assert isinstance(upstream.transport, Wire)
        return upstream.transport

    def test_interfaces(self) -> None:
        """It is a transport client, and its waiter is one."""
        verifyObject(ITransportClient, self.client)
        verifyObject(IUpstreamWaiter, self.waiter)

    def test_dials(self) -> None:
        """With nothing kept it dials the endpoint; the waiter is told when it is there."""
        self.client.open(self.endpoint, self.waiter)
        dialled = self.ladder.loop.dialled[0]
        self.assertEqual((dialled.host, dialled.port), ("10.1.0.1", 8080))
        self.assertEqual(self.waiter.got, [])
        self.ladder.accepts()
        self.assertEqual([upstream.reused for upstream in self.waiter.got], [False])

    def test_refused(self) -> None:
        """The waiter learns which endpoint could not be reached, and why."""
        self.client.open(self.endpoint, self.waiter)
        self.ladder.refuses()
        self.assertEqual(len(self.waiter.failed), 1)
        self.assertIn("UF 10.1.0.1:8080: ", self.waiter.failed[0])

    def test_lastFirst(self) -> None:
        """The connection that was used last is used next; it is marked as kept."""
        one, two = self.fresh(), self.fresh()
        self.client.keep(one, self.ladder.loop.seconds())
        self.client.keep(two, self.ladder.loop.seconds())
        self.client.open(self.endpoint, self.waiter)
        self.assertIs(self.waiter.got[-1], two)
        self.assertTrue(two.reused)
        self.assertEqual(self.ladder.loop.dialled, [])

    def test_fresh(self) -> None:
        """Who needs a fresh one gets a fresh one."""
        self.client.keep(self.fresh(), self.ladder.loop.seconds())
        self.client.dial(self.endpoint, self.waiter)
        self.assertEqual(len(self.ladder.loop.dialled), 1)

    def test_atMost(self) -> None:
        """Only so many are kept for an endpoint."""
        upstreams = [self.fresh() for _ in range(4)]
        for upstream in upstreams:
            self.client.keep(upstream, self.ladder.loop.seconds())
        self.assertEqual([self.isClosed(u) for u in upstreams], [False, False, False, True])
        self.assertIn("3 idle", repr(self.client))

    def test_idle(self) -> None:
        """What nobody takes for a while is closed, the rest stays."""
        old, new = self.fresh(), self.fresh()
        self.client.keep(old, self.ladder.loop.seconds())
        self.ladder.after(6.0)
        self.client.keep(new, self.ladder.loop.seconds())
        self.ladder.after(6.0)
        self.assertEqual((self.isClosed(old), self.isClosed(new)), (True, False))

    def test_died(self) -> None:
        """A kept connection that ends is forgotten."""
        upstream = self.fresh()
        self.client.keep(upstream, self.ladder.loop.seconds())
        self.ladder.end(self.wire(upstream))
        self.assertIn("0 idle", repr(self.client))

    def test_retain(self) -> None:
        """Connections to endpoints that are gone are closed."""
        upstream = self.fresh()
        self.client.keep(upstream, self.ladder.loop.seconds())
        self.client.retain([self.endpoint])
        self.assertFalse(self.isClosed(upstream))
        self.client.retain([])
        self.assertTrue(self.isClosed(upstream))

    def test_close(self) -> None:
        """At the end everything idle is closed."""
        upstream = self.fresh()
        self.client.keep(upstream, self.ladder.loop.seconds())
        self.client.close()
        self.assertTrue(self.isClosed(upstream))

    def test_draining(self) -> None:
        """While the node shuts down nothing is kept any more."""
        upstream = self.fresh()
        self.ladder.mesh.draining = True
        self.client.keep(upstream, self.ladder.loop.seconds())
        self.assertTrue(self.isClosed(upstream))
