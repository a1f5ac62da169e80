"""Tests for :mod:`edgemesh.link.seqpacket`."""

import errno
import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, IReadWriteDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import LocalProtocolError
from edgemesh.link.records import LinkClosed, QueueFull, RecordLimits, TooLarge
from edgemesh.link.seqpacket import LINGER, TURN
from tests.link.sockets import FakeSocket, Linked, Recording, Source

SMALL = RecordLimits(receive=100, send=100, queue=40)


class ReceivingTests(SynchronousTestCase):
    """Records that come."""

    def setUp(self) -> None:
        self.linked = Linked(SMALL)
        self.arrived = self.linked.socket.arrived
        self.protocol = self.linked.protocol

    def test_interface(self) -> None:
        """Any reactor can use the transport."""
        verifyObject(IReadWriteDescriptor, self.linked.transport)
        verifyObject(IPushProducer, self.linked.transport)

    def test_oneByOne(self) -> None:
        """Records come as they were sent, never glued together."""
        self.arrived += [b"one", b"two", b"x" * 100]
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [b"one", b"two", b"x" * 100])
        self.assertEqual(self.linked.counts.received, 3)

    def test_tooLarge(self) -> None:
        """A record above the limit is refused whole, and the link lives."""
        self.arrived += [b"x" * 101, b"next"]
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.refused, [101])
        self.assertEqual(self.protocol.records, [b"next"])
        self.assertEqual(self.linked.counts.refused, 1)
        self.assertEqual(self.protocol.lost, [])

    def test_truncated(self) -> None:
        """A record that the kernel cut is counted and thrown away."""
        self.linked.socket.cuts = True
        self.arrived.append(b"record")
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [])
        self.assertEqual(self.protocol.refused, [6])
        self.assertEqual((self.linked.counts.truncated, self.linked.counts.refused), (1, 0))

    def test_othersGetTheirTurn(self) -> None:
        """A peer that sends without end does not keep the reactor for itself."""
        self.arrived += [b"x"] * (TURN + 1)
        self.linked.reactor.turn()
        self.assertEqual(len(self.protocol.records), TURN)
        self.linked.reactor.turn()
        self.assertEqual(len(self.protocol.records), TURN + 1)

    def test_pause(self) -> None:
        """While paused nothing is read, and nothing is lost."""
        self.linked.transport.pauseProducing()
        self.arrived.append(b"one")
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [])
        self.linked.transport.resumeProducing()
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [b"one"])

    def test_pausedByARecord(self) -> None:
        """A protocol that pauses while it handles a record gets no other one."""
        linked = Linked(SMALL, protocol=Stopping("pauseProducing"))
        linked.socket.arrived += [b"one", b"two"]
        linked.reactor.turn()
        self.assertEqual(linked.protocol.records, [b"one"])

    def test_closedByARecord(self) -> None:
        """A protocol that hangs up while it handles a record gets no other one."""
        for how in ("loseConnection", "abortConnection", "stopProducing"):
            linked = Linked(SMALL, protocol=Stopping(how))
            linked.socket.arrived += [b"one", b"two"]
            linked.reactor.turn()
            linked.reactor.advance(0)
            self.assertEqual(linked.protocol.records, [b"one"])
            self.assertEqual(len(linked.protocol.lost), 1)
            linked.transport.resumeProducing()
            self.assertEqual(linked.reactor.getReaders(), [])

    def test_end(self) -> None:
        """The peer's end is told once, after everything that it sent."""
        self.arrived += [b"last", b""]
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [b"last"])
        (reason,) = self.protocol.lost
        reason.trap(ConnectionDone)
        self.assertEqual(self.linked.ended, [self.linked.transport])
        self.assertEqual(self.linked.transport.fileno(), -1)

    def test_reset(self) -> None:
        """A peer that died with unread records is a lost link, not an exception."""
        self.linked.socket.broken = ConnectionResetError(errno.ECONNRESET, "reset by peer")
        self.linked.reactor.turn()
        (reason,) = self.protocol.lost
        reason.trap(ConnectionLost)

    @settings(derandomize=True, max_examples=50, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=120), max_size=50))
    def test_anySizes(self, records: list[bytes]) -> None:
        """Whatever sizes come, every record is taken whole or refused whole, in order."""
        linked = Linked(SMALL)
        linked.socket.arrived += records
        linked.reactor.turn(3)
        self.assertEqual(linked.protocol.records, [r for r in records if len(r) <= 100])
        self.assertEqual(linked.protocol.refused, [len(r) for r in records if len(r) > 100])


