# -*- test-case-name: tests.handlers.test_circuit -*-
"""
A circuit: it stops calls to what keeps failing, and lets one probe find out later.

::

                     volume and error percentage reached
            +--------+ ---------------------------------> +------+
       ---> | CLOSED |                                    | OPEN | <------+
            +--------+ <-----+                            +------+        |
                             |                               |            |
              probe succeeds |               sleep window is |            |
                             |               over: the next  |            |
                             |               call is a probe |            |
                             |                               v            |
                             |                         +-----------+      |
                             +------------------------ | HALF_OPEN | -----+
                                                       +-----------+
                 another sleep window without an end    |         ^   probe fails: sleep again;
                 of the probe: the next call is one     +---------+   probe not sent: probe at once

Calls are counted over ten seconds, in one-second steps.  Only the probe moves an
open circuit: a call that was admitted earlier says nothing about now.

Knows the Biz keeper's policy and Invocations by identity; nothing of endpoints.
"""

from __future__ import annotations

from enum import Enum

from edgemesh.errors import Failure, Refused
from edgemesh.invocation import Invocation
from edgemesh.meta.policy import BizKeeper, CircuitBreaker

#: Seconds over which calls are counted.
WINDOW = 10
_NO_COUNTERS: list[int] = []


class State(Enum):
    """Where a circuit stands."""

    CLOSED = "calls pass"
    OPEN = "calls are refused"
    HALF_OPEN = "a probe is under way"


#: A plain name: looking a member up in its Enum costs more than the rest of a check.
CLOSED = State.CLOSED


class RollingWindow:
    """
    Calls and failures of the last ten seconds, the running one included.

    :ivar volume: calls.
    :ivar failures: those of them that failed.
    """

    __slots__ = ("_calls", "_failures", "_next", "_second", "_step", "failures", "volume")

    def __init__(self) -> None:
        self._second = 0
        #: Of the running second: where it is counted, and when it is over.
        self._step = 0
        self.clear()

    def record(self, success: bool, now: float) -> None:
        """Count one call."""
        if now >= self._next:
            self._advance(int(now))
        self._calls[self._step] += 1
        self.volume += 1
        if not success:
            self._failures[self._step] += 1
            self.failures += 1

    def advance(self, now: float) -> None:
        """Forget what is too old now."""
        if now >= self._next:
            self._advance(int(now))

    def clear(self) -> None:
        """Forget everything."""
        # Of thousands of endpoints few are called: the next call makes the counters.
        self._calls = self._failures = _NO_COUNTERS
        self._next = 0
        self.volume = self.failures = 0

    def _advance(self, second: int) -> None:
        if self._calls is _NO_COUNTERS:
            self._calls = [0] * WINDOW
            self._failures = [0] * WINDOW
        for passed in range(max(self._second + 1, second - WINDOW + 1), second + 1):
            step = passed % WINDOW
            self.volume -= self._calls[step]
            self.failures -= self._failures[step]
            self._calls[step] = self._failures[step] = 0
        self._second = second
        self._step = second % WINDOW
        self._next = second + 1


class Circuit:
    """
    One scope's circuit, and how many requests are in flight in that scope.

    :ivar state: where it stands; what configuration forces shows here too.
    :ivar inFlight: requests, for isolation.
    """

    __slots__ = (
        "_armed",
        "_errorPercentage",
        "_probe",
        "_retryAt",
        "_sleep",
        "_volumeThreshold",
        "forcedOpen",
        "inFlight",
        "state",
        "window",
    )

    def __init__(self, settings: CircuitBreaker) -> None:
        self.state = CLOSED
        self.inFlight = 0
        self.forcedOpen = False
        self.window = RollingWindow()
        self._probe: Invocation | None = None
        self._retryAt = 0.0
        self.use(settings)

    def use(self, settings: CircuitBreaker) -> None:
        """Go on with other settings; state and window stay where those allow it."""
        forced = settings.forceOpen
        armed = settings.enabled and not settings.forceClosed
        self._armed = armed and not forced
        self._sleep = settings.sleepWindowInMilliseconds / 1000
        self._volumeThreshold = settings.requestVolumeThreshold
        self._errorPercentage = settings.errorThresholdPercentage
        if forced:
            self.state = State.OPEN
            self._probe = None
        elif self.forcedOpen or not armed:
            self._close()
        self.forcedOpen = forced

    def admits(self, now: float) -> bool:
        """Whether a call may pass now; takes nothing."""
        return self.state is CLOSED or (now >= self._retryAt and not self.forcedOpen)

    def enter(self, invocation: Invocation, now: float) -> None:
        """
        A call that :meth:`admits` let pass goes on its way.

        It becomes the probe when the circuit is not closed.
        """
        if self.state is not CLOSED:
            self.state = State.HALF_OPEN
            self._probe = invocation
            self._retryAt = now + self._sleep
            invocation.probe = True

    def leave(self, invocation: Invocation, success: bool | None, now: float) -> None:
        """
        A call ended.

        :param success: None when its end says nothing about the scope.
        """
        if self._probe is invocation:
            self._probed(invocation, success, now)
        elif self._armed and self.state is CLOSED and success is not None:
            window = self.window
            window.record(success, now)
            if window.failures and self._shouldOpen():
                self._open(now + self._sleep)

    def untilProbe(self, now: float) -> float:
        """Seconds until a probe may be sent; endless while it is forced open."""
        return float("inf") if self.forcedOpen else max(0.0, self._retryAt - now)

    def explain(self, now: float) -> str:
        """A few words for ``/chain``."""
        if self.forcedOpen:
            return "forced open"
        if self.state is CLOSED:
            self.window.advance(now)
            return f"closed ({self.window.failures} of {self.window.volume} failed)"
        kind = "open" if self.state is State.OPEN else "half open, a probe is under way"
        wait = self.untilProbe(now)
        return f"{kind}; " + (f"next probe in {wait:.1f} s" if wait else "the next call is a probe")

    def _shouldOpen(self) -> bool:
        window = self.window
        return (
            window.volume >= self._volumeThreshold
            and window.failures * 100 >= window.volume * self._errorPercentage
        )

    def _probed(self, invocation: Invocation, success: bool | None, now: float) -> None:
        invocation.probe = False
        if success:
            self._close()
        else:
            # A probe that found out nothing leaves its turn to the next call.
            self._open(now if success is None else now + self._sleep)

    def _open(self, retryAt: float) -> None:
        self.state = State.OPEN
        self._probe = None
        self._retryAt = retryAt

    def _close(self) -> None:
        self.state = CLOSED
        self._probe = None
        self.window.clear()

    def __repr__(self) -> str:
        window = self.window
        return f"<Circuit {self.state.name} {window.failures}/{window.volume} failed>"


def refusal(
    keeper: BizKeeper, failure: Failure, detail: str, *, endpointOnly: bool = False
) -> Refused:
    """The refusal that the fallback policy asks for: the failure's own status, or 204."""
    null = keeper.fallback.enabled and keeper.fallbackpolicy.policy == "returnnull"
    return Refused(failure, detail, status=204 if null else 0, endpointOnly=endpointOnly)
