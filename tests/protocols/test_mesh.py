"""Tests of edgemesh.protocols.mesh."""

from twisted.internet.testing import AccumulatingProtocol, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.mesh import handOver, prepare


class Fussy(AccumulatingProtocol):
    """Writes down in which order it is told things."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connectionMade(self) -> None:
        self.told.append("connected")

    def dataReceived(self, data: bytes) -> None:
        self.told.append(data)


class HandOverTests(SynchronousTestCase):
    """:func:`~edgemesh.protocols.mesh.handOver`."""

    def test_bytesAfterConnection(self) -> None:
        """The new protocol has its transport before it gets what was read already."""
        transport, protocol = StringTransport(), Fussy()
        handOver(transport, protocol, b"seen")
        self.assertIs(protocol.transport, transport)
        self.assertEqual(protocol.told, ["connected", b"seen"])

    def test_formerOutOfThePath(self) -> None:
        """What comes from now on goes to the new protocol only."""
        transport, former, protocol = StringTransport(), Fussy(), Fussy()
        former.makeConnection(transport)
        handOver(transport, protocol, b"")
        self.assertIs(transport.protocol, protocol)
        self.assertEqual(former.told, ["connected"])

    def test_nothingSeen(self) -> None:
        """Without bytes there is no empty delivery, which would look like an end."""
        protocol = Fussy()
        handOver(StringTransport(), protocol, b"")
        self.assertEqual(protocol.told, ["connected"])


class Stream(StringTransport):
    """A TCP transport, as far as it is made ready."""

    bufferSize = 65_536
    noDelay = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.noDelay = enabled


class PrepareTests(SynchronousTestCase):
    """:func:`~edgemesh.protocols.mesh.prepare`."""

    def test_cost(self) -> None:
        """One read and one buffer together leave room within 128 KiB for all the rest."""
        transport = Stream()
        prepare(transport)  # type: ignore[arg-type]
        self.assertLessEqual(2 * transport.bufferSize, 96 * 1024)
        self.assertTrue(transport.noDelay)
