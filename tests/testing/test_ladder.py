"""A node in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.policy import QPS, Limit, Policy
from edgemesh.protocols.tcp.plugin import TCP
from edgemesh.testing import Ladder


class LadderTests(SynchronousTestCase):
    """Callers and endpoints are the test; everything between is real."""

    def test_call(self) -> None:
        """A caller reaches an endpoint, and is answered."""
        ladder = Ladder(TCP)
        caller = ladder.caller()
        ladder.say(caller, b"ping")
        endpoint = ladder.accepts()
        self.assertEqual((ladder.hear(endpoint), ladder.inFlight), (b"ping", 1))
        ladder.say(endpoint, b"pong")
        self.assertEqual(ladder.hear(caller), b"pong")
        self.assertEqual(ladder.hear(caller), b"")
        ladder.end(endpoint)
        ladder.end(caller)
        self.assertEqual((ladder.reasons, ladder.inFlight), ([""], 0))
        self.assertEqual(ladder.ended[0].invocation.protocol, "tcp")

    def test_chains(self) -> None:
        """Calls pass the outbound and the inbound chain."""
        limit = Limit(limit=1, burst=1)
        for policy in (Policy(qps=QPS(outbound=limit)), Policy(qps=QPS(inbound=limit))):
            ladder = Ladder(TCP, policy=policy)
            for _ in range(2):
                ladder.say(ladder.caller(), b"ping")
            self.assertEqual(ladder.reasons, ["RL"])

    def test_refuses(self) -> None:
        """An endpoint may refuse; the next one is asked."""
        ladder = Ladder(TCP)
        ladder.say(ladder.caller(), b"ping")
        ladder.refuses()
        self.assertEqual(ladder.hear(ladder.accepts()), b"ping")

    def test_reset(self) -> None:
        """Somebody may reset a connection."""
        ladder = Ladder(TCP)
        caller = ladder.caller()
        ladder.say(caller, b"ping")
        ladder.reset(ladder.accepts())
        self.assertTrue(caller.fake.reset)

    def test_after(self) -> None:
        """Time passes only when the test says so."""
        ladder = Ladder(TCP)
        ladder.after(2.5)
        self.assertEqual(ladder.mesh.seconds(), 2.5)

    def test_apply(self) -> None:
        """The service may lose its endpoints while it works."""
        ladder = Ladder(TCP)
        ladder.apply(0, Policy())
        ladder.say(ladder.caller(), b"ping")
        self.assertEqual(ladder.reasons, ["NE"])
