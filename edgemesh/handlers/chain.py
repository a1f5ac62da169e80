# -*- test-case-name: tests.handlers.test_chain -*-
"""
The handler chain: the design's picture, in the design's order.

::

    outbound   router -> LB -> QPS controller -> Biz keeper -> transport client
    inbound                    QPS controller               -> transport client -> app

A chain is a router and, for each service port, a tuple of stages that was
composed when configuration changed.  A call passes it synchronously:
:meth:`Chain.decide` runs the stages in order; when one refuses, what the earlier
ones took is given back in reverse order.  When one refuses for this endpoint
only, the endpoint is put aside and the chain goes on again at the stage that
picks, until a call passes or no endpoint is left.

An Invocation remembers the very stages that decided it, so a change of
configuration while it is in flight settles it where it was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgemesh.errors import NO_ENDPOINT, ConfigurationError, Refused
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IRouter, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Metadata

_Stages = tuple[IStage, ...]


class Chain:
    """
    One direction's handlers, composed for every service port.

    :param side: which way it looks.
    :param handlers: in order.  An outbound chain's first handler is a router.
    """

    def __init__(self, side: Side, handlers: Sequence[IHandler]) -> None:
        self.side = side
        self._handlers: tuple[IHandler, ...] = ()
        self._composed: dict[str, _Stages] = {}
        self._byHandler: dict[tuple[str, str], IStage] = {}
        self._find: Callable[[Invocation], Route] | None = None
        self.useHandlers(handlers)

    def useHandlers(self, handlers: Sequence[IHandler]) -> None:
        """Take other handlers, or another order; :meth:`apply` makes it effective."""
        if self.side is Side.OUTBOUND and not (handlers and IRouter.providedBy(handlers[0])):
            raise ConfigurationError("handlers.outbound: expected a router first")
        self._handlers = tuple(handlers)

    def apply(self, routes: Mapping[str, Route], metadata: Metadata) -> None:
        """Compose again for these service ports; stages of what still exists keep their state."""
        former, self._byHandler = self._byHandler, {}
        composed: dict[str, _Stages] = {}
        for key, route in routes.items():
            stages = []
            for handler in self._handlers:
                stage = handler.compose(route, self.side, former.get((key, handler.name)))
                if stage is not None:
                    self._byHandler[key, handler.name] = stage
                    stages.append(stage)
            composed[key] = tuple(stages)
        self._composed = composed
        if self._handlers and IRouter.providedBy(self._handlers[0]):
            self._find = self._handlers[0].index(routes, metadata)

    def stagesOf(self, key: str) -> _Stages:
        """The stages of one service port, in order; for ``/chain``."""
        return self._composed.get(key, ())

    def find(self, invocation: Invocation) -> None:
        """Ask the router for the service port; fill in ``invocation.route``."""
        assert self._find is not None
        invocation.route = self._find(invocation)

    def decide(self, invocation: Invocation, now: float) -> _Stages:
        """
        Run the stages for ``invocation.route``.

        :return: the stages that have now taken something; for :meth:`settle`.
        :raise Refused: nothing is taken then.
        """
        assert invocation.route is not None
        stages = self._composed[invocation.route.key]
        self._run(stages, invocation, now)
        return stages

    def retry(
        self, stages: _Stages, invocation: Invocation, outcome: Outcome, now: float
    ) -> _Stages:
        """
        End an attempt and pick another endpoint.

        Stages that count attempts learn the outcome and decide again; the others
        (the QPS controller) have let this call pass already.

        :raise Refused: the attempt is over, and only the stages that do not
            count attempts are still to be settled.
        """
        again = tuple(stage for stage in stages if stage.perAttempt)
        for stage in reversed(again):
            stage.settle(invocation, outcome, now)
        endpoint = invocation.endpoint
        if endpoint is not None:
            invocation.tried += (endpoint,)
        self._run(again, invocation, now)
        return stages

    def _run(self, stages: _Stages, invocation: Invocation, now: float) -> None:
        position = 0
        while position < len(stages):
            try:
                stages[position].decide(invocation, now)
            except Refused as refusal:
                position = self._back(stages, position, invocation, refusal, now)
            else:
                position += 1

    def _back(
        self, stages: _Stages, refuser: int, invocation: Invocation, refusal: Refused, now: float
    ) -> int:
        """Release what was taken; return where to go on, or raise the refusal."""
        for position in range(refuser - 1, -1, -1):
            stages[position].release(invocation, now)
            if refusal.endpointOnly and stages[position].picks:
                assert invocation.endpoint is not None
                invocation.tried += (invocation.endpoint,)
                if len(invocation.tried) >= _distinctEndpoints(invocation):
                    refusal.endpointOnly = False
                    continue
                return position
        raise refusal


def _distinctEndpoints(invocation: Invocation) -> int:
    assert invocation.route is not None
    return len(invocation.route.endpoints)


def settle(stages: _Stages, invocation: Invocation, outcome: Outcome, now: float) -> None:
    """Tell every stage how the call ended, last one first."""
    for stage in reversed(stages):
        stage.settle(invocation, outcome, now)


def release(stages: _Stages, invocation: Invocation, now: float) -> None:
    """Give back what every stage took, last one first."""
    for stage in reversed(stages):
        stage.release(invocation, now)


def noEndpoint(route: Route, detail: str) -> Refused:
    """The refusal of a service port that has nobody to take a call."""
    return Refused(NO_ENDPOINT, f"{route.key}: {detail}")
