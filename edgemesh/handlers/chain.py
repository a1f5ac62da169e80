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
picks, until a call passes or no endpoint is left.  The caller then learns why the
last endpoint refused.

An Invocation remembers the very stages that decided it, so a change of
configuration while it is in flight settles it where it was taken.  Another
attempt is decided by what is composed by then.

A stage that raises anything but Refused has a defect: it is logged, the call is
refused as ``INTERNAL``, and what others took is given back all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from twisted.logger import Logger
from twisted.python.failure import Failure

from edgemesh.errors import INTERNAL, NO_ENDPOINT, ConfigurationError, Refused
from edgemesh.handlers.composition import Composer, Composition, Stages
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IRouter, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Metadata

log = Logger()


class Chain:
    """
    One direction's handlers, composed for every service port.

    :param side: which way it looks.
    :param handlers: in order, each name once.  An outbound chain's first handler
        is a router.
    """

    def __init__(self, side: Side, handlers: Sequence[IHandler]) -> None:
        self.side = side
        self._composer = Composer(side)
        self._composed: Mapping[str, Stages] = {}
        self._find: Callable[[Invocation], Route] | None = None
        self.useHandlers(handlers)

    def useHandlers(self, handlers: Sequence[IHandler]) -> None:
        """Take other handlers, or another order; :meth:`apply` makes it effective."""
        where = f"handlers.{self.side.name.lower()}"
        if self.side is Side.OUTBOUND and not (handlers and IRouter.providedBy(handlers[0])):
            raise ConfigurationError(f"{where}: expected a router first")
        names = [handler.name for handler in handlers]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"{where}: expected each handler once, found {name} again")
        self._composer.handlers = tuple(handlers)

    def apply(self, routes: Mapping[str, Route], metadata: Metadata) -> None:
        """Compose again, with immediate effect; see :meth:`compose`."""
        self.use(self.compose(routes, metadata))

    def compose(
        self,
        routes: Mapping[str, Route],
        metadata: Metadata,
        keys: Sequence[str] | None = None,
    ) -> Composition:
        """
        Compose again for these service ports; stages of what still exists keep their state.

        Nothing is in force before :meth:`use`, so a handler that fails here leaves
        the former composition as it was.

        :param routes: every service port.
        :param keys: of those that came, changed or went since the composition in force;
            None for all.
        """
        return self._composer.compose(routes, metadata, keys)

    def use(self, composition: Composition) -> None:
        """Put a composition in force: the very next call passes it."""
        self._composer.use(composition)
        self._composed = self._composer.stages
        self._find = self._composer.find

    def stagesOf(self, key: str) -> Stages:
        """The stages of one service port, in order; for ``/chain``."""
        return self._composed.get(key, ())

    def walk(self, key: str) -> Iterator[tuple[IHandler, IStage | None]]:
        """Every handler in order, with its stage for one service port; for ``/chain``."""
        yield from self._composer.walk(key)

    def find(self, invocation: Invocation) -> None:
        """Ask the router for the service port; fill in ``invocation.route``."""
        assert self._find is not None
        invocation.route = self._find(invocation)

    def decide(self, invocation: Invocation, now: float) -> Stages:
        """
        Run the stages for ``invocation.route``.

        :return: the stages that have now taken something; for :func:`settle`.
        :raise Refused: nothing is taken then.
        """
        route = invocation.route
        assert route is not None
        stages = self._composed[route.key]
        # Hot: what _run does, without another call.
        try:
            for stage in stages:
                stage.decide(invocation, now)
        except Exception as problem:
            _goOn(stages, _placeOf(stage, stages), problem, invocation, now)
        return stages

    def again(self, kept: Stages, invocation: Invocation, now: float) -> Stages:
        """
        Decide another attempt, by what is composed now.

        :param kept: what :func:`endAttempt` left; those have let this call pass already.
        :return: these and the stages that have now taken something.
        :raise Refused: nothing more is taken; ``kept`` is still to be settled.
        """
        assert invocation.route is not None
        stages = self._composed.get(invocation.route.key)
        if stages is None:
            raise noEndpoint(invocation.route, "the service port is gone")
        again = tuple(stage for stage in stages if stage.perAttempt)
        _run(again, invocation, now)
        return kept + again


