#!/usr/bin/env python3
"""
What the name server costs: added latency of forwarded names, and local names a second.

An upstream server (twenty lines, on loopback) answers every name at once.  A client
asks it directly and through the name server, in turn, one name after the other: each
name once (nothing is cached) and then one name again and again (cached).  Then the
name server is kept busy with names of the mesh by eight callers at once.

Run from a checkout, with edgemesh installed::

    python benchmarks/dns.py

Exit status 0 when forwarding adds less than 2 ms at the median.  Everything stays on
loopback and ends by itself.
"""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

NAMES, LOCAL, CALLERS, BOUND = 2_000, 20_000, 8, 0.002

UPSTREAM = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    data, caller = server.recvfrom(4096)
    end = data.index(b"\\0", 12) + 5
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc0\\0\\2\\1"
    head = data[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0"
    server.sendto(head + data[12:end] + record, caller)
"""

SERVER = """
import sys
from ipaddress import IPv4Network
from twisted.internet import reactor
from edgemesh.dns.addresses import readAddress
from edgemesh.dns.cache import Cache
from edgemesh.dns.forward import Forwarder
from edgemesh.dns.server import NameServer
from edgemesh.dns.upstream import Upstream
from edgemesh.dns.virtual import MemoryListenerRows, VirtualAddresses
from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Metadata, Service, ServicePort
services = {
    ("default", f"s{n}"): Service(
        "default", f"s{n}", (ServicePort(80),), (f"10.96.{n >> 8}.{n & 255}",)
    )
    for n in range(10_000)
}
upstream = Upstream(reactor, readAddress(sys.argv[1]))
server = NameServer(
    reactor, [readAddress("127.0.0.1:0")], MemoryMetaSource(Metadata(services)),
    VirtualAddresses(IPv4Network("198.18.0.0/15"), MemoryListenerRows()),
    Forwarder(reactor, [upstream], Cache(8_000_000, 86_400.0)),
)
server.startService()
print(server.listening[0].port, flush=True)
reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
reactor.run()
"""


def query(number: int, name: str) -> bytes:
    """A query for an A record."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return number.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def begin(*command: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server that prints its port."""
    started = subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.PIPE)
    assert started.stdout is not None
    return started, int(started.stdout.readline())


def asked(client: socket.socket, number: int, name: str) -> float:
    """Seconds until the answer."""
    began = time.perf_counter()
    client.send(query(number, name))
    reply = client.recv(4096)
    took = time.perf_counter() - began
    if reply[:2] != number.to_bytes(2, "big") or reply[3] & 15 or not reply[7]:
        raise SystemExit(f"no answer to {name}: {reply!r}")
    return took


def connected(port: int) -> socket.socket:
    """A caller."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    return client


def latencies(direct: socket.socket, through: socket.socket) -> dict[str, list[float]]:
    """Direct, forwarded and cached, in turn, so that whatever else goes on meets all three."""
    took: dict[str, list[float]] = {"direct": [], "forwarded": [], "cached": []}
    for number in range(NAMES):
        took["direct"].append(asked(direct, number, f"n{number}.example"))
        took["forwarded"].append(asked(through, number, f"n{number}.example"))
        took["cached"].append(asked(through, number, "n0.example"))
    return took


def localRate(port: int) -> float:
    """Names of the mesh answered in a second, with a query of each caller always waiting."""
    clients = [connected(port) for _ in range(CALLERS)]
    began = time.perf_counter()
    for round_ in range(LOCAL // CALLERS):
        for at, client in enumerate(clients):
            client.send(
                query(round_, f"s{(round_ * CALLERS + at) % 10_000}.default.svc.cluster.local")
            )
        for client in clients:
            reply = client.recv(4096)
            if reply[3] & 15 or not reply[7]:
                raise SystemExit(f"no answer: {reply!r}")
    return LOCAL / (time.perf_counter() - began)


def processorTime(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> int:
    """Run both parts; print a table."""
    processes = []
    try:
        upstream, upstreamPort = begin(UPSTREAM)
        processes.append(upstream)
        server, port = begin(SERVER, f"127.0.0.1:{upstreamPort}")
        processes.append(server)
        took = latencies(connected(upstreamPort), connected(port))
        before = processorTime(server.pid)
        rate = localRate(port)
        each = (processorTime(server.pid) - before) / LOCAL
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
    base = statistics.median(took["direct"])
    print(f"{'':<12}{'p50 us':>9}{'p99 us':>9}{'added p50 us':>14}")
    for kind, times in took.items():
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"{kind:<12}{p50 * 1e6:>9.0f}{p99 * 1e6:>9.0f}{(p50 - base) * 1e6:>14.0f}")
    print(
        f"local names, 10,000 Services: {rate:,.0f}/s, {each * 1e6:.0f} us of processor time each"
    )
    added = statistics.median(took["forwarded"]) - base
    print(f"added {added * 1e3:.2f} ms, bound {BOUND * 1e3:.0f} ms")
    return int(added >= BOUND)


if __name__ == "__main__":
    sys.exit(main())
