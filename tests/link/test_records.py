"""Tests for :mod:`edgemesh.link.records`."""

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import MeshError
from edgemesh.link.records import LinkClosed, QueueFull, RecordProtocol, TooLarge, Unsent
from tests.link.sockets import Linked


class UnsentTests(SynchronousTestCase):
    """Why a record was not sent."""

    def test_namesTheSize(self) -> None:
        """Whoever reads the error learns how large the record was."""
        for kind in (TooLarge, QueueFull, LinkClosed):
            error = kind(300_000, "because")
            self.assertEqual(error.size, 300_000)
            self.assertEqual(str(error), "a record of 300000 bytes was not sent: because")
            self.assertIsInstance(error, Unsent)
            self.assertIsInstance(error, MeshError)


class RecordProtocolTests(SynchronousTestCase):
    """A protocol that overrides nothing."""

    def test_everythingMayHappen(self) -> None:
        """Only what is of interest need be overridden."""
        linked = Linked(protocol=RecordProtocol())
        linked.socket.arrived += [b"x", b"y" * 5_000_000]
        linked.reactor.turn()
        linked.transport.sendRecord(b"z" * 5_000_000)
        linked.transport.connectionLost(Failure(ConnectionDone()))
        self.assertIs(linked.protocol.transport, linked.transport)
        self.assertEqual((linked.counts.received, linked.counts.refused), (1, 1))