def _run(stages: Stages, invocation: Invocation, now: float) -> None:
    """Let every stage decide; when one cannot, give back or go on with another endpoint."""
    # Most calls pass at once, and need nobody to count how far they came.
    try:
        for stage in stages:
            stage.decide(invocation, now)
    except Exception as problem:
        _goOn(stages, _placeOf(stage, stages), problem, invocation, now)


def _placeOf(stage: IStage, stages: Stages) -> int:
    """Its position; whatever a stage takes for equal to itself."""
    return next(at for at, one in enumerate(stages) if one is stage)


def _goOn(
    stages: Stages, refuser: int, problem: Exception, invocation: Invocation, now: float
) -> None:
    """One stage would not decide: give back, or go on with another endpoint until all do."""
    aside: Refused | None = None
    while True:
        if not isinstance(problem, Refused):
            _fail(stages, refuser, problem, invocation, now)
        # When nobody else is left, what the last endpoint said counts.
        cause = aside if aside is not None and stages[refuser].picks else problem
        begin = _back(stages, refuser, invocation, cause, now)
        aside = cause
        try:
            for refuser in range(begin, len(stages)):
                stages[refuser].decide(invocation, now)
            return
        except Exception as another:
            problem = another


def _fail(
    stages: Stages, position: int, defect: Exception, invocation: Invocation, now: float
) -> NoReturn:
    """Give back what the stages before a broken one took; refuse the call."""
    stage = stages[position]
    reason = Failure(defect)  # type: ignore[no-untyped-call]
    log.failure("{stage!r} could not decide {call!r}", reason, stage=stage, call=invocation)
    release(stages[:position], invocation, now)
    raise Refused(INTERNAL, f"{stage!r} failed") from defect


def _back(
    stages: Stages, refuser: int, invocation: Invocation, refusal: Refused, now: float
) -> int:
    """Release what was taken; return where to go on, or raise the refusal."""
    for position in range(refuser - 1, -1, -1):
        stages[position].release(invocation, now)
        if refusal.endpointOnly and stages[position].picks and _putAside(invocation):
            return position
    refusal.endpointOnly = False
    raise refusal


def _putAside(invocation: Invocation) -> bool:
    """Try the picked endpoint no more; False when it should not have been picked."""
    endpoint = invocation.endpoint
    assert endpoint is not None
    if endpoint in invocation.tried:
        # A stage that picks what was tried already must not keep us here for ever.
        return False
    invocation.tried += (endpoint,)
    return True


def settle(stages: Stages, invocation: Invocation, outcome: Outcome, now: float) -> None:
    """Tell every stage how the call ended, last one first."""
    for stage in reversed(stages):
        try:
            stage.settle(invocation, outcome, now)
        except Exception:
            # One stage's defect must not keep what the others took.
            log.failure("{stage!r} could not settle {call!r}", stage=stage, call=invocation)


def endAttempt(stages: Stages, invocation: Invocation, outcome: Outcome, now: float) -> Stages:
    """Settle the stages that count attempts; return the others."""
    settle(tuple(stage for stage in stages if stage.perAttempt), invocation, outcome, now)
    return tuple(stage for stage in stages if not stage.perAttempt)


def release(stages: Stages, invocation: Invocation, now: float) -> None:
    """Give back what every stage took, last one first."""
    for stage in reversed(stages):
        try:
            stage.release(invocation, now)
        except Exception:
            log.failure("{stage!r} could not release {call!r}", stage=stage, call=invocation)


def noEndpoint(route: Route, detail: str) -> Refused:
    """The refusal of a service port that has nobody to take a call."""
    return Refused(NO_ENDPOINT, f"{route.key}: {detail}")
