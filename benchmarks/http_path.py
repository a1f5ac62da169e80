#!/usr/bin/env python3
"""
What an HTTP request costs inside the node: CPU time, or instructions, per request.

A caller's connection and an endpoint's are objects in memory, so that neither the
kernel nor the reactor is measured; everything between them is the node's own: server,
both chains with every policy on, transport client, metrics.  Each request has seven
fields, a path and trace IDs of its own.

Run from a checkout, with edgemesh installed::

    python benchmarks/http_path.py                  # microseconds of CPU time
    python benchmarks/http_path.py --count          # instructions, by valgrind
    python benchmarks/http_path.py --against OTHER  # alternate with another checkout

Time on a busy machine moves by a tenth and more; instructions hardly move, and are
what two versions should be compared by.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic, process_time
from typing import Any

sys.path.insert(0, os.environ.get("CHECKOUT") or str(Path(__file__).resolve().parents[1]))

from edgemesh.handlers.bizkeeper import BizKeeperHandler
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.path import CallPath
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import Side
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import QPS, BizKeeper, CircuitBreaker, Limit, Policy
from edgemesh.metrics import Metrics
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Accepted, Mesh
from edgemesh.protocols.sweep import Sweep

REQUEST = (
    b"GET /r/%d HTTP/1.1\r\nHost: w\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b"Accept: application/json\r\nAccept-Encoding: gzip\r\nX-Request-Id: 7f3c-%d\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920%04d-01\r\n"
    b"Cookie: session=abcdef\r\n\r\n"
)
BODY = b"hello world hello world hello world\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\nX-A: b\r\n\r\n%s"
    % (len(BODY), BODY)
)
KEY = "w.default:80"
LIMIT = Limit(limit=1_000_000, burst=100_000)
EVERYTHING = Policy(
    qps=QPS(outbound=LIMIT, inbound=LIMIT),
    bizKeeper=BizKeeper(circuitBreaker=CircuitBreaker(enabled=True)),
)


class Peer:
    """A transport that takes everything."""

    protocol: Any = None
    bufferSize = 65_536

    def __init__(self) -> None:
        self.taken = 0

    def write(self, data: bytes) -> None:
        self.taken += len(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """It never asks anybody to wait."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no delay."""


class Reactor:
    """Connects at once, and keeps the protocols that were made."""

    seconds = staticmethod(monotonic)

    def __init__(self) -> None:
        self.dialled: list[Any] = []

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:
        protocol = factory.buildProtocol(None)
        self.dialled.append(protocol)
        protocol.makeConnection(Peer())


def serve(reactor: Any) -> Any:
    """A caller's connection to a service with one endpoint on this node."""
    port = ServicePort(80)
    metadata = Metadata(
        services={("default", "w"): Service("default", "w", (port,))},
        endpoints={KEY: (Endpoint("10.1.0.1", 8080),)},
    )
    routes = RouteTable("node").apply(metadata, lambda service, port: EVERYTHING)
    outbound = Chain(
        Side.OUTBOUND,
        [RouterHandler(), LoadBalanceHandler(), QPSHandler(), BizKeeperHandler()],
    )
    inbound = Chain(Side.INBOUND, [QPSHandler()])
    for chain in (outbound, inbound):
        chain.apply(routes, metadata)
    metrics = Metrics()
    path = CallPath(outbound, inbound, (metrics,))
    requests, connections = Sweep(reactor, 0.1), Sweep(reactor, 1.0)
    mesh = Mesh(reactor, monotonic, path, requests, connections, Limits(), metrics, {})
    mesh.clients["http"] = HTTP.client(mesh)
    server = HTTP.server(Accepted(mesh, KEY, False, "192.0.2.1"))
    server.makeConnection(Peer())  # type: ignore[arg-type]
    return server


def run(requests: Iterable[bytes]) -> None:
    """Pass these requests and their answers through the node."""
    reactor = Reactor()
    server = serve(reactor)
    server.dataReceived(next(iter(requests)))
    (upstream,) = reactor.dialled
    upstream.dataReceived(ANSWER)
    ask, answer = server.dataReceived, upstream.dataReceived
    for request in requests:
        ask(request)
        answer(ANSWER)
    assert len(reactor.dialled) == 1 and upstream.transport.taken > 400, "not forwarded"


def makeRequests(count: int) -> list[bytes]:
    """So many requests; no two are equal."""
    return [REQUEST % (number, number, number % 10_000) for number in range(count)]


def microseconds(count: int = 5_000, rounds: int = 7) -> float:
    """CPU time of one request, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        requests = makeRequests(count)
        began = process_time()
        run(requests)
        best = min(best, process_time() - began)
    return best / count * 1e6


def instructions() -> float:
    """Instructions of one request: what a longer run has more than a shorter one."""
    few, many = 1_000, 3_000
    runs = [_counted(few), _counted(many)]
    counts = []
    for started in runs:
        _, told = started.communicate()
        counts.append(int(re.findall(r"I\s+refs:\s+([\d,]+)", told)[0].replace(",", "")))
    return (counts[1] - counts[0]) / (many - few)


def _counted(count: int) -> subprocess.Popen[str]:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    return subprocess.Popen(
        [*command, sys.executable, __file__, "--run", str(count)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )


def against(other: str, rounds: int = 5) -> None:
    """Alternate with another checkout; show both."""
    figures: dict[str, list[float]] = {"this": [], "other": []}
    for _ in range(rounds):
        for name, checkout in (("other", other), ("this", "")):
            told = subprocess.run(
                [sys.executable, __file__, "--figure"],
                env={**os.environ, "CHECKOUT": checkout},
                capture_output=True,
                text=True,
                check=True,
            )
            figures[name].append(float(told.stdout))
    for name in ("other", "this"):
        line = " ".join(f"{figure:6.1f}" for figure in figures[name])
        print(f"{name:<6} best {min(figures[name]):6.1f} us of {line}")


def main() -> None:
    """Do what the options say."""
    options = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    options.add_argument("--count", action="store_true", help="count instructions instead")
    options.add_argument("--against", metavar="CHECKOUT", help="alternate with another checkout")
    options.add_argument("--run", type=int, help=argparse.SUPPRESS)
    options.add_argument("--figure", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.run:
        run(makeRequests(chosen.run))
    elif chosen.figure:
        print(microseconds(rounds=3))
    elif chosen.against:
        against(chosen.against)
    elif chosen.count:
        print(f"{instructions():,.0f} instructions a request")
    else:
        print(f"{microseconds():.1f} us of CPU time a request")


if __name__ == "__main__":
    main()
