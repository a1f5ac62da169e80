"""Tests of edgemesh/protocols/tcp/relay.py."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import (
    CALLER_GONE,
    DRAINING,
    IDLE_TIMEOUT,
    INTERNAL,
    RATE_LIMITED,
    UPSTREAM_RESET,
)
from edgemesh.invocation import Outcome
from edgemesh.protocols.tcp.inspecting import RefusedInStream
from edgemesh.protocols.tcp.relay import FAREWELL, Relay, tunnel
from edgemesh.testing.memory import Wire
from tests.protocols.meshes import Bench


class RelayTestCase(SynchronousTestCase):
    """A caller and an endpoint, not joined yet."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.caller = self.bench.loop.accept(Protocol())
        self.endpoint = self.bench.loop.accept(Protocol())
        self.turn = self.bench.loop.turn

    def join(self, *seen: bytes, inspector: object = None) -> Relay:
        """Join them."""
        relay = tunnel(
            self.bench.mesh,
            self.bench.invocation(),
            self.caller,
            self.endpoint,
            *seen,
            inspector=inspector,
        )
        self.turn()
        return relay

    def ending(self) -> Outcome:
        """How the one call ended."""
        [(_, outcome)] = self.bench.path.finished
        return outcome


class RelayTests(RelayTestCase):
    """A relayed connection behaves as a direct one."""

    def test_bothWays(self) -> None:
        """Bytes reach the other side, counted."""
        relay = self.join()
        self.caller.says(b"abc")
        self.endpoint.says(b"de")
        self.turn()
        self.assertEqual((self.endpoint.heard, self.caller.heard), (b"abc", b"de"))
        self.assertEqual((relay.received, relay.sent), (3, 2))
        self.assertIn("JOINED", repr(relay))

    def test_seenBytesFirst(self) -> None:
        """Bytes that were read before come first, on both sides."""
        self.caller.says(b"more")
        self.join(b"seen ", b"hello")
        self.assertEqual((self.endpoint.heard, self.caller.heard), (b"seen more", b"hello"))

    def test_callerGoneWhileHeld(self) -> None:
        """A caller that resets while the endpoint stalls is let go of; what it said still goes."""
        self.join()
        self.endpoint.fake.room = 0
        self.caller.says(*[b"x" * 65_536] * 4)
        self.turn()
        self.assertFalse(self.bench.loop.isReading(self.caller))
        self.caller.breaks()
        self.bench.after(3)
        self.assertTrue(self.caller.fake.closed)
        self.assertEqual(len(self.bench.mesh.held), 0)
        self.endpoint.fake.room = 1 << 30
        self.turn()
        self.assertGreater(len(self.endpoint.heard), 0)
        self.assertTrue(self.endpoint.fake.reset)
        self.assertIs(self.ending().failure, CALLER_GONE)

    def test_answeredOnce(self) -> None:
        """The first byte of the endpoint proves that it works; the others prove nothing new."""
        self.join()
        self.assertEqual(self.bench.path.greeted, [])
        self.endpoint.says(b"a", b"b")
        self.turn()
        self.assertEqual(len(self.bench.path.greeted), 1)

    def test_callerEndsFirst(self) -> None:
        """A caller that has sent everything still gets the whole answer."""
        self.join()
        self.caller.says(b"question")
        self.caller.ends()
        self.turn()
        self.assertEqual(self.endpoint.heard, b"question")
        self.assertTrue(self.endpoint.fake.finished)
        self.assertFalse(self.caller.fake.finished or self.endpoint.fake.closed)
        self.endpoint.says(b"answer")
        self.endpoint.ends()
        self.turn()
        self.assertEqual(self.caller.heard, b"answer")
        self.assertTrue(self.caller.fake.closed and self.endpoint.fake.closed)
        self.assertFalse(self.caller.fake.reset or self.endpoint.fake.reset)
        self.assertIsNone(self.ending().failure)

    def test_endpointEndsFirst(self) -> None:
        """An endpoint that has nothing more to say can still be written to."""
        self.join()
        self.endpoint.says(b"banner")
        self.endpoint.ends()
        self.turn()
        self.assertTrue(self.caller.fake.finished)
        self.caller.says(b"late")
        self.caller.ends()
        self.turn()
        self.assertEqual(self.endpoint.heard, b"late")
        self.assertEqual(self.bench.path.reasons, [""])

    def test_finAfterBytes(self) -> None:
        """A FIN does not overtake what was sent before it."""
        self.join()
        self.endpoint.fake.room = 0
        self.caller.says(b"x" * 1000)
        self.caller.ends()
        self.turn()
        self.assertFalse(self.endpoint.fake.finished)
        self.endpoint.fake.room = 2000
        self.turn()
        self.assertEqual(len(self.endpoint.heard), 1000)
        self.assertTrue(self.endpoint.fake.finished)

    def test_endpointResets(self) -> None:
        """A reset before the first byte is the endpoint's failure, and the caller sees it."""
        self.join()
        self.endpoint.breaks()
        self.turn()
        self.assertTrue(self.caller.fake.reset)
        self.assertIs(self.ending().failure, UPSTREAM_RESET)

    def test_bytesBeforeReset(self) -> None:
        """What an endpoint sent before its reset still reaches the caller."""
        self.join()
        self.endpoint.says(b"the last words")
        self.endpoint.breaks()
        self.turn()
        self.assertEqual(self.caller.heard, b"the last words")
        self.assertTrue(self.caller.fake.reset)
        self.assertIsNone(self.ending().failure)

    def test_resetWaitsForStalledCaller(self) -> None:
        """The reset follows when the caller has taken what came before it."""
        self.join()
        self.caller.fake.room = 4
        self.endpoint.says(b"the last words")
        self.endpoint.breaks()
        self.turn()
        self.assertFalse(self.caller.fake.reset)
        self.caller.fake.room = 100
        self.turn()
        self.assertEqual(self.caller.heard, b"the last words")
        self.assertTrue(self.caller.fake.reset)

    def test_callerResets(self) -> None:
        """A caller's reset reaches the endpoint and is not held against it."""
        self.join()
        self.caller.breaks()
        self.turn()
        self.assertTrue(self.endpoint.fake.reset)
        self.assertIs(self.ending().failure, CALLER_GONE)

    def test_resetAfterHalfClose(self) -> None:
        """A reset stays one when that side's FIN has been passed on already."""
        self.join()
        self.endpoint.ends()
        self.turn()
        self.endpoint.breaks()
        self.caller.says(b"x")
        self.turn()
        self.assertTrue(self.caller.fake.reset)

    def test_stalledCaller(self) -> None:
        """A caller that does not read stops the endpoint: 64 KiB and one read wait here."""
        self._stall(self.caller, self.endpoint)

    def test_stalledEndpoint(self) -> None:
        """An endpoint that does not read stops the caller in the same way."""
        self._stall(self.endpoint, self.caller)

    def _stall(self, slow: Wire, fast: Wire) -> None:
        self.join()
        slow.fake.room = 0
        fast.says(*[b"x" * 65_536] * 8)
        self.turn(20)
        self.assertFalse(self.bench.loop.isReading(fast))
        self.assertEqual(len(fast.fake.incoming), 6)
        slow.fake.room = 1 << 30
        self.turn(30)
        self.assertEqual(len(slow.heard), 8 * 65_536)
        self.assertTrue(self.bench.loop.isReading(fast))

    def test_idle(self) -> None:
        """A connection on which nothing moves for the idle time is reset on both sides."""
        self.join()
        self.bench.after(58)
        self.caller.says(b"x")
        self.turn()
        self.bench.after(58)
        self.assertEqual(self.bench.path.finished, [])
        self.bench.after(4)
        self.assertTrue(self.caller.fake.reset and self.endpoint.fake.reset)
        self.assertIs(self.ending().failure, IDLE_TIMEOUT)

    def test_abort(self) -> None:
        """At the end of the grace time both sides are reset."""
        relay = self.join()
        relay.drain()
        self.assertIn(relay, self.bench.mesh.live)
        relay.abort()
        self.turn()
        self.assertTrue(self.caller.fake.reset and self.endpoint.fake.reset)
        self.assertIs(self.ending().failure, DRAINING)
        self.assertEqual((self.bench.mesh.live, self.bench.connections.watched), ({}, {}))

    def test_counted(self) -> None:
        """A tunnel's end reports the status and the bytes of the answer that began it."""
        before = Outcome(101, None, 0.0, 10, 20)
        invocation = self.bench.invocation("http")
        tunnel(
            self.bench.mesh, invocation, self.caller, self.endpoint, counted=before, answered=True
        )
        self.endpoint.says(b"x")
        self.endpoint.ends()
        self.caller.ends()
        self.turn()
        outcome = self.ending()
        self.assertEqual((outcome.status, outcome.received, outcome.sent), (101, 10, 21))
        self.assertEqual(self.bench.path.greeted, [])
        cells = self.bench.mesh.metrics.connections["http"]
        self.assertEqual((cells.opened, cells.closed), (1, 1))

    @settings(max_examples=60, derandomize=True, deadline=None, database=None)
    @given(
        st.lists(
            st.tuples(st.booleans(), st.sampled_from(["says", "ends", "stall", "flow", "breaks"])),
            max_size=12,
        )
    )
    def test_anyOrder(self, steps: list[tuple[bool, str]]) -> None:
        """In whatever order things happen the call ends exactly once and nothing stays open."""
        self.setUp()
        self.join()
        for callers, step in steps:
            wire = self.caller if callers else self.endpoint
            if step == "says" and None not in wire.fake.incoming:
                wire.says(b"x" * 40_000)
            elif step == "ends":
                wire.ends()
            elif step == "breaks":
                wire.breaks()
            elif step in ("stall", "flow"):
                wire.fake.room = 0 if step == "stall" else 1 << 30
            self.turn(3)
        self.bench.after(130)
        self.assertEqual(len(self.bench.path.finished), 1)
        self.assertTrue(self.caller.fake.closed and self.endpoint.fake.closed)
        self.assertEqual(self.bench.mesh.live, {})


