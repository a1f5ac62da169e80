"""Tests of edgemesh/protocols/held.py."""

from __future__ import annotations

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.held import Held
from edgemesh.protocols.sweep import Sweep
from edgemesh.testing import Loop


class HeldTests(SynchronousTestCase):
    """Who is not read from is looked after."""

    def setUp(self) -> None:
        self.loop = Loop()
        self.sweep = Sweep(self.loop, 1.0)
        self.sweep.startService()
        self.addCleanup(self.sweep.stopService)
        self.held = Held(self.sweep, self.loop.seconds)
        self.wire = self.loop.accept(Protocol())
        self.wire.pauseProducing()
        self.held.add(self.wire)

    def after(self, seconds: int) -> None:
        self.loop.pump([1.0] * seconds)
        self.loop.turn()

    def test_reset(self) -> None:
        """A caller that has reset its connection is let go of within two seconds."""
        self.wire.breaks()
        self.after(2)
        self.assertTrue(self.wire.fake.closed)
        self.assertEqual(len(self.held), 0)

    def test_patient(self) -> None:
        """A caller that waits is left alone, and so is one that has sent its FIN."""
        self.wire.ends()
        self.after(10)
        self.assertFalse(self.wire.fake.closed)
        self.assertEqual(len(self.held), 1)

    def test_heldForAMoment(self) -> None:
        """What came before the reset is not lost to a look that comes at the wrong moment."""
        self.wire.breaks()
        self.loop.advance(0.5)
        self.held.discard(self.wire)
        self.held.add(self.wire)
        self.loop.advance(0.6)
        self.loop.turn()
        self.assertFalse(self.wire.fake.closed)

    def test_nobodyHeld(self) -> None:
        """While nobody is held nobody is looked at; letting go twice is harmless."""
        self.held.discard(self.wire)
        self.held.discard(self.wire)
        self.assertEqual(self.sweep.watched, {})

    def test_otherTransports(self) -> None:
        """A transport without a socket cannot be asked, and stays."""
        other = StringTransport()
        self.held.add(other)
        self.after(3)
        self.assertFalse(other.disconnecting)
        self.assertEqual(len(self.held), 2)
