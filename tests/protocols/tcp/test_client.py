"""Tests of edgemesh/protocols/tcp/client.py."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import CONNECT_FAILED, Failure, LocalProtocolError
from edgemesh.interfaces import ITransportClient
from edgemesh.invocation import Invocation
from edgemesh.protocols.tcp.client import TCPClient
from tests.protocols.meshes import Bench


class Waiter:
    """Who waits for a connection."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.upstream: Any = None
        self.failed: tuple[Failure, str] | None = None

    def opened(self, upstream: object) -> None:
        """It is there."""
        self.upstream = upstream

    def openFailed(self, failure: Failure, detail: str) -> None:
        """It is not."""
        self.failed = (failure, detail)


class TCPClientTests(SynchronousTestCase):
    """Endpoints of opaque protocols are dialled, one connection for each caller."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.client = TCPClient(self.bench.mesh)
        self.waiter = Waiter(self.bench.invocation())
        self.endpoint = self.waiter.invocation.endpoint
        assert self.endpoint is not None

    def test_interface(self) -> None:
        """It is a transport client."""
        self.assertTrue(verifyObject(ITransportClient, self.client))

    def test_opened(self) -> None:
        """It dials the endpoint, with the service's connect time-out."""
        self.client.open(self.endpoint, self.waiter)
        [dial] = self.bench.loop.dialled
        self.assertEqual((dial.host, dial.port, dial.timeout), ("10.1.0.1", 3306, 1.5))
        self.assertIsNone(self.waiter.upstream)
        wire = dial.succeed()
        self.assertIs(self.waiter.upstream.transport, wire)

    def test_failed(self) -> None:
        """A failure says which endpoint and why."""
        self.client.open(self.endpoint, self.waiter)
        self.bench.loop.dialled[0].fail()
        assert self.waiter.failed is not None
        failure, detail = self.waiter.failed
        self.assertIs(failure, CONNECT_FAILED)
        self.assertTrue(detail.startswith("10.1.0.1:3306: Connection was refused"))

    def test_leftAlone(self) -> None:
        """Bytes that nobody takes are a defect, not a loss in silence."""
        self.client.open(self.endpoint, self.waiter)
        self.bench.loop.dialled[0].succeed().says(b"lost")
        self.bench.loop.turn()
        self.assertEqual(len(self.flushLoggedErrors(LocalProtocolError)), 1)

    def test_adopt(self) -> None:
        """A connection that nobody needs is closed; nothing is pooled."""
        wire = self.bench.loop.accept(Protocol())
        self.client.adopt(self.endpoint, wire)
        self.client.retain([])
        self.client.close()
        self.bench.loop.turn()
        self.assertTrue(wire.fake.closed)
