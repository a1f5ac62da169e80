#!/usr/bin/env python3
"""
What an HTTP request costs here and in other proxies, side by side in one run.

Two nginx servers stand for the apps.  edgemesh (every policy on, one process), HAProxy
(one thread), nginx as a proxy and Envoy (one thread) take turns under the same load by
wrk; a proxy that is not installed is left out.  No two requests are equal: each has a
path and trace IDs of its own, and seven fields.

Judge by CPU time per request, read from /proc: the load, the apps and the proxy share
the machine, so requests per second say more about the rest than about the proxy.

Run from a checkout, with edgemesh, nginx and wrk installed::

    python benchmarks/proxies.py [--rounds 3] [--seconds 4] [--against OTHER-CHECKOUT]

Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from loopback import awaitPort

from edgemesh.demo.processes import freePorts

HERE = Path(__file__).resolve().parents[1]
CONNECTIONS = 64

APPS = """
worker_processes 1; daemon off; master_process off; pid {folder}/apps.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/apps; proxy_temp_path {folder}/apps;
  server {{
    listen 127.0.0.1:{one}; listen 127.0.0.1:{two};
    location / {{ add_header X-A b; return 200 "hello world hello world hello world\\n"; }}
  }}
}}
"""

NGINX = """
worker_processes 1; daemon off; master_process off; pid {folder}/proxy.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/proxy; proxy_temp_path {folder}/proxy;
  upstream apps {{
    server 127.0.0.1:{one}; server 127.0.0.1:{two}; keepalive 128; keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://apps; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 2s
frontend calls
  bind 127.0.0.1:{port}
  default_backend apps
backend apps
  option forwardfor
  http-reuse always
  server one 127.0.0.1:{one}
  server two 127.0.0.1:{two}
"""

ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: calls
          use_remote_address: true
          route_config:
            virtual_hosts:
            - {{name: apps, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: apps}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: apps
    type: STATIC
    load_assignment:
      cluster_name: apps
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {one}}}}}}}
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {two}}}}}}}
"""  # noqa: E501

EDGEMESH = """
state: {folder}/state
manifests: {folder}/services
listeners:
  - {{listen: "tcp:{port}:interface=127.0.0.1", service: "w.default:80"}}
admin: tcp:{admin}:interface=127.0.0.1
policies:
  "*":
    qps: {{outbound: {{limit: 1000000, burst: 100000}}, inbound: {{limit: 1000000, burst: 100000}}}}
    bizKeeper: {{circuitBreaker: {{enabled: true}}}}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: w}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: w}}
subsets:
  - {{addresses: [{{ip: 127.0.0.1}}], ports: [{{port: {one}}}]}}
  - {{addresses: [{{ip: 127.0.0.1}}], ports: [{{port: {two}}}]}}
"""

LOAD = """
local n, run
init = function(args) n = 0; run = args[1] end
request = function()
  n = n + 1
  local id = string.format("%08x%08x", run, n)
  return wrk.format("GET", "/r/" .. run .. "/" .. n, {
    ["Host"] = "w", ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)",
    ["Accept"] = "application/json", ["Accept-Encoding"] = "gzip",
    ["X-Request-Id"] = "7f3c-" .. id, ["Cookie"] = "session=abcdef",
    ["traceparent"] = "00-0af7651916cd43dd" .. id .. "-" .. id .. "-01"})
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("requests %d failed %d p99 %d\\n", summary.requests,
    e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(99)))
end
"""


@dataclass
class Round:
    """What one load on one proxy showed."""

    perSecond: float
    cpu: float
    p99: float
    failed: int


@dataclass
class Target:
    """One proxy under load."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    rounds: list[Round] = field(default_factory=list)

    def ticks(self) -> int:
        """CPU time it has used, user and system, in clock ticks."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(stat[11]) + int(stat[12])


class Scene:
    """The apps, the proxies, and the folder with their configurations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.one, self.two = freePorts(2)
        self.targets: list[Target] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "load.lua").write_text(LOAD)
        self.start("apps", ["nginx", "-p", str(folder), "-c"], APPS)
        awaitPort(self.one)

    def start(self, name: str, command: list[str], text: str, **values: object) -> int:
        """Start a program with this configuration, whose path comes last; its port."""
        port, admin = freePorts(2)
        values.update(folder=self.folder, port=port, admin=admin, one=self.one, two=self.two)
        configuration = self.folder / f"{name}.yaml"
        configuration.write_text(text.format(**values))
        log = (self.folder / f"{name}.log").open("wb")
        environ = dict(os.environ)
        if "checkout" in values:
            environ["PYTHONPATH"] = str(values["checkout"])
        process = subprocess.Popen(
            [*command, str(configuration)], stdout=log, stderr=log, cwd=self.folder, env=environ
        )
        self._processes.append(process)
        return port

    def add(self, name: str, command: list[str], text: str, **values: object) -> None:
        """Start a proxy; leave it out, with a line, when it is not installed."""
        if shutil.which(command[0]) is None:
            print(f"{name}: left out, {command[0]} is not installed")
            return
        port = self.start(name, command, text, **values)
        awaitPort(port)
        self.targets.append(Target(name, port, self._processes[-1]))

    def addNode(self, name: str, checkout: Path, reactor: str) -> None:
        """Start a node from this checkout."""
        services = self.folder / "services"
        services.mkdir(exist_ok=True)
        (services / "w.yaml").write_text(SERVICE.format(one=self.one, two=self.two))
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [twistd, "-n", "--pidfile=", f"--reactor={reactor}", "edgemesh", "-c"]
        self.add(name, command, EDGEMESH, checkout=checkout)

    def load(self, target: Target, number: int, seconds: int) -> None:
        """Put load on one proxy; remember what it showed."""
        url = f"http://127.0.0.1:{target.port}/"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s"]
        before = target.ticks()
        told = subprocess.run(
            [*command, str(self.folder / "load.lua"), url, "--", str(number)],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=True,
        ).stdout
        used = (target.ticks() - before) / os.sysconf("SC_CLK_TCK")
        found = re.search(r"requests (\d+) failed (\d+) p99 (\d+)", told)
        if found is None or found[1] == "0":
            raise SystemExit(f"{target.name}: wrk said\n{told}")
        requests, failed, p99 = map(int, found.groups())
        cpu = used / requests * 1e6
        target.rounds.append(Round(requests / seconds, cpu, p99 / 1000, failed))

    def stop(self) -> None:
        """End every program that was started here."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def show(targets: list[Target]) -> None:
    """Print the table; medians over the rounds, and every round's CPU time."""
    reference = next((one for one in targets if one.name == "haproxy"), None)
    print(f"{'proxy':<16}{'req/s':>9}{'p99 ms':>8}{'CPU us':>8}{'x haproxy':>11}  each round")
    for target in targets:
        cpu = median(one.cpu for one in target.rounds)
        ratio = "-"
        if reference is not None:
            ratio = f"{cpu / median(one.cpu for one in reference.rounds):.2f}"
        rate = median(one.perSecond for one in target.rounds)
        p99 = median(one.p99 for one in target.rounds)
        each = " ".join(f"{one.cpu:.1f}" for one in target.rounds)
        failed = sum(one.failed for one in target.rounds)
        note = f"  {failed} FAILED" if failed else ""
        print(f"{target.name:<16}{rate:>9,.0f}{p99:>8.1f}{cpu:>8.1f}{ratio:>11}  {each}{note}")


def main() -> None:
    """Start everything, alternate, show, stop."""
    options = argparse.ArgumentParser(description="HTTP proxies side by side.")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--reactor", default="epoll", help="of the node; see twistd")
    options.add_argument("--against", type=Path, help="a node from another checkout as well")
    chosen = options.parse_args()
    for program in ("wrk", "nginx"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed")
    with tempfile.TemporaryDirectory() as name:
        scene = Scene(Path(name))
        try:
            scene.addNode("edgemesh", HERE, chosen.reactor)
            if chosen.against is not None:
                scene.addNode("other checkout", chosen.against.resolve(), chosen.reactor)
            scene.add("haproxy", ["haproxy", "-db", "-f"], HAPROXY)
            scene.add("nginx", ["nginx", "-p", name, "-c"], NGINX)
            scene.add("envoy", ["envoy", "--concurrency", "1", "-l", "off", "-c"], ENVOY)
            for number in range(chosen.rounds):
                for target in scene.targets:
                    scene.load(target, number, chosen.seconds)
            show(scene.targets)
        finally:
            scene.stop()


if __name__ == "__main__":
    main()
