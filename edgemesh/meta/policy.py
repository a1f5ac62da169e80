# -*- test-case-name: tests.meta.test_policy -*-
"""
The policies of a service port: routing, LB, QPS, Biz keeper, time limits.

They come from the ``policies`` part of the configuration and from
``edgemesh.io/`` annotations of the Service; :func:`policyFor` merges them.  The
Biz keeper's keys are go-chassis' own (``circuitBreaker.sleepWindowInMilliseconds``
and so on), so that a KubeEdge or ServiceComb user recognises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import msgspec

from edgemesh.meta.model import Service, ServicePort

Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
PerSecond = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
_PORT = "a port number from 1 to 65535"
PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65_535, description=_PORT)]
_PROTOCOL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
ProtocolName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A{_PROTOCOL}\Z", description="str that names a protocol (a-z, 0-9, -)"
    ),
]
_ProtocolOrNone = Annotated[
    str, msgspec.Meta(pattern=rf"\A({_PROTOCOL})?\Z", description="a protocol's name, or ''")
]
_TOKEN = r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]*\Z"
_TokenOrNone = Annotated[str, msgspec.Meta(pattern=_TOKEN, description="a field or cookie name")]
Balancing = Literal["roundrobin", "random", "leastrequest", "weighted", "consistenthash"]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the configuration: immutable, unknown keys are errors."""


class HashKey(Strict, frozen=True):
    """
    What consistent hashing looks at; exactly one of the three.

    :ivar header: name of a request header.
    :ivar cookie: name of a cookie.
    :ivar source: the caller's address.
    """

    header: _TokenOrNone = ""
    cookie: _TokenOrNone = ""
    source: bool = False

    def __post_init__(self) -> None:
        named = [key for key in ("header", "cookie", "source") if getattr(self, key)]
        if len(named) != 1:
            found = " and ".join(named) or "none of them"
            raise ValueError(f"expected exactly one of header, cookie, source, found {found}")


class LoadBalance(Strict, frozen=True):
    """
    How an endpoint is picked.

    :ivar policy: ``leastrequest`` is the power of two choices.
    :ivar weights: share of calls by ``address``, ``address:port`` or Pod name,
        for ``weighted``.
    :ivar localFirst: endpoints on this node are picked while any of them can
        take a call.
    """

    policy: Balancing = "roundrobin"
    hash: HashKey = HashKey(source=True)
    weights: dict[str, Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]] = {}
    localFirst: bool = True


class Limit(Strict, frozen=True):
    """
    A token bucket.

    :ivar limit: calls a second.
    :ivar burst: calls that may come at once.
    """

    limit: PerSecond
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

    protocol: _ProtocolOrNone = ""
    loadBalance: LoadBalance = LoadBalance()
    qps: QPS = QPS()
    bizKeeper: BizKeeper = BizKeeper()
    timeouts: Timeouts = Timeouts()
    retries: bool = True


#: A part of a Policy: only the keys that are set.
PolicyPatch = Mapping[str, Any]

#: These are replaced as a whole by a more specific patch; everything else key by key.
_WHOLE = frozenset({"hash", "weights"})

#: What a Service port's ``appProtocol`` means; any other value is a protocol's own name.
_APP_PROTOCOLS = {
    "https": "tls",
    "kubernetes.io/h2c": "grpc",
    "kubernetes.io/ws": "http",
    "kubernetes.io/wss": "tls",
}


def policyFor(policies: Mapping[str, PolicyPatch], service: Service, port: ServicePort) -> Policy:
    """
    The policy of one service port.

    From general to specific, each overriding the former key by key: ``*``,
    ``web.default``, ``web.default:80``, then the Service's annotations.

    :param policies: the ``policies`` part of the configuration, which was checked.
    """
    name = f"{service.name}.{service.namespace}"
    said = readAnnotations(service.annotations)
    merged: dict[str, Any] = {}
    for patch in (
        policies.get("*"),
        policies.get(name),
        policies.get(f"{name}:{port.port}"),
        said.patch,
        {"protocol": "tcp"} if port.port in said.opaquePorts else None,
    ):
        merged = _merged(merged, patch or {})
    if "qps" in merged:
        # An annotation may set a burst where nobody sets a limit: there is no bucket then.
        merged["qps"] = {
            side: limit for side, limit in merged["qps"].items() if limit and "limit" in limit
        }
    policy = msgspec.convert(merged, Policy)
    claimed = _APP_PROTOCOLS.get(port.appProtocol, port.appProtocol)
    return policy if policy.protocol else msgspec.structs.replace(policy, protocol=claimed)


@dataclass(frozen=True, slots=True)
class Annotations:
    """
    What the ``edgemesh.io/`` annotations of a Service say.

    :ivar patch: what they set, for every port of the Service.
    :ivar opaquePorts: ports that are plain TCP whatever the first bytes are.
    :ivar problems: one line for each annotation that cannot be used.
    """

    patch: PolicyPatch
    opaquePorts: frozenset[int]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One annotation: what people should write, its type, where in a Policy it goes."""

    expected: str
    kind: Any
    keys: tuple[str, ...]


_ANNOTATIONS = {
    "edgemesh.io/qps": _Reading("a number above 0", PerSecond, ("qps", "outbound", "limit")),
    "edgemesh.io/burst": _Reading("an int from 1", Count, ("qps", "outbound", "burst")),
    "edgemesh.io/inbound-qps": _Reading("a number above 0", PerSecond, ("qps", "inbound", "limit")),
    "edgemesh.io/inbound-burst": _Reading("an int from 1", Count, ("qps", "inbound", "burst")),
    "edgemesh.io/lb": _Reading(
        f"one of {', '.join(get_args(Balancing))}", Balancing, ("loadBalance", "policy")
    ),
    "edgemesh.io/protocol": _Reading("a protocol's name", ProtocolName, ("protocol",)),
    "edgemesh.io/timeout": _Reading("seconds above 0, to 86400", Seconds, ("timeouts", "response")),
    "edgemesh.io/retries": _Reading("one of true, false, 1, 0", bool, ("retries",)),
    "edgemesh.io/opaque-ports": _Reading(
        "port numbers with commas between", list[PortNumber], ("opaquePorts",)
    ),
}


def readAnnotations(annotations: Mapping[str, str]) -> Annotations:
    """Understand the annotations; one that is wrong is a problem and has no effect."""
    patch: dict[str, Any] = {}
    problems = []
    for key, text in annotations.items():
        reading = _ANNOTATIONS.get(key)
        if reading is None:
            continue
        parts = [part.strip() for part in text.split(",")]
        value: Any = parts if reading.keys == ("opaquePorts",) else text.strip()
        try:
            value = msgspec.convert(value, reading.kind, strict=False)
        except (msgspec.ValidationError, UnicodeEncodeError):
            problems.append(f"{key}: expected {reading.expected}, found {text[:60]!r}")
            continue
        for part in reversed(reading.keys):
            value = {part: value}
        patch = _merged(patch, value)
    opaque = frozenset(patch.pop("opaquePorts", ()))
    return Annotations(patch, opaque, tuple(problems))


def _merged(general: PolicyPatch, special: PolicyPatch) -> dict[str, Any]:
    """Both patches in one; where both say something, ``special`` is right."""
    merged = dict(general)
    for key, value in special.items():
        former = merged.get(key)
        if key not in _WHOLE and isinstance(value, Mapping) and isinstance(former, Mapping):
            value = _merged(former, value)
        merged[key] = value
    return merged
