"""Tests of edgemesh/interceptor/early.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import IDLE_TIMEOUT, NO_ENDPOINT, Refused
from edgemesh.interceptor.early import EarlyDial, Unreached
from edgemesh.interfaces import IUpstreamWaiter
from edgemesh.invocation import Invocation
from edgemesh.testing.memory import Wire
from tests.protocols.meshes import KEY, Bench


class Caller:
    """A silent caller that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def endpointSpoke(self) -> None:
        """Note it."""
        self.told.append("spoke")

    def endpointLost(self) -> None:
        """Note it."""
        self.told.append("lost")

    def endpointOpened(self) -> None:
        """Note it."""
        self.told.append("opened")

    def notOpened(self, unreached: Unreached) -> None:
        """Note it."""
        self.told.append(f"{unreached.failure.reason} {unreached.detail}")


class EarlyDialTests(SynchronousTestCase):
    """An endpoint dialled early costs its call exactly one end."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.caller = Caller()

    def dial(self) -> EarlyDial:
        """Dial for a silent caller."""
        early = EarlyDial(self.bench.mesh, Invocation("tcp", "10.0.0.9", KEY), self.caller)
        early.dial()
        return early

    def open(self) -> tuple[EarlyDial, Wire]:
        """Dial, and be connected."""
        early = self.dial()
        wire = self.bench.loop.dialled[-1].succeed()
        self.bench.loop.turn()
        return early, wire

    def test_interface(self) -> None:
        """It waits for a connection."""
        self.assertTrue(verifyObject(IUpstreamWaiter, self.dial()))

    def test_refused(self) -> None:
        """Who may not be called is not dialled."""
        self.bench.path.refusals = [Refused(NO_ENDPOINT)]
        self.assertRaises(Refused, self.dial)
        self.assertEqual(self.bench.loop.dialled, [])

    def test_take(self) -> None:
        """Whoever takes the connection gets it paused, with what was said."""
        early, wire = self.open()
        wire.says(b"220")
        self.bench.loop.turn()
        self.assertEqual(self.caller.told, ["opened", "spoke"])
        taken = early.take("tcp")
        assert taken is not None
        self.assertEqual((taken.transport, taken.said), (wire, b"220"))
        self.assertFalse(self.bench.loop.isReading(wire))
        early.giveUp()
        self.assertFalse(wire.fake.closed)
        self.assertEqual(self.bench.path.released, [])

    def test_giveUp(self) -> None:
        """Given up, it gives everything back, once."""
        early, wire = self.open()
        early.giveUp()
        early.giveUp()
        self.bench.loop.turn()
        self.assertTrue(wire.fake.closed)
        self.assertEqual(self.bench.path.released, [early.invocation])
        self.assertEqual((self.bench.path.finished, self.caller.told), ([], ["opened"]))

    def test_giveUpWhileDialling(self) -> None:
        """A connection that comes too late is closed."""
        early = self.dial()
        self.assertIsNone(early.take("tcp"))
        wire = self.bench.loop.dialled[0].succeed()
        self.bench.loop.turn()
        self.assertTrue(wire.fake.closed)
        self.assertEqual(self.caller.told, [])

    def test_report(self) -> None:
        """What was not reached is reported to the call path once, whoever does it."""
        invocation = self.bench.invocation()
        Unreached(invocation, NO_ENDPOINT, "why", True).report(self.bench.mesh, 1.0)
        self.assertEqual(self.bench.path.reasons, [])
        Unreached(invocation, NO_ENDPOINT, "why", False).report(self.bench.mesh, 1.0)
        self.assertEqual(self.bench.path.reasons, ["NE"])

    def test_failedAfterGivenUp(self) -> None:
        """A dial that fails too late is of no interest."""
        self.dial().giveUp()
        self.bench.loop.dialled[0].fail()
        self.assertEqual((self.caller.told, self.bench.path.finished), ([], []))

    def test_fail(self) -> None:
        """A caller that never speaks ends it as a failed call."""
        early, wire = self.open()
        early.fail(IDLE_TIMEOUT)
        self.bench.loop.turn()
        self.assertTrue(wire.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["IT"])

    def test_nobodyElse(self) -> None:
        """When no second endpoint is left the first one's failure is told."""
        self.bench = Bench(endpoints=1)
        self.dial()
        self.bench.loop.dialled[0].fail()
        self.assertIn("UF 10.1.0.1:3306", self.caller.told[0])
        self.assertIn("nobody else", self.caller.told[0])
        self.assertEqual(self.bench.path.reasons, ["UF"])

    def test_lost(self) -> None:
        """A reset before anybody spoke is the endpoint's failure."""
        early, wire = self.open()
        self.assertIn("OPEN", repr(early))
        wire.breaks()
        self.bench.loop.turn()
        self.assertEqual((self.caller.told, self.bench.path.reasons), (["opened", "lost"], ["UX"]))
