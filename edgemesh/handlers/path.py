# -*- test-case-name: tests.handlers.test_path -*-
"""
A call's whole way through the chains, and the one place where it ends.

A server class meets a :class:`CallPath` and nothing else of the handlers.
Behind an interceptor the first chain is the outbound one; a call to an endpoint
on this node then passes the transport server's inbound chain in the process.
On a transport server's own listening address the first chain only finds the
service and picks an endpoint of this node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, Protocol

from edgemesh.errors import Failure, Refused
from edgemesh.handlers.chain import Chain, endAttempt, noEndpoint, release, settle
from edgemesh.handlers.routes import Route
from edgemesh.invocation import Destination, Invocation, Outcome

#: A plain name: looking a member up in its Enum is slow.
_LOCAL = Destination.LOCAL


class Ended(Protocol):
    """Who is told of every call that ended: metrics, access log."""

    def callEnded(self, invocation: Invocation, outcome: Outcome) -> None:
        """Count it, write it down."""


class RetryBudget:
    """
    Retries may be 20 % of the calls, and 10 a second besides.

    Every call puts in a fifth of a token, every second ten; a retry takes one.
    At most ``cap`` are kept, so that a quiet service cannot save up a storm.
    """

    __slots__ = ("_since", "_tokens", "cap")

    share = 0.2
    perSecond = 10.0

    def __init__(self, now: float, cap: float = 500.0) -> None:
        self.cap = cap
        self._tokens = 20.0
        self._since = now

    def called(self) -> None:
        """A call came."""
        # It may get a little over the cap; whoever takes sees to that.
        if self._tokens < self.cap:
            self._tokens += self.share

    def take(self, now: float) -> bool:
        """Whether a retry may be made; takes its token."""
        elapsed = max(0.0, now - self._since)
        self._tokens = min(self.cap, self._tokens + elapsed * self.perSecond)
        self._since = now
        # Sums of floats may miss a whole token by a little.
        if self._tokens < 1.0 - 1e-6:
            return False
        self._tokens -= 1.0
        return True


class CallPath:
    """
    Decide calls, settle them, report them.

    :param first: the outbound chain, or what finds a local endpoint.
    :param inbound: the transport servers' chain; passed when the endpoint is on
        this node.
    :param observers: told of every call that ended.
    :param finder: the chain whose router finds the service port, when ``first`` has none.
    """

    def __init__(
        self,
        first: Chain,
        inbound: Chain,
        observers: tuple[Ended, ...] = (),
        finder: Chain | None = None,
    ) -> None:
        self.first = first
        self._finder = finder or first
        self.inbound = inbound
        self._observers = observers
        self._budgets: dict[str, RetryBudget] = {}

    def retain(self, routes: Mapping[str, Route]) -> None:
        """Forget the retry budgets of service ports that are gone."""
        self._budgets = {key: b for key, b in self._budgets.items() if key in routes}

    def decide(self, invocation: Invocation, now: float) -> None:
        """
        Find the service port and an endpoint for the call.

        :raise Refused: nothing is taken then; :meth:`finish` is still due.
        """
        self._finder.find(invocation)
        invocation.stages = self.first.decide(invocation, now)
        if invocation.endpoint is None:
            self._nobodyPicked(invocation, now)
        invocation.attempts = 1
        if invocation.destination is _LOCAL:
            try:
                invocation.inboundStages = self.inbound.decide(invocation, now)
            except Refused:
                release(invocation.stages, invocation, now)
                invocation.stages = ()
                raise
        route = invocation.route
        assert route is not None
        budget = self._budgets.get(route.key)
        if budget is None:
            budget = self._budgets[route.key] = RetryBudget(now)
        budget.called()

    def _nobodyPicked(self, invocation: Invocation, now: float) -> NoReturn:
        """The configured chain has no LB, nor anything in its place."""
        self.release(invocation, now)
        assert invocation.route is not None
        raise noEndpoint(invocation.route, "no handler of the chain picks an endpoint")

    def mayRetry(self, invocation: Invocation, now: float) -> bool:
        """Whether policy and budget let this call be tried once more; takes from the budget."""
        route = invocation.route
        if invocation.attempts != 1 or route is None or not route.policy.retries:
            return False
        # The service port may have gone since the call was decided.
        budget = self._budgets.get(route.key)
        return budget is not None and budget.take(now)

    def retry(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """
        End the first attempt and pick another endpoint.

        Stages that count attempts learn the outcome and decide again; the others
        (the QPS controller) have let this call pass already.

        :param outcome: how the attempt failed.
        :raise Refused: nobody else can take it; :meth:`finish` is still due.
        """
        entered = invocation.inboundStages
        inbound = invocation.inboundStages = endAttempt(entered, invocation, outcome, now)
        kept = invocation.stages = endAttempt(invocation.stages, invocation, outcome, now)
        invocation.attempts += 1
        invocation.attempted = now
        if invocation.endpoint is not None:
            invocation.tried += (invocation.endpoint,)
        stages = self.first.again(kept, invocation, now)
        if invocation.destination is _LOCAL:
            try:
                if entered:
                    invocation.inboundStages = self.inbound.again(inbound, invocation, now)
                else:
                    invocation.inboundStages = self.inbound.decide(invocation, now)
            except Refused:
                release(stages[len(kept) :], invocation, now)
                raise
        invocation.stages = stages

    def release(self, invocation: Invocation, now: float) -> None:
        """The call does not happen after all: give everything back, report nothing."""
        release(invocation.inboundStages, invocation, now)
        release(invocation.stages, invocation, now)
        invocation.inboundStages = invocation.stages = ()

    def answered(self, invocation: Invocation, now: float) -> None:
        """The first byte of an opaque connection or tunnel came back."""
        for stage in invocation.stages + invocation.inboundStages:
            stage.answered(invocation, now)

    def finish(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """The call ended, well or not, or was refused: settle and report it, once."""
        # What came in later is left first; in one go, since both are tuples.
        settle(invocation.stages + invocation.inboundStages, invocation, outcome, now)
        invocation.inboundStages = invocation.stages = ()
        for observer in self._observers:
            observer.callEnded(invocation, outcome)


def failed(failure: Failure, invocation: Invocation, now: float, status: int = 0) -> Outcome:
    """The outcome of a call that failed without an answer from the endpoint."""
    return Outcome(status or failure.http, failure, now - invocation.started)
