"""Calls: refused, tried again, given up, and always reported once."""

from __future__ import annotations

import re

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from edgemesh.errors import CIRCUIT_OPEN, Refused
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IStage, IUpstreamWaiter, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.policy import QPS, Limit, Policy
from edgemesh.protocols.http.call import Call
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.limits import Limits
from edgemesh.testing import Ladder, Wire
from tests.protocols.http.talks import GET, HEAD, OK, OLD, POST, QUICK, Talk


class InterfaceTests(SynchronousTestCase):
    """What a transport client may expect of a call."""

    def test_waiter(self) -> None:
        """A call is told when its connection is there, or not."""
        self.assertTrue(verifyClass(IUpstreamWaiter, Call))


@implementer(IHandler, IStage)
class Fallback:
    """A handler that refuses everything with a status of its own."""

    name = "fallback"
    picks = perAttempt = False

    def __init__(self, status: int) -> None:
        self.status = status

    def compose(self, route: Route, side: Side, former: IStage | None) -> Fallback:
        return self

    def decide(self, invocation: Invocation, now: float) -> None:
        raise Refused(CIRCUIT_OPEN, status=self.status)

    def release(self, invocation: Invocation, now: float) -> None:
        """Nothing was taken."""

    def answered(self, invocation: Invocation, now: float) -> None:
        """Nothing was asked."""

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """Nothing was taken."""

    def explain(self, now: float) -> str:
        return "refuses"


class RefusedTests(Talk):
    """Calls that the chain refuses."""

    def test_unknown(self) -> None:
        """A name that no service has leads nowhere."""
        self.app = self.ladder.caller(proxy=True)
        self.say(self.app, GET.replace(b"Host: b", b"Host: nobody"))
        self.assertAnswered("NR", 404)
        self.assertKept()

    def test_noEndpoint(self) -> None:
        """A service with nobody behind it answers so."""
        self.use(endpoints=0)
        self.say(self.app, GET)
        self.assertAnswered("NE", 503)
        self.assertKept()

    def test_rateLimited(self) -> None:
        """Beyond the limit a caller is told when to come again, and keeps its connection."""
        self.use(policy=Policy(qps=QPS(inbound=Limit(limit=0.4, burst=1))))
        self.say(self.sent(GET), OK)
        self.hear(self.app)
        self.say(self.app, GET)
        self.assertRegex(self.assertAnswered("RL", 429), rb"Retry-After: [1-9]\r\n")
        self.assertOnce("", "RL")
        self.assertKept()

    def test_withBody(self) -> None:
        """A refused request with a whole body keeps the connection, body and all taken off it."""
        self.use(endpoints=0)
        self.say(self.app, POST + POST)
        self.assertEqual(self.hear(self.app).count(b"HTTP/1.1 503"), 2)
        self.assertOnce("NE", "NE")

    def test_bodyToCome(self) -> None:
        """With a body still on its way, the connection ends after the answer."""
        self.use(endpoints=0)
        self.say(self.app, POST[:-1])
        self.assertIn(b"Connection: close", self.assertAnswered("NE", 503))
        self.say(self.app, b"y" + GET)
        self.assertOnce("NE")

    def test_head(self) -> None:
        """An answer to HEAD has no body, or the next answer would be misread."""
        self.use(endpoints=0)
        self.say(self.app, HEAD)
        self.assertTrue(self.hear(self.app).endswith(b"\r\n\r\n"))

    def test_old(self) -> None:
        """An HTTP/1.0 caller is kept only when it asks for it, and told so."""
        self.use(endpoints=0)
        self.say(self.app, OLD[:-2] + b"Connection: keep-alive\r\n\r\n")
        self.assertIn(b"Connection: keep-alive", self.assertAnswered("NE", 503))
        self.say(self.app, OLD)
        self.assertIn(b"Connection: close", self.assertAnswered("NE", 503))
        self.assertClosed()

    def fellBack(self, status: int) -> bytes:
        """What a caller gets when a handler asks for this status."""
        self.use(handlers=(RouterHandler(), LoadBalanceHandler(), Fallback(status)))
        self.say(self.app, GET)
        heard = self.hear(self.app)
        self.assertOnce("CB")
        self.assertEqual(self.ladder.ended[0].outcome.status, status)
        return heard

    def test_fallback(self) -> None:
        """With the fallback ``returnnull`` an open circuit answers 204 and nothing else."""
        expected = b"HTTP/1.1 204 No Content\r\nx-edgemesh-reason: CB\r\n\r\n"
        self.assertEqual(self.fellBack(204), expected)

    def test_strangeStatus(self) -> None:
        """A third party's handler may ask for a status that has no name."""
        self.assertEqual(self.fellBack(299)[:14], b"HTTP/1.1 299 \r")


