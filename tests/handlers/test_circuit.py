"""Tests of the circuit and of what it counts."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import CIRCUIT_OPEN
from edgemesh.handlers.circuit import WINDOW, Circuit, RollingWindow, State, refusal
from edgemesh.invocation import Invocation
from edgemesh.meta.policy import BizKeeper, CircuitBreaker, Fallback, FallbackPolicy
from tests.handlers.samples import call


def breaker(**settings: object) -> CircuitBreaker:
    """An enabled breaker: opens at 4 calls and 50 %, sleeps for a second."""
    defaults: dict[str, object] = {
        "enabled": True,
        "requestVolumeThreshold": 4,
        "sleepWindowInMilliseconds": 1000,
    }
    return CircuitBreaker(**(defaults | settings))  # type: ignore[arg-type]


def report(circuit: Circuit, now: float, *results: bool | None) -> None:
    """Calls come and end at once."""
    for result in results:
        invocation = call()
        circuit.enter(invocation, now)
        circuit.leave(invocation, result, now)


def opened(now: float = 100.0, **settings: object) -> Circuit:
    """A circuit that has just opened."""
    circuit = Circuit(breaker(**settings))
    report(circuit, now, False, False, False, False)
    return circuit


class RollingWindowTests(SynchronousTestCase):
    """The last ten seconds."""

    def test_forgets(self) -> None:
        """A failure counts for ten seconds and no longer."""
        window = RollingWindow()
        window.record(False, 100.9)
        window.record(True, 109.5)
        self.assertEqual((window.failures, window.volume), (1, 2))
        window.record(True, 110.0)
        self.assertEqual((window.failures, window.volume), (0, 2))

    def test_cleared(self) -> None:
        """What was forgotten does not come back, and counting goes on, also in the same second."""
        window = RollingWindow()
        window.record(False, 100.0)
        window.clear()
        window.record(False, 100.5)
        window.record(True, 100.5)
        self.assertEqual((window.failures, window.volume), (1, 2))
        window.advance(110.0)
        self.assertEqual((window.failures, window.volume), (0, 0))

    def test_counters(self) -> None:
        """Endpoints that nobody calls share their counters, and nobody counts in them."""
        one, other = RollingWindow(), RollingWindow()
        one.record(False, 1.0)
        self.assertEqual((other.failures, other.volume), (0, 0))
        other.record(True, 1.0)
        self.assertEqual((one.volume, other.volume, other.failures), (1, 1, 0))

    def test_longPause(self) -> None:
        """After a pause of any length nothing old is left."""
        window = RollingWindow()
        for second in range(20):
            window.record(False, 100.0 + second)
        window.advance(1e9)
        self.assertEqual((window.failures, window.volume), (0, 0))

    def test_clockBack(self) -> None:
        """An earlier clock reading counts with the latest."""
        window = RollingWindow()
        window.record(False, 100.0)
        window.record(False, 50.0)
        self.assertEqual((window.failures, window.volume), (2, 2))

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60))
    def test_anyPattern(self, calls: list[tuple[bool, int]]) -> None:
        """The sums are those of a list of all calls, whenever they came."""
        window, now, everything = RollingWindow(), 1000.0, []
        for success, pause in calls:
            now += pause / 4
            window.record(success, now)
            everything.append((int(now), success))
            recent = [s for second, s in everything if second > int(now) - WINDOW]
            self.assertEqual(window.volume, len(recent))
            self.assertEqual(window.failures, recent.count(False))


class OpeningTests(SynchronousTestCase):
    """When a circuit opens."""

    def test_volume(self) -> None:
        """A few failures prove nothing."""
        circuit = Circuit(breaker())
        report(circuit, 100.0, False, False, False)
        self.assertIs(circuit.state, State.CLOSED)
        report(circuit, 100.0, False)
        self.assertIs(circuit.state, State.OPEN)
        self.assertFalse(circuit.admits(100.9))

    def test_percentage(self) -> None:
        """It opens at the percentage, not below it."""
        circuit = Circuit(breaker(errorThresholdPercentage=60))
        report(circuit, 100.0, True, True, False, False, False)
        self.assertIs(circuit.state, State.OPEN)
        below = Circuit(breaker(errorThresholdPercentage=61))
        report(below, 100.0, True, True, False, False, False)
        self.assertIs(below.state, State.CLOSED)

    def test_successCompletesVolume(self) -> None:
        """The call that makes the volume full may be a good one."""
        circuit = Circuit(breaker())
        report(circuit, 100.0, False, False, True, True)
        self.assertIs(circuit.state, State.OPEN)

    def test_spreadOverTime(self) -> None:
        """Failures further apart than the window never open it."""
        circuit = Circuit(breaker())
        for n in range(20):
            report(circuit, 100.0 + 4 * n, False)
        self.assertIs(circuit.state, State.CLOSED)

    def test_neither(self) -> None:
        """What says nothing about the endpoint is not counted."""
        circuit = Circuit(breaker())
        report(circuit, 100.0, *[None] * 50, False, False, False)
        self.assertIs(circuit.state, State.CLOSED)

    def test_disabled(self) -> None:
        """A circuit that is not enabled never opens."""
        circuit = Circuit(breaker(enabled=False))
        report(circuit, 100.0, *[False] * 100)
        self.assertTrue(circuit.admits(100.0))


class ProbeTests(SynchronousTestCase):
    """How it closes again."""

    def probe(self, circuit: Circuit, now: float) -> Invocation:
        """Send the probe."""
        self.assertTrue(circuit.admits(now))
        invocation = call()
        circuit.enter(invocation, now)
        self.assertTrue(invocation.probe)
        return invocation

    def test_exactlyOne(self) -> None:
        """After the sleep window one call passes, and only one."""
        circuit = opened(100.0)
        self.assertFalse(circuit.admits(100.99))
        self.probe(circuit, 101.0)
        self.assertIs(circuit.state, State.HALF_OPEN)
        self.assertFalse(circuit.admits(101.0))
        self.assertFalse(circuit.admits(101.9))

    def test_success(self) -> None:
        """When the probe succeeds everything passes, and old failures are forgotten."""
        circuit = opened(100.0)
        probe = self.probe(circuit, 101.0)
        circuit.leave(probe, True, 101.1)
        self.assertFalse(probe.probe)
        report(circuit, 101.2, False, False, False)
        self.assertIs(circuit.state, State.CLOSED)

    def test_failure(self) -> None:
        """When the probe fails the whole sleep window begins again."""
        circuit = opened(100.0)
        circuit.leave(self.probe(circuit, 101.0), False, 101.5)
        self.assertIs(circuit.state, State.OPEN)
        self.assertFalse(circuit.admits(102.49))
        self.probe(circuit, 102.5)

    def test_notSent(self) -> None:
        """When the probe was never sent the next call is the probe, at once."""
        circuit = opened(100.0)
        circuit.leave(self.probe(circuit, 101.0), None, 101.1)
        self.assertIs(circuit.state, State.OPEN)
        self.probe(circuit, 101.1)

    def test_lost(self) -> None:
        """When the probe does not end, another may go after one more sleep window."""
        circuit = opened(100.0)
        lost = self.probe(circuit, 101.0)
        self.assertFalse(circuit.admits(101.99))
        second = self.probe(circuit, 102.0)
        circuit.leave(lost, True, 102.1)
        self.assertIs(circuit.state, State.HALF_OPEN)
        circuit.leave(second, True, 102.2)
        self.assertIs(circuit.state, State.CLOSED)

    def test_earlierCalls(self) -> None:
        """Calls from before it opened neither close it nor count as probe."""
        circuit = opened(100.0)
        circuit.leave(call(), True, 100.5)
        self.assertIs(circuit.state, State.OPEN)
        self.probe(circuit, 101.0)
        for result in (True, False, None):
            circuit.leave(call(), result, 101.1)
            self.assertIs(circuit.state, State.HALF_OPEN)


class SettingsTests(SynchronousTestCase):
    """What configuration forces, and what a change of it does."""

    def test_forceOpen(self) -> None:
        """Forced open it lets nothing pass, however long; also when it is not enabled."""
        for enabled in (True, False):
            circuit = Circuit(breaker(forceOpen=True, forceClosed=True, enabled=enabled))
            self.assertFalse(circuit.admits(1e9))
            self.assertIs(circuit.state, State.OPEN)
            self.assertEqual(circuit.explain(0.0), "forced open")

    def test_forceOpenEnds(self) -> None:
        """When the force is taken away calls pass again."""
        circuit = Circuit(breaker(forceOpen=True))
        circuit.use(breaker())
        self.assertIs(circuit.state, State.CLOSED)

    def test_forceClosed(self) -> None:
        """Forced closed it lets everything pass, and an open one closes."""
        circuit = opened()
        circuit.use(breaker(forceClosed=True))
        report(circuit, 100.0, *[False] * 50)
        self.assertIs(circuit.state, State.CLOSED)

    def test_sameSettings(self) -> None:
        """Taking the configuration in again changes nothing."""
        circuit = opened(100.0)
        circuit.use(breaker())
        self.assertFalse(circuit.admits(100.5))
        probe = call()
        circuit.enter(probe, 101.0)
        circuit.use(breaker())
        circuit.leave(probe, True, 101.1)
        self.assertIs(circuit.state, State.CLOSED)

    def test_newThresholds(self) -> None:
        """New thresholds hold from the next call on, over what was counted before."""
        circuit = Circuit(breaker(requestVolumeThreshold=100))
        report(circuit, 100.0, *[False] * 10)
        circuit.use(breaker())
        report(circuit, 100.0, False)
        self.assertIs(circuit.state, State.OPEN)

    def test_disabledWhileProbing(self) -> None:
        """The end of a probe that is none any more does no harm."""
        circuit = opened(100.0)
        probe = call()
        circuit.enter(probe, 101.0)
        circuit.use(breaker(enabled=False))
        circuit.leave(probe, False, 101.1)
        self.assertIs(circuit.state, State.CLOSED)


class ShownTests(SynchronousTestCase):
    """What people read."""

    def test_explain(self) -> None:
        """Each state says what the next call would meet."""
        circuit = Circuit(breaker())
        report(circuit, 100.0, True, False)
        self.assertEqual(circuit.explain(100.0), "closed (1 of 2 failed)")
        report(circuit, 100.0, False, False)
        self.assertEqual(circuit.explain(100.4), "open; next probe in 0.6 s")
        self.assertEqual(circuit.explain(101.0), "open; the next call is a probe")
        circuit.enter(call(), 101.0)
        self.assertIn("half open, a probe is under way", circuit.explain(101.0))

    def test_repr(self) -> None:
        """Logs show state and counts."""
        self.assertEqual(repr(opened()), "<Circuit OPEN 4/4 failed>")

    def test_fallback(self) -> None:
        """204 only where it was asked for."""
        null = FallbackPolicy("returnnull")
        statuses = [
            refusal(keeper, CIRCUIT_OPEN, "x").status
            for keeper in (
                BizKeeper(),
                BizKeeper(fallbackpolicy=null),
                BizKeeper(fallbackpolicy=null, fallback=Fallback(enabled=False)),
            )
        ]
        self.assertEqual(statuses, [0, 204, 0])


class Model:
    """The circuit again, slowly: a list of everything that happened."""

    volume, percentage, sleep = 4, 50, 2.0

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.results: list[tuple[float, bool]] = []
        self.retryAt = 0.0
        self.probe: object = None

    def admits(self, now: float) -> bool:
        return self.state is State.CLOSED or now >= self.retryAt

    def enter(self, which: object, now: float) -> None:
        if self.state is not State.CLOSED:
            self.state, self.probe, self.retryAt = State.HALF_OPEN, which, now + self.sleep

    def leave(self, which: object, success: bool | None, now: float) -> None:
        if which is self.probe:
            self.probe = None
            if success:
                self.state, self.results = State.CLOSED, []
            else:
                self.state = State.OPEN
                self.retryAt = now if success is None else now + self.sleep
        elif self.state is State.CLOSED and success is not None:
            self.results.append((now, success))
            recent = [s for at, s in self.results if int(at) > int(now) - WINDOW]
            bad = recent.count(False)
            if bad and len(recent) >= self.volume and bad * 100 >= len(recent) * self.percentage:
                self.state, self.retryAt = State.OPEN, now + self.sleep


class ModelTests(SynchronousTestCase):
    """The circuit against its model."""

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["call", "call", "good", "bad", "bad", "neither", "wait"]),
                st.integers(0, 12),
            ),
            max_size=80,
        )
    )
    def test_anyLife(self, steps: list[tuple[str, int]]) -> None:
        """Whatever happens, in whatever order, both agree on every call."""
        circuit = Circuit(breaker(sleepWindowInMilliseconds=2000))
        model, now, inFlight = Model(), 1000.0, []
        verdicts = {"good": True, "bad": False, "neither": None}
        for action, number in steps:
            now += number / 2 if action == "wait" else 0.0
            self.assertEqual(circuit.admits(now), model.admits(now))
            if action == "call" and circuit.admits(now):
                invocation = call()
                circuit.enter(invocation, now)
                model.enter(invocation, now)
                inFlight.append(invocation)
            elif action in verdicts and inFlight:
                invocation = inFlight.pop(number % len(inFlight))
                circuit.leave(invocation, verdicts[action], now)
                model.leave(invocation, verdicts[action], now)
            self.assertIs(circuit.state, model.state)