class Stopping(Recording):
    """Calls a method of its transport with the first record."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self._how = how

    def recordReceived(self, record: bytes) -> None:
        super().recordReceived(record)
        getattr(self.transport, self._how)()


class SendingTests(SynchronousTestCase):
    """Records that are sent."""

    def setUp(self) -> None:
        self.linked = Linked(SMALL)
        self.transport = self.linked.transport
        self.protocol = self.linked.protocol

    def test_sent(self) -> None:
        """Records are sent one by one, and then nothing is left to do."""
        for record in (b"one", b"two"):
            self.transport.sendRecord(record)
        self.linked.reactor.turn()
        self.assertEqual(self.linked.socket.delivered, [b"one", b"two"])
        self.assertEqual(self.linked.counts.sent, 2)
        self.assertEqual(self.linked.reactor.getWriters(), [])

    def test_empty(self) -> None:
        """A record of no bytes would end the link, so it is a defect to send one."""
        self.assertRaises(LocalProtocolError, self.transport.sendRecord, b"")

    def test_slowPeer(self) -> None:
        """A peer that reads slowly gets everything, in order, when it reads."""
        self.linked.socket.room = 1
        for record in (b"one", b"two", b"three"):
            self.transport.sendRecord(record)
        self.linked.reactor.turn()
        self.assertEqual(self.linked.socket.delivered, [b"one"])
        self.linked.socket.room = 5
        self.linked.reactor.turn()
        self.assertEqual(self.linked.socket.delivered, [b"one", b"two", b"three"])

    def test_bound(self) -> None:
        """What waits for a peer is bounded; the rest is given back, and said."""
        self.transport.sendRecord(b"x" * 40)
        self.transport.sendRecord(b"y")
        ((record, why),) = self.protocol.unsent
        self.assertEqual(record, b"y")
        self.assertIsInstance(why, QueueFull)
        self.assertEqual(self.linked.counts.unsent, 1)

    def test_aboveTheBuffer(self) -> None:
        """A record that the send buffer never takes is given back at once, with its size."""
        linked = Linked(fake=FakeSocket(212_992, 425_984))
        self.assertEqual(linked.transport.sendLimit, 425_952)
        linked.transport.sendRecord(b"x" * 425_952)
        linked.transport.sendRecord(b"x" * 425_953)
        linked.reactor.turn()
        ((_, why),) = linked.protocol.unsent
        self.assertIsInstance(why, TooLarge)
        self.assertIn("425953 bytes", str(why))
        self.assertEqual([len(r) for r in linked.socket.delivered], [425_952])

    def test_aboveTheKernel(self) -> None:
        """Where the kernel has no memory for one record, that one is given back, others go."""
        fake = FakeSocket()
        fake.ceiling = 50
        linked = Linked(fake=fake)
        for size in (50, 51, 49):
            linked.transport.sendRecord(b"x" * size)
        linked.reactor.turn()
        self.assertEqual([len(r) for r in fake.delivered], [50, 49])
        ((_, why),) = linked.protocol.unsent
        self.assertIsInstance(why, TooLarge)
        self.assertIn("51 bytes", str(why))
        self.assertEqual(linked.protocol.lost, [])

    def test_broken(self) -> None:
        """A peer that is gone is a lost link."""
        self.transport.sendRecord(b"x")
        self.linked.socket.broken = BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.linked.reactor.removeReader(self.transport)
        self.linked.reactor.turn()
        (reason,) = self.protocol.lost
        reason.trap(ConnectionLost)

    def test_producer(self) -> None:
        """A source is paused while the peer does not read, and stopped with the link."""
        source = Source()
        self.transport.registerProducer(source, True)
        self.linked.socket.room = 0
        for _ in range(3):
            self.transport.sendRecord(b"x" * 10)
        self.assertEqual(source.asked, ["pause"])
        self.linked.socket.room = 3
        self.linked.reactor.turn()
        self.assertEqual(source.asked, ["pause", "resume"])
        self.linked.socket.arrived.append(b"")
        self.linked.reactor.turn()
        self.assertEqual(source.asked, ["pause", "resume", "stop"])

    def test_producerOfItself(self) -> None:
        """A link that is its own source takes no requests while their answers cannot go."""
        self.transport.registerProducer(self.transport, True)
        self.linked.socket.room = 0
        self.transport.sendRecord(b"x" * 30)
        self.linked.socket.arrived.append(b"request")
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.records, [])
        self.linked.socket.room = 1
        self.linked.reactor.turn(2)
        self.assertEqual(self.protocol.records, [b"request"])

    def test_producers(self) -> None:
        """Only push producers can be paused; none is kept by a link that ends."""
        self.assertRaises(
            LocalProtocolError, self.transport.registerProducer, self.transport, False
        )
        self.transport.registerProducer(self.transport, True)
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        source = Source()
        self.transport.registerProducer(source, True)
        self.assertEqual(source.asked, ["stop"])


class EndingTests(SynchronousTestCase):
    """The states of a link."""

    def setUp(self) -> None:
        self.linked = Linked(SMALL)
        self.transport = self.linked.transport
        self.protocol = self.linked.protocol

    def waiting(self) -> None:
        """Something is queued for a peer that does not read."""
        self.linked.socket.room = 0
        self.transport.sendRecord(b"one")
        self.linked.reactor.turn()

    def test_lose(self) -> None:
        """A link that is closed sends first what is queued."""
        self.waiting()
        self.transport.loseConnection()
        self.assertIn("FLUSHING", repr(self.transport))
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.lost, [])
        self.linked.socket.room = 1
        self.linked.reactor.turn()
        self.assertEqual(self.linked.socket.delivered, [b"one"])
        self.assertEqual(len(self.protocol.lost), 1)
        self.protocol.lost[0].trap(ConnectionDone)
        self.assertEqual(self.linked.reactor.getDelayedCalls(), [])

    def test_loseIdle(self) -> None:
        """A link with nothing queued is closed in the next turn, not in this one."""
        self.transport.loseConnection()
        self.assertEqual(self.protocol.lost, [])
        self.linked.reactor.turn()
        self.assertEqual(len(self.protocol.lost), 1)

    def test_linger(self) -> None:
        """A peer that never reads cannot keep a closing link for ever."""
        self.waiting()
        self.transport.loseConnection()
        self.linked.reactor.advance(LINGER - 0.01)
        self.assertEqual(self.protocol.lost, [])
        self.linked.reactor.advance(0.02)
        (reason,) = self.protocol.lost
        reason.trap(ConnectionAborted)
        self.assertEqual(
            (self.linked.reactor.getReaders(), self.linked.reactor.getWriters()), ([], [])
        )

    def test_abort(self) -> None:
        """A link that is aborted sends nothing more, and tells so in the next turn, once."""
        self.waiting()
        self.transport.loseConnection()
        self.transport.abortConnection()
        self.transport.abortConnection()
        self.linked.socket.room = 5
        self.linked.reactor.turn()
        self.assertEqual(self.protocol.lost, [])
        self.linked.reactor.advance(0)
        self.assertEqual(len(self.protocol.lost), 1)
        self.assertEqual(self.linked.socket.delivered, [])
        self.transport.abortConnection()
        self.transport.loseConnection()
        self.assertEqual(self.linked.reactor.getDelayedCalls(), [])

    def test_peerStillReads(self) -> None:
        """A peer that sends no more gets what was queued for it."""
        self.waiting()
        self.linked.socket.arrived.append(b"")
        self.linked.reactor.turn()
        self.assertIn("FLUSHING", repr(self.transport))
        self.linked.socket.room = 1
        self.linked.reactor.turn()
        self.assertEqual(self.linked.socket.delivered, [b"one"])
        self.assertEqual(len(self.protocol.lost), 1)

    def test_sendLate(self) -> None:
        """What is sent on a link that ends is given back with the link's state."""
        self.transport.loseConnection()
        self.transport.sendRecord(b"late")
        ((record, why),) = self.protocol.unsent
        self.assertEqual(record, b"late")
        self.assertIsInstance(why, LinkClosed)
        self.assertIn("FLUSHING", str(why))

    def test_reactorEnds(self) -> None:
        """The reactor may take the link away at any time; the protocol hears of it once."""
        self.waiting()
        self.transport.loseConnection()
        failure = self.linked.ended
        for _ in range(2):
            self.linked.reactor._end(self.transport, ConnectionLost())
        self.assertEqual(len(self.protocol.lost), 1)
        self.assertEqual(len(failure), 1)
        self.assertIn("CLOSED", repr(self.transport))
        self.assertEqual(self.transport.logPrefix(), "Recording")