class TryAgainTests(Talk):
    """Endpoints that cannot be reached."""

    def setUp(self) -> None:
        self.use(endpoints=3)

    def test_another(self) -> None:
        """When one endpoint refuses the connection, another one gets the request."""
        self.say(self.app, POST)
        self.ladder.refuses()
        endpoint = self.ladder.accepts()
        self.assertEqual(self.hear(endpoint), POST)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertOnce("")

    def test_onceOnly(self) -> None:
        """When the second one cannot be reached either, the caller learns of it."""
        self.say(self.app, GET)
        self.ladder.refuses()
        self.ladder.refuses()
        self.assertAnswered("UF", 503)
        self.assertEqual(self.ladder.loop.dialled, [])
        self.assertOnce("UF")
        self.assertKept()

    def test_nobodyElse(self) -> None:
        """With one endpoint there is nobody else to ask."""
        self.use(endpoints=1)
        self.say(self.app, GET)
        self.ladder.refuses()
        self.assertAnswered("UF", 503)
        self.assertOnce("UF")

    def test_switchedOff(self) -> None:
        """A policy can say that nothing is tried twice."""
        self.use(policy=Policy(retries=False))
        self.say(self.app, GET)
        self.ladder.refuses()
        self.assertAnswered("UF", 503)
        self.assertEqual(self.ladder.loop.dialled, [])

    def test_bodyWaits(self) -> None:
        """While an endpoint is dialled, a body is not read; afterwards it comes in full."""
        self.say(self.app, POST[:-3])
        self.assertFalse(self.ladder.loop.isReading(self.app))
        self.say(self.app, POST[-3:])
        self.ladder.refuses()
        self.assertFalse(self.ladder.loop.isReading(self.app))
        endpoint = self.ladder.accepts()
        self.assertEqual(self.hear(endpoint), POST)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), OK)

    def test_timeout(self) -> None:
        """The connect time-out is the policy's."""
        self.use(policy=QUICK)
        self.say(self.app, GET)
        self.assertEqual(self.ladder.loop.dialled[0].timeout, 1.5)

    def test_blackHole(self) -> None:
        """A caller that waits for a dead endpoint delays nobody else."""
        self.say(self.app, GET)
        other = self.ladder.caller()
        self.say(other, GET)
        self.ladder.loop.dialled.reverse()
        self.say(self.ladder.accepts(), OK)
        self.assertEqual(self.hear(other), OK)
        self.assertEqual(self.ladder.reasons, [""])

    def test_routeGone(self) -> None:
        """A service port whose endpoints vanish meanwhile ends the call, nothing else."""
        self.say(self.app, GET)
        self.ladder.apply(0, QUICK)
        self.ladder.refuses()
        self.assertAnswered("UF", 503)
        self.assertOnce("UF")


class GivenUpTests(Talk):
    """Calls whose caller or time runs out."""

    def test_goneWhileDialling(self) -> None:
        """A connection that comes too late for its caller is kept for the next one."""
        self.say(self.app, GET)
        self.ladder.reset(self.app)
        self.assertOnce("DC")
        endpoint = self.ladder.accepts()
        self.app = self.ladder.caller()
        self.say(self.app, GET)
        self.assertEqual(self.hear(endpoint), GET)

    def test_dialFailsTooLate(self) -> None:
        """A dial that fails when nobody waits any more is nobody's failure."""
        self.say(self.app, GET)
        self.ladder.reset(self.app)
        self.ladder.refuses()
        self.assertOnce("DC")

    def test_neverConnected(self) -> None:
        """The response time-out also ends a call that hangs in its dial."""
        self.say(self.app, GET)
        self.ladder.after(3.2)
        self.assertAnswered("UT", 504)
        self.assertKept()
        self.ladder.accepts()
        self.assertEqual(self.ladder.reasons[0], "UT")

    def test_gone(self) -> None:
        """A caller that goes away frees the endpoint."""
        endpoint = self.sent(GET)
        self.ladder.end(self.app)
        self.assertReset(endpoint)
        self.assertOnce("DC")
        self.assertEqual(self.ladder.ended[0].outcome.status, 499)
        self.assertFalse(self.ladder.ended[0].outcome.failure.endpointFault)


_WHICH = st.integers(0, 7)
_TAGGED = re.compile(rb"(?:GET|POST) /([0-9]+) HTTP/1.1\r\n")
_BODIES = re.compile(rb"<([0-9]+)>")


