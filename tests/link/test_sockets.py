"""Tests for :mod:`edgemesh.link.sockets`."""

import os

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.link.sockets import Credentials, nextLength, raiseSendBuffer, sendLimit, take
from tests.link.sockets import FakeSocket


class SendBufferTests(SynchronousTestCase):
    """How large a record may be."""

    def test_usual(self) -> None:
        """The kernel keeps 32 bytes of the buffer for itself."""
        self.assertEqual(sendLimit(FakeSocket(212_992)), 212_960)

    def test_privileged(self) -> None:
        """Root gets what it asks for, to the byte or one more."""
        fake = FakeSocket(212_992, allowed=212_992)
        fake.privileged = True
        self.assertEqual(raiseSendBuffer(fake, 4_194_304), 4_194_304)
        self.assertEqual(raiseSendBuffer(fake, 4_194_307), 4_194_308)

    def test_ordinary(self) -> None:
        """Anybody else gets as much as the system lets, and can read how much that is."""
        self.assertEqual(raiseSendBuffer(FakeSocket(212_992, 425_984), 4_194_304), 425_952)
        self.assertEqual(raiseSendBuffer(FakeSocket(212_992, 8_388_608), 4_194_304), 4_194_304)

    def test_neverLowered(self) -> None:
        """A buffer that is large enough stays as it is."""
        self.assertEqual(raiseSendBuffer(FakeSocket(212_992), 1_000), 212_960)


class ReceiveTests(SynchronousTestCase):
    """Fetching one record."""

    def test_whole(self) -> None:
        """The length is known before, and the record comes as it was sent."""
        fake = FakeSocket()
        fake.arrived += [b"abc", b"defgh"]
        self.assertEqual(nextLength(fake), 3)
        self.assertEqual(take(fake, 3), b"abc")
        self.assertEqual(nextLength(fake), 5)

    def test_cut(self) -> None:
        """A record that was cut is never returned."""
        fake = FakeSocket()
        fake.arrived += [b"abc", b"d"]
        self.assertIsNone(take(fake, 2))
        self.assertEqual(take(fake, 1), b"d")


class CredentialsTests(SynchronousTestCase):
    """Who may talk to this process."""

    def test_trusted(self) -> None:
        """The same user and root; nobody else, whatever the group."""
        mine = os.geteuid()
        self.assertTrue(Credentials(1, mine, 5).trusted)
        self.assertTrue(Credentials(1, 0, 5).trusted)
        self.assertFalse(Credentials(1, mine + 12_345, os.getegid()).trusted)
