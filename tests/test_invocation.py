# -*- test-case-name: tests.test_invocation -*-
"""The values that flow down the chain."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import UPSTREAM_TIMEOUT
from edgemesh.handlers.routes import Route
from edgemesh.invocation import Destination, Invocation, Outcome
from edgemesh.meta.model import Service, ServicePort
from edgemesh.meta.policy import Policy


class InvocationTests(SynchronousTestCase):
    """One call on its way."""

    def test_undecided(self) -> None:
        """A new call is decided in nothing, and goes nowhere but here by itself."""
        invocation = Invocation("http", "127.0.0.1", name=b"web", method=b"GET", path=b"/")
        self.assertEqual((invocation.route, invocation.endpoint), (None, None))
        self.assertEqual((invocation.stages, invocation.inboundStages), ((), ()))
        self.assertEqual((invocation.tried, invocation.attempts, invocation.probe), ((), 0, False))
        self.assertIs(invocation.destination, Destination.LOCAL)

    def test_noMore(self) -> None:
        """A call carries what is listed and nothing else: no bodies, no stray attributes."""
        invocation = Invocation("tcp", "127.0.0.1")
        self.assertFalse(hasattr(invocation, "__dict__"))
        with self.assertRaises(AttributeError):
            invocation.body = b""  # type: ignore[attr-defined]

    def test_repr(self) -> None:
        """A log line shows what was asked for, and once it is known, the service port."""
        invocation = Invocation("http", "127.0.0.1", name=b"web")
        self.assertEqual(repr(invocation), "<Invocation http b'web' -> None>")
        port = ServicePort(80)
        invocation.route = Route(Service("default", "web", (port,)), port, Policy(), ())
        self.assertEqual(repr(invocation), "<Invocation http web.default:80 -> None>")


class OutcomeTests(SynchronousTestCase):
    """How a call ended."""

    def test_well(self) -> None:
        """A call that went well has no failure."""
        outcome = Outcome(200, latency=0.25, received=10, sent=20)
        self.assertIsNone(outcome.failure)
        self.assertEqual(repr(outcome), "<Outcome 200 ok 0.250000s>")

    def test_failed(self) -> None:
        """A failed call names its row of the table."""
        outcome = Outcome(504, UPSTREAM_TIMEOUT, 30.0)
        self.assertEqual(repr(outcome), "<Outcome 504 UT 30.000000s>")

    def test_noMore(self) -> None:
        """An outcome is small: it is made for every call."""
        self.assertFalse(hasattr(Outcome(), "__dict__"))