class Calls(RuleBasedStateMachine):
    """
    Callers, endpoints and time do what they like, in any order.

    Every request has a number; an endpoint that answers says the number.
    """

    def __init__(self) -> None:
        super().__init__()
        limits = Limits(keepAlive=8.0, pipelined=200)
        self.ladder = Ladder(HTTP, endpoints=2, policy=QUICK, limits=limits)
        self.callers: list[Wire] = []
        self.endpoints: list[Wire] = []
        self.asked: list[list[int]] = []
        self.rests: dict[Wire, bytes] = {}
        self.answered: dict[Wire, int] = {}
        self.number = 0

    def caller(self, which: int) -> int:
        """One of three callers, by its place."""
        if which % 3 >= len(self.callers):
            self.callers.append(self.ladder.caller())
            self.asked.append([])
            return len(self.callers) - 1
        return which % 3

    @rule(which=_WHICH, kind=st.sampled_from((b"GET", b"POST", b"PART", b"CHUNKS")))
    def asks(self, which: int, kind: bytes) -> None:
        """A caller sends a request, perhaps not all of it."""
        place = self.caller(which)
        self.number += 1
        self.asked[place].append(self.number)
        method = b"GET" if kind == b"GET" else b"POST"
        head = b"%s /%d HTTP/1.1\r\nHost: b\r\n" % (method, self.number)
        bodies = {
            b"GET": b"\r\n",
            b"POST": b"Content-Length: 4\r\n\r\nbody",
            b"PART": b"Content-Length: 8\r\n\r\nbody",
            b"CHUNKS": b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
        }
        self.ladder.say(self.callers[place], head + bodies[kind])

    @rule(which=_WHICH, data=st.sampled_from((b"more", b"0\r\n\r\n", b"\r\n", b"\0")))
    def goesOn(self, which: int, data: bytes) -> None:
        """A caller sends something else."""
        self.ladder.say(self.callers[self.caller(which)], data)

    @rule(which=_WHICH, reads=st.booleans())
    def reads(self, which: int, reads: bool) -> None:
        """A caller stops to read its answers, or goes on."""
        self.callers[self.caller(which)].fake.room = (1 << 30) if reads else 0
        self.ladder.loop.turn()

    @rule(which=_WHICH, how=st.sampled_from(("end", "reset")))
    def leaves(self, which: int, how: str) -> None:
        """A caller goes away."""
        getattr(self.ladder, how)(self.callers[self.caller(which)])

    @rule(accepts=st.booleans())
    def dialled(self, accepts: bool) -> None:
        """An endpoint takes the connection, or refuses it."""
        if self.ladder.loop.dialled and accepts:
            self.endpoints.append(self.ladder.accepts())
        elif self.ladder.loop.dialled:
            self.ladder.refuses()

    @rule(which=_WHICH, kind=st.integers(0, 7))
    def answers(self, which: int, kind: int) -> None:
        """An endpoint answers what it was asked last, well or not."""
        if not self.endpoints:
            return
        wire = self.endpoints[which % len(self.endpoints)]
        asked = _TAGGED.findall(wire.heard)
        if len(asked) <= self.answered.get(wire, 0):
            return
        self.answered[wire] = len(asked)
        body = b"<%s>" % asked[-1]
        sized = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
        whole = sized % len(body) + body
        beginning, self.rests[wire] = (
            (whole, b""),
            (whole + b"surplus", b""),
            (sized % (len(body) + 70_000) + body, b"x" * 70_000),
            (chunked % (len(body), body) + b"0\r\n\r\n", b""),
            (chunked % (len(body), body), b"0\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\n\r\n" + body, b"until close"),
            (b"HTTP/1.1 103 Early Hints\r\n\r\n" + whole[:20], whole[20:]),
            (b"HTTP/1.1 101 Whatever\r\n\r\n", b""),
        )[kind]
        self.ladder.say(wire, beginning)

    @rule(which=_WHICH)
    def continues(self, which: int) -> None:
        """An endpoint says the rest of its answer."""
        for wire in self.endpoints[which % 3 :: 3]:
            if self.rests.get(wire):
                self.ladder.say(wire, self.rests.pop(wire))

    @rule(which=_WHICH, how=st.sampled_from(("end", "reset")))
    def dies(self, which: int, how: str) -> None:
        """An endpoint's connection ends."""
        if self.endpoints:
            getattr(self.ladder, how)(self.endpoints[which % len(self.endpoints)])

    @rule(seconds=st.sampled_from((0.5, 3.5, 9.0)))
    def waits(self, seconds: float) -> None:
        """Time passes."""
        self.ladder.after(seconds)

    @invariant()
    def bounded(self) -> None:
        """No more calls end than were made, and none twice."""
        ended = [id(call.invocation) for call in self.ladder.ended]
        assert len(ended) == len(set(ended))
        assert self.ladder.inFlight >= 0

    def teardown(self) -> None:
        """When everybody has gone, nothing is left, and every answer went to who had asked."""
        for wire in self.callers:
            wire.fake.room = 1 << 30
        self.ladder.loop.turn()
        for wire in self.callers + self.endpoints:
            wire.ends()
        self.ladder.after(20.0)
        while self.ladder.loop.dialled:
            self.ladder.refuses()
        self.ladder.after(20.0)
        assert self.ladder.inFlight == 0, self.ladder.ended
        assert self.ladder.mesh.live == {}, self.ladder.mesh.live
        assert self.ladder.mesh.requests.watched == {}
        for wire, asked in zip(self.callers, self.asked, strict=True):
            heard = [int(number) for number in _BODIES.findall(wire.heard)]
            assert heard == sorted(set(heard)), heard
            assert set(heard) <= set(asked), (heard, asked)


class AnyOrderTests(SynchronousTestCase):
    """Whatever happens, in whatever order."""

    def test_everything(self) -> None:
        """Each call ends once, answers go to who asked, and nothing is left in the end."""
        bounds = settings(
            derandomize=True, max_examples=25, stateful_step_count=25, deadline=None, database=None
        )
        run_state_machine_as_test(Calls, settings=bounds)