class Censor:
    """An inspector that keeps whole lines and refuses the line ``no``."""

    def __init__(self) -> None:
        self.kept = b""

    def fromCaller(self, data: bytes) -> bytes:
        """Let whole lines through, and what is left at the end."""
        if not data:
            return self.kept
        *lines, self.kept = (self.kept + data).split(b"\n")
        for number, line in enumerate(lines):
            if line == b"no":
                forward = b"".join(one + b"\n" for one in lines[:number])
                raise RefusedInStream(forward, b"-refused\n", RATE_LIMITED)
            if line == b"bug":
                raise ZeroDivisionError
        return b"".join(line + b"\n" for line in lines)


class InspectedTests(RelayTestCase):
    """A plugin reads along and may refuse."""

    def test_passes(self) -> None:
        """Bytes go on as the inspector lets them through, the kept ones at the end."""
        relay = self.join(b"one\ntw", inspector=Censor())
        self.assertEqual(self.endpoint.heard, b"one\n")
        self.caller.says(b"o\nrest")
        self.caller.ends()
        self.turn()
        self.assertEqual(self.endpoint.heard, b"one\ntwo\nrest")
        self.assertTrue(self.endpoint.fake.finished)
        self.assertEqual(relay.received, 12)

    def refuse(self) -> Relay:
        """One command, and one that is refused."""
        relay = self.join(b"one\n", inspector=Censor())
        self.caller.says(b"two\nno\nthree\n")
        self.turn()
        return relay

    def test_refusal(self) -> None:
        """Outstanding answers come first, then the refusal, then the end."""
        self.refuse()
        self.assertEqual(self.endpoint.heard, b"one\ntwo\n")
        self.assertTrue(self.endpoint.fake.finished)
        self.assertEqual(self.caller.heard, b"")
        self.endpoint.says(b"+1\n+2\n")
        self.endpoint.ends()
        self.turn()
        self.assertEqual(self.caller.heard, b"+1\n+2\n-refused\n")
        self.assertTrue(self.caller.fake.finished)
        self.assertFalse(self.caller.fake.closed)
        self.caller.says(b"never read")
        self.caller.ends()
        self.turn()
        self.assertTrue(self.caller.fake.closed)
        self.assertFalse(self.caller.fake.reset)
        self.assertIs(self.ending().failure, RATE_LIMITED)

    def test_endpointResetsWhileRefusing(self) -> None:
        """The caller hears the refusal even when the endpoint resets."""
        self.refuse()
        self.endpoint.breaks()
        self.turn()
        self.assertEqual(self.caller.heard, b"-refused\n")
        self.caller.ends()
        self.turn()
        self.assertEqual(self.bench.path.reasons, ["RL"])

    def test_endpointNeverEnds(self) -> None:
        """An endpoint that ignores our FIN does not keep the refusal back for good."""
        self.refuse()
        self.bench.after(FAREWELL + 2)
        self.assertEqual(self.caller.heard, b"-refused\n")
        self.assertTrue(self.endpoint.fake.reset)

    def test_callerNeverEnds(self) -> None:
        """A caller that ignores the refusal is reset."""
        self.refuse()
        self.endpoint.ends()
        self.turn()
        self.bench.after(FAREWELL + 2)
        self.assertTrue(self.caller.fake.reset)
        self.assertEqual(self.bench.path.reasons, ["RL"])

    def test_callerResetsWhileRefusing(self) -> None:
        """A caller that goes away meanwhile takes the endpoint's connection with it."""
        self.refuse()
        self.caller.breaks()
        self.turn()
        self.assertTrue(self.endpoint.fake.closed)
        self.assertEqual(self.bench.path.reasons, ["RL"])

    def test_endpointEndedBefore(self) -> None:
        """A refusal after the endpoint's FIN is said at once."""
        self.join(inspector=Censor())
        self.endpoint.ends()
        self.turn()
        self.caller.says(b"no\n")
        self.turn()
        self.assertTrue(self.caller.fake.closed or self.caller.fake.finished)

    def test_refusedAtTheEnd(self) -> None:
        """A caller that has ended already hears the refusal, too."""
        self.join(inspector=Censor())
        self.caller.says(b"no\n")
        self.caller.ends()
        self.turn()
        self.endpoint.ends()
        self.turn()
        self.assertEqual(self.caller.heard, b"-refused\n")
        self.assertTrue(self.caller.fake.closed)

    def test_defect(self) -> None:
        """A plugin's defect ends this connection, and is the mesh's fault in the log."""
        self.join(inspector=Censor())
        self.caller.says(b"bug\n")
        self.turn()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.endpoint.fake.reset)
        self.assertIs(self.ending().failure, INTERNAL)
