# -*- test-case-name: tests.handlers.test_qps -*-
"""
The QPS controller: so many calls a second and no more.

Looking outbound it limits this node's calls to a Service: ports with the same limit
share it.  Looking inbound it limits all calls to the app on this node, which is one
port of the Service, whoever makes them.  A request counts once,
however often it is tried; of an opaque protocol every connection counts.  Knows
policies and the token bucket; nothing of endpoints or protocols.
"""

from __future__ import annotations

from copy import copy

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.errors import RATE_LIMITED, Refused
from edgemesh.handlers.bucket import TokenBucket
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.policy import Limit


@implementer(IStage)
class QPSStage:
    """
    The limit of one service port on one side.

    :ivar admitted: calls let pass; those given back later are not taken off,
        since a counter must not fall.
    :ivar refused: calls refused.
    """

    __slots__ = ("_detail", "_key", "admitted", "bucket", "refused")

    picks = False
    perAttempt = False

    def __init__(self, key: str, limit: Limit, bucket: TokenBucket | None) -> None:
        self.bucket = bucket or TokenBucket(limit.limit, limit.burst)
        self.admitted = 0
        self.refused = 0
        self._key = key
        self._detail = ""
        self.use(limit, bucket)

    def use(self, limit: Limit, bucket: TokenBucket | None) -> None:
        """
        Go on with another limit, at the level of the former one.

        :param bucket: the one that another port of the Service has for this limit.
        """
        former = self.bucket
        if bucket is not None:
            self.bucket = bucket
        elif (limit.limit, limit.burst) != (former.limit, former.burst):
            # A copy: another port of the Service may keep the former limit.
            self.bucket = copy(former)
            self.bucket.change(limit.limit, limit.burst)
        # Made here, because refusing must stay cheap just when calls are too many.
        self._detail = f"{self._key}: more than {limit.limit:g} calls a second"

    def decide(self, invocation: Invocation, now: float) -> None:
        if self.bucket.take(now):
            self.admitted += 1
            return
        self.refused += 1
        raise Refused(RATE_LIMITED, self._detail, retryAfter=self.bucket.wait(now))

    def release(self, invocation: Invocation, now: float) -> None:
        self.bucket.giveBack()

    def answered(self, invocation: Invocation, now: float) -> None:
        """A connection counted when it was admitted."""

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """How a call ends is not the limit's concern."""

    def explain(self, now: float) -> str:
        bucket = self.bucket
        return (
            f"{bucket.limit:g} calls a second, {bucket.burst} at once; "
            f"{max(0.0, bucket.level(now)):.1f} would pass now; "
            f"{self.admitted} admitted, {self.refused} refused"
        )

    def __repr__(self) -> str:
        return f"<QPSStage {self._key} {self.bucket!r}>"


@implementer(IPlugin, IHandler)
class QPSHandler:
    """Makes a stage for every service port that has a limit on this side."""

    name = "qps"

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        qps = route.policy.qps
        limit = qps.outbound if side is Side.OUTBOUND else qps.inbound
        if limit is None:
            return None
        shared = route.shared.get(limit) if side is Side.OUTBOUND else None
        if isinstance(former, QPSStage):
            # The very same stage, so that calls in flight give back to the right limit.
            stage = former
            stage.use(limit, shared)
        else:
            stage = QPSStage(route.key, limit, shared)
        if side is Side.OUTBOUND:
            route.shared[limit] = stage.bucket
        return stage
