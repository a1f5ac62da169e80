# -*- test-case-name: tests.demo.test_hops -*-
"""
The way of a call, told by what the node itself has written down.

``/chain`` says which handlers a call meets, in which order; the call's line in the
access log says which endpoint was picked and why it was refused, if it was.
Nothing here knows an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgemesh.demo.calls import Answer
from edgemesh.errors import CIRCUIT_OPEN, ISOLATED, NO_ENDPOINT, NO_ROUTE, RATE_LIMITED

#: Short names of the built-in handlers; a stranger's keeps its own.
_SHORT = {"loadbalance": "LB", "qps": "QPS", "bizkeeper": "Biz keeper"}
#: Which handler refuses for which reason.
_REFUSER = {
    NO_ROUTE.reason: "router",
    NO_ENDPOINT.reason: "loadbalance",
    RATE_LIMITED.reason: "qps",
    CIRCUIT_OPEN.reason: "bizkeeper",
    ISOLATED.reason: "bizkeeper",
}


@dataclass(frozen=True, slots=True)
class Hops:
    """
    Where a call came through.

    :ivar protocol: what its connection was recognised as.
    :ivar outbound: handlers between the calling app and the picked endpoint; the
        last one refused when ``endpoint`` is empty.
    :ivar inbound: handlers of the transport server in front of the endpoint.
    :ivar endpoint: ``ip:port`` that got the call, or empty.
    """

    protocol: str
    outbound: tuple[str, ...]
    inbound: tuple[str, ...]
    endpoint: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call with everything that is known of it; ``number`` counts from 1."""

    number: int
    answer: Answer
    hops: Hops


def hopsOf(chain: Mapping[str, Any], line: Mapping[str, Any]) -> Hops:
    """
    The way of one call.

    :param chain: the answer of ``/chain``.
    :param line: the call's line in the access log.
    """
    outbound = [stage["handler"] for stage in chain["outbound"]]
    inbound = [stage["handler"] for stage in chain["inbound"]]
    endpoint = line["upstream_host"]
    refuser = _REFUSER.get(line["response_flags"])
    if refuser is not None:
        outbound = outbound[: outbound.index(refuser) + 1]
        inbound, endpoint = [], ""
    return Hops(line["protocol"], _short(outbound), _short(inbound), endpoint)


def _short(handlers: Iterable[str]) -> tuple[str, ...]:
    return tuple(_SHORT.get(name, name) for name in handlers)
