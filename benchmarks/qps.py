#!/usr/bin/env python3
"""
Does the QPS controller admit what it says, whoever asks and however?

Two services with the same limit (100 a second, burst 10) on one node are called at
the same time for ten seconds: one by a client of our own that sends 1,000 requests
a second at an even pace, one by wrk as fast as it can.  Each must admit
limit x time + burst = 1,010 calls within 3 %, and answer every other one with 429
and Retry-After.

Run from a checkout, with edgemesh installed and wrk on the path::

    python benchmarks/qps.py

Exit status 0 when both are within the bound.  Everything stays on loopback and
ends by itself.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Thread

from loopback import awaitPort

from edgemesh.demo.processes import freePorts

LIMIT, BURST, SECONDS, PACE = 100, 10, 10.0, 1_000
EXPECTED = LIMIT * SECONDS + BURST
TOLERANCE = 0.03

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  ports: [{{port: 80, targetPort: {port}}}]
---
apiVersion: v1
kind: Endpoints
metadata: {{name: {name}}}
subsets:
  - addresses: [{{ip: 127.0.0.1}}]
    ports: [{{port: {port}}}]
"""

CONFIGURATION = """
node: bench
state: {folder}/state
manifests: {folder}/services
listeners:
  - {{listen: "tcp:{paced}:interface=127.0.0.1", service: "paced.default:80"}}
  - {{listen: "tcp:{unpaced}:interface=127.0.0.1", service: "unpaced.default:80"}}
admin: tcp:{admin}:interface=127.0.0.1
policies:
  "*": {{qps: {{outbound: {{limit: {limit}, burst: {burst}}}}}}}
"""

APP = """
import sys
from twisted.internet import protocol, reactor
class App(protocol.Protocol):
    def dataReceived(self, data):
        ends = data.count(b"\\r\\n\\r\\n")
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok" * ends)
factory = protocol.Factory.forProtocol(App)
factory.noisy = False
reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
reactor.run()
"""

WRK_REPORT = """
done = function(summary, latency, requests)
  io.write(string.format("requests %d non2xx %d socket %d\\n", summary.requests,
    summary.errors.status, summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout))
end
"""


def paced(port: int) -> tuple[int, int, int]:
    """
    Send at an even pace on one connection, whether answers have come or not.

    :return: 200s, 429s with Retry-After, others.
    """
    request = b"GET / HTTP/1.1\r\nHost: paced\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", port), 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    counts = Counter[str]()
    reader = Thread(target=readAnswers, args=(connection, counts), daemon=True)
    reader.start()
    start = time.monotonic()
    number = 0
    while (now := time.monotonic()) < start + SECONDS:
        ahead = start + number / PACE - now
        if ahead > 0:
            time.sleep(ahead)
        connection.sendall(request)
        number += 1
    # What is on its way still gets its answer; then the node closes.
    connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    reader.join(30)
    if sum(counts.values()) != number + 1:
        raise SystemExit(f"{number + 1} requests, but {sum(counts.values())} answers")
    return counts["admitted"], counts["refused"], counts["other"]


def readAnswers(connection: socket.socket, counts: Counter[str]) -> None:
    """Count every answer until the node closes the connection."""
    answers = connection.makefile("rb")
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = answers.readline()
            if not line:
                return
            head += line
        fields = head.lower()
        length = re.search(rb"content-length: *(\d+)", fields)
        answers.read(int(length[1]) if length is not None else 0)
        if head[9:12] == b"200":
            counts["admitted"] += 1
        elif head[9:12] == b"429" and b"retry-after" in fields:
            counts["refused"] += 1
        else:
            counts["other"] += 1


def main() -> int:
    """Run both loads at once and judge."""
    appPort, pacedPort, unpacedPort, adminPort = freePorts(4)
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "services").mkdir()
        for service in ("paced", "unpaced"):
            text = SERVICE.format(name=service, port=appPort)
            (folder / "services" / f"{service}.yaml").write_text(text)
        configuration = folder / "edgemesh.yaml"
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, paced=pacedPort, unpaced=unpacedPort, admin=adminPort,
                limit=LIMIT, burst=BURST,
            )
        )  # fmt: skip
        (folder / "report.lua").write_text(WRK_REPORT)
        twistd = Path(sys.executable).with_name("twistd")
        node = [str(twistd), "-n", "--pidfile=", "edgemesh", "-c", str(configuration)]
        log = (folder / "log").open("wb")
        try:
            processes.append(subprocess.Popen([sys.executable, "-c", APP, str(appPort)]))
            processes.append(subprocess.Popen(node, stdout=log, stderr=log, cwd=name))
            for port in (appPort, pacedPort, unpacedPort):
                awaitPort(port)
            return measure(folder, pacedPort, unpacedPort)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
                process.wait(15)
            log.close()


def measure(folder: Path, pacedPort: int, unpacedPort: int) -> int:
    """Run the two loads; print a table; 0 when both are within the bound."""
    url = f"http://127.0.0.1:{unpacedPort}/"
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS:.0f}s", "-s", str(folder / "report.lua"), url]
    wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    admitted, refused, other = paced(pacedPort)
    report, _ = wrk.communicate(timeout=60)
    found = re.search(r"requests (\d+) non2xx (\d+) socket (\d+)", report)
    if found is None:
        raise SystemExit(f"wrk said:\n{report}")
    requests, not2xx, broken = map(int, found.groups())
    rows = [
        ("paced 1,000/s", admitted, refused, other),
        ("wrk, unpaced", requests - not2xx, not2xx, broken),
    ]
    print(f"limit {LIMIT}/s, burst {BURST}, {SECONDS:.0f} s: expected {EXPECTED:.0f} admitted")
    print(f"{'client':<16}{'200':>8}{'429':>10}{'other':>7}{'deviation':>11}")
    good = True
    for client, ok, limited, wrong in rows:
        deviation = ok / EXPECTED - 1
        good = good and abs(deviation) <= TOLERANCE and wrong == 0 and limited > 0
        print(f"{client:<16}{ok:>8,}{limited:>10,}{wrong:>7}{deviation:>+11.2%}")
    print("within 3 %" if good else "NOT within 3 %")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
