"""Tests for :mod:`edgemesh.link.modulelink`."""

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import BAD_REQUEST, RemoteProtocolError
from edgemesh.link.modulelink import INTRODUCTION, ModuleLink


class Transport:
    """Notes that it was aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Upper:
    """An end that understands capitals only."""

    def receive(self, record: bytes) -> object:
        if not record.isupper():
            raise RemoteProtocolError(BAD_REQUEST, "not in capitals")
        return record.decode()


class Link(ModuleLink):
    """Notes what it heard."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, Upper())
        self.transport = Transport()
        self.heard: list[object] = []
        self.lost: list[str] = []

    def understood(self, meaning: object) -> None:
        self.heard.append(meaning)

    def dropped(self, why: str) -> None:
        super().dropped(why)
        self.lost.append(why)


class ModuleLinkTests(SynchronousTestCase):
    """Tests for :class:`ModuleLink`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.link = Link(self.clock)

    def test_understood(self) -> None:
        """What its end makes of a record is acted upon."""
        self.link.recordReceived(b"HELLO")
        self.assertEqual((self.link.heard, self.link.transport.aborted), (["HELLO"], False))

    def test_notUnderstood(self) -> None:
        """A record that breaks the protocol ends the link."""
        self.link.recordReceived(b"hello")
        self.assertEqual((self.link.heard, self.link.transport.aborted), ([], True))

    def test_tooLarge(self) -> None:
        """A record that was too large is told with its size, and the link lives."""
        self.link.recordRefused(5_000_000)
        self.assertEqual(self.link.lost, ["a record of 5000000 bytes is too large"])
        self.assertFalse(self.link.transport.aborted)

    def test_notIntroduced(self) -> None:
        """Without an introduction in time the link ends."""
        self.link.awaitIntroduction("nobody said who it is")
        self.clock.advance(INTRODUCTION - 0.1)
        self.assertFalse(self.link.transport.aborted)
        self.clock.advance(0.1)
        self.assertTrue(self.link.transport.aborted)

    def test_introduced(self) -> None:
        """Once introduced it may live as long as it likes."""
        self.link.awaitIntroduction("nobody said who it is")
        self.link.introductionMade()
        self.clock.advance(10 * INTRODUCTION)
        self.assertFalse(self.link.transport.aborted)

    def test_lost(self) -> None:
        """A link that is lost leaves no timer."""
        self.link.awaitIntroduction("nobody said who it is")
        self.link.connectionLost(Failure(ConnectionError()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_repr(self) -> None:
        """The log names the kind of link and how far its end has come."""
        self.assertTrue(repr(self.link).startswith("<Link <"))
