"""Calls as the demo knows them, for its tests."""

from __future__ import annotations

from dataclasses import replace

from edgemesh.demo.calls import Answer
from edgemesh.demo.hops import Call, Hops

ANSWER = Answer("demo-1", 200, "", "", "b-1", "1.1 edgemesh", 1.25, 10.0)
REFUSED = replace(ANSWER, status=429, reason="RL", retryAfter="1", app="", via="")
HOPS = Hops("http", ("router", "LB", "QPS", "Biz keeper"), ("QPS",), "127.0.0.1:8001")
STOPPED = Hops("http", ("router", "LB", "QPS"), (), "")


def call(number: int, answer: Answer = ANSWER, hops: Hops = HOPS) -> Call:
    """One call."""
    return Call(number, answer, hops)


def line(identity: str, reason: str = "", endpoint: str = "127.0.0.1:8001") -> dict[str, str]:
    """A line of the access log, as far as the demo reads it."""
    return {
        "request_id": identity,
        "protocol": "http",
        "response_flags": reason,
        "upstream_host": endpoint,
    }


#: As ``/chain`` answers.
CHAIN = {
    "outbound": [
        {"handler": name, "explain": ""} for name in ("router", "loadbalance", "qps", "bizkeeper")
    ],
    "inbound": [{"handler": "qps", "explain": ""}],
}
