# -*- test-case-name: tests.meta.test_policy -*-
"""
The policies of a service port: routing, LB, QPS, Biz keeper, time limits.

They come from the ``policies`` part of the configuration and from
``edgemesh.io/`` annotations of the Service; :func:`policyFor` merges them.  The
Biz keeper's keys are go-chassis' own (``circuitBreaker.sleepWindowInMilliseconds``
and so on), so that a KubeEdge or ServiceComb user recognises them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the configuration: immutable, unknown keys are errors."""


class HashKey(Strict, frozen=True):
    """
    What consistent hashing looks at; exactly one of the three.

    :ivar header: name of a request header.
    :ivar cookie: name of a cookie.
    :ivar source: the caller's address.
    """

    header: str = ""
    cookie: str = ""
    source: bool = False


class LoadBalance(Strict, frozen=True):
    """
    How an endpoint is picked.

    :ivar policy: ``leastrequest`` is the power of two choices.
    :ivar weights: share of calls by ``address``, ``address:port`` or Pod name,
        for ``weighted``.
    :ivar localFirst: endpoints on this node are picked while any of them can
        take a call.
    """

    policy: Literal["roundrobin", "random", "leastrequest", "weighted", "consistenthash"] = (
        "roundrobin"
    )
    hash: HashKey = HashKey(source=True)
    weights: dict[str, Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]] = {}
    localFirst: bool = True


class Limit(Strict, frozen=True):
    """
    A token bucket.

    :ivar limit: calls a second.
    :ivar burst: calls that may come at once.
    """

    limit: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    burst: Count = 1


class QPS(Strict, frozen=True):
    """
    Limits of calls; a side without a limit is unlimited.

    :ivar outbound: this node's calls to the service.
    :ivar inbound: all calls to the app on this node, from wherever.
    """

    outbound: Limit | None = None
    inbound: Limit | None = None


class CircuitBreaker(Strict, frozen=True):
    """When the circuit opens and how it closes (Hystrix semantics)."""

    enabled: bool = False
    forceOpen: bool = False
    forceClosed: bool = False
    sleepWindowInMilliseconds: Milliseconds = 15_000
    requestVolumeThreshold: Count = 20
    errorThresholdPercentage: Percent = 50


class Isolation(Strict, frozen=True):
    """A slower call is a failure; more calls at once are refused."""

    timeoutInMilliseconds: Milliseconds = 30_000
    maxConcurrentRequests: Count = 1_000


class Fallback(Strict, frozen=True):
    """Whether a refused call gets the fallback policy's answer."""

    enabled: bool = True


class FallbackPolicy(Strict, frozen=True):
    """``throwexception`` answers 503; ``returnnull`` answers 204."""

    policy: Literal["throwexception", "returnnull"] = "throwexception"


class BizKeeper(Strict, frozen=True):
    """
    Circuit breaking and isolation.

    :ivar scope: one circuit for each endpoint, or one for the service.
    """

    scope: Literal["endpoint", "service"] = "endpoint"
    circuitBreaker: CircuitBreaker = CircuitBreaker()
    isolation: Isolation = Isolation()
    fallback: Fallback = Fallback()
    fallbackpolicy: FallbackPolicy = msgspec.field(default=FallbackPolicy(), name="fallbackpolicy")


class Timeouts(Strict, frozen=True):
    """
    Time limits, in seconds.

    :ivar connect: for one attempt to connect to an endpoint.
    :ivar response: from the whole request to the answer's head.
    :ivar idle: without a byte in either direction: bodies, tunnels, TCP.
    """

    connect: Seconds = 1.5
    response: Seconds = 30.0
    idle: Seconds = 3600.0


class Policy(Strict, frozen=True):
    """
    Everything that is configured for a service port.

    :ivar protocol: the protocol to speak, whatever the first bytes say; empty
        to recognise it.
    :ivar retries: whether a call may be tried on a second endpoint.
    """

    protocol: str = ""
    loadBalance: LoadBalance = LoadBalance()
    qps: QPS = QPS()
    bizKeeper: BizKeeper = BizKeeper()
    timeouts: Timeouts = Timeouts()
    retries: bool = True
