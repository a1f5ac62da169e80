"""Tests for :mod:`edgemesh.link.listener`."""

import errno
import os
import socket

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import ConfigurationError
from edgemesh.link.listener import RESPITE, RecordListener
from edgemesh.link.records import RecordLimits
from edgemesh.link.seqpacket import LINGER
from tests.link.places import PlacesMixin
from tests.link.sockets import Recording, Turned


class RecordListenerTests(PlacesMixin, SynchronousTestCase):
    """Accepting links."""

    def setUp(self) -> None:
        self.path = self.place()
        self.reactor = Turned()
        self.made: list[Recording] = []
        self.listener = RecordListener(self.reactor, self.path, self.make, RecordLimits(), most=2)
        self.listener.startService()
        self.addCleanup(self.end)

    def end(self) -> None:
        """Whatever a test leaves open is closed."""
        self.listener.stopService()
        self.reactor.turn()
        self.reactor.advance(LINGER)

    def make(self) -> Recording:
        self.made.append(Recording())
        return self.made[-1]

    def caller(self) -> socket.socket:
        """Somebody who has connected, and is accepted or refused now."""
        connection = self.opened()
        connection.connect(self.path)
        self.reactor.turn()
        return connection

    def test_interface(self) -> None:
        """Any reactor can use the listener."""
        verifyObject(IReadDescriptor, self.listener)

    def test_bothWays(self) -> None:
        """Records go both ways."""
        caller = self.caller()
        caller.send(b"question")
        self.reactor.turn()
        self.assertEqual(self.made[0].records, [b"question"])
        self.made[0].transport.sendRecord(b"answer")
        self.reactor.turn()
        self.assertEqual(caller.recv(100), b"answer")
        self.assertEqual(self.made[0].transport.peer.pid, os.getpid())
        self.assertEqual((self.listener.records.received, self.listener.records.sent), (1, 1))

    def test_nothingBeforeStart(self) -> None:
        """A listener opens nothing before it is started."""
        path = self.place()
        listener = RecordListener(self.reactor, path, self.make, RecordLimits())
        self.assertFalse(os.path.lexists(path))
        self.assertEqual(listener.fileno(), -1)
        self.assertIn("closed", repr(listener))

    def test_taken(self) -> None:
        """A second listener at the path does not start; the first one goes on."""
        second = RecordListener(self.reactor, self.path, self.make, RecordLimits())
        self.assertRaises(ConfigurationError, second.startService)
        self.assertFalse(second.running)
        self.caller()
        self.assertEqual(len(self.made), 1)

    def test_most(self) -> None:
        """Only so many links at a time; who comes later is refused, until one ends."""
        first, _ = self.caller(), self.caller()
        third = self.caller()
        self.assertEqual(third.recv(1), b"")
        self.assertEqual((self.listener.counts.accepted, self.listener.counts.surplus), (2, 1))
        first.close()
        self.reactor.turn()
        self.caller()
        self.assertEqual((self.listener.counts.accepted, self.listener.counts.surplus), (3, 1))

    def test_noDescriptor(self) -> None:
        """Without descriptors nobody is accepted for a second, and the reactor does not spin."""
        listening = Exhausted(self.listener)
        self.caller()
        self.assertEqual(self.made, [])
        self.assertNotIn(self.listener, self.reactor.getReaders())
        listening.restore()
        self.reactor.advance(RESPITE)
        self.reactor.turn()
        self.assertEqual(len(self.made), 1)

    def test_stop(self) -> None:
        """Stopping sends what is queued, closes every link and removes the socket."""
        caller = self.caller()
        self.made[0].transport.sendRecord(b"last")
        stopped = self.listener.stopService()
        self.assertFalse(os.path.lexists(self.path))
        self.assertNoResult(stopped)
        self.reactor.turn()
        self.successResultOf(stopped)
        self.assertEqual([caller.recv(10), caller.recv(10)], [b"last", b""])
        self.assertEqual(len(self.made[0].lost), 1)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_stopIdle(self) -> None:
        """Without links a listener is stopped at once, and can be started again."""
        self.successResultOf(self.listener.stopService())
        self.listener.startService()
        self.caller()
        self.assertEqual(len(self.made), 1)
        self.assertIn("listening at", repr(self.listener))

    def test_reactorEnds(self) -> None:
        """The reactor's end removes the socket too."""
        self.listener.connectionLost(Failure(ConnectionLost()))
        self.assertFalse(os.path.lexists(self.path))
        self.assertEqual(self.listener.logPrefix(), "RecordListener")


class Exhausted:
    """Takes the place of the listening socket: the process has no descriptor left."""

    def __init__(self, listener: RecordListener) -> None:
        self._listener = listener
        self._claim = listener._claim
        listener._claim = self
        self.listening = self

    def fileno(self) -> int:
        return self._claim.listening.fileno()

    def accept(self) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def restore(self) -> None:
        """There are descriptors again."""
        self._listener._claim = self._claim
