# -*- test-case-name: tests.demo.test_files -*-
"""
The demo's files: a node's configuration and one service, as a reader would write them.

Only port numbers are filled in.  Knows nothing of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

#: Calls a second that the node lets pass to ``b``.
LIMIT = 20
#: Calls to ``b`` that may come at once.
BURST = 10
#: Seconds that an open circuit waits before it lets one probe pass.
SLEEP_WINDOW = 2.0

_CONFIG = Template("""\
# The node of the demo.  conf/edgemesh.yaml in the source tree has every key.
node: demo
state: $folder/state
manifests: $folder/services.d          # Kubernetes YAML; edits count at once
protocols: [http, grpc, tls, tcp]
accessLog: $folder/access.log

listeners:
  # An HTTP proxy: apps say the service's name as the host.
  - listen: tcp:$proxy:interface=127.0.0.1
    proxy: true

admin: tcp:$admin:interface=127.0.0.1

policies:
  b.default:
    qps:
      outbound: {limit: $limit, burst: $burst}   # what this node may call, a second
      inbound: {limit: 500, burst: 100}  # what the app may get, from everybody
    bizKeeper:
      scope: endpoint
      circuitBreaker:
        enabled: true
        requestVolumeThreshold: 4
        errorThresholdPercentage: 30
        sleepWindowInMilliseconds: $sleep
""")

_SERVICE = """\
# A name that apps call: http://b/ means port 80 of this Service.
kind: Service
apiVersion: v1
metadata: {name: b}
spec:
  ports: [{port: 80}]
---
# Who answers: three instances of the sample app, all on this machine.
kind: Endpoints
apiVersion: v1
metadata: {name: b}
subsets:
"""

_SUBSET = Template("""\
- addresses: [{ip: 127.0.0.1, targetRef: {kind: Pod, name: $name}}]
  ports: [{port: $port}]
""")


@dataclass(frozen=True, slots=True)
class Ports:
    """
    Where everything listens.

    :ivar apps: by the instance's name.
    """

    proxy: int
    admin: int
    apps: Mapping[str, int]


def configuration(folder: Path, ports: Ports) -> str:
    """The node's configuration."""
    return _CONFIG.substitute(
        folder=folder,
        proxy=ports.proxy,
        admin=ports.admin,
        limit=LIMIT,
        burst=BURST,
        sleep=round(SLEEP_WINDOW * 1000),
    )


def serviceB(apps: Mapping[str, int]) -> str:
    """Service ``b`` and the instances behind it."""
    return _SERVICE + "".join(
        _SUBSET.substitute(name=name, port=port) for name, port in apps.items()
    )


def write(folder: Path, ports: Ports) -> Path:
    """Write both files; returns where the configuration is."""
    services = folder / "services.d"
    services.mkdir()
    (services / "b.yaml").write_text(serviceB(ports.apps), "utf-8")
    path = folder / "edgemesh.yaml"
    path.write_text(configuration(folder, ports), "utf-8")
    return path
