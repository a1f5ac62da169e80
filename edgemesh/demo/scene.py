# -*- test-case-name: tests.demo.test_scene -*-
"""
What the demo plays with: a node and three instances of an app, each a process.

Everything lives in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from edgemesh.demo.app import ADDRESS
from edgemesh.demo.calls import ask, ready, tell
from edgemesh.demo.files import Ports, write
from edgemesh.demo.processes import Program, Trouble, eventually, freePorts, python, twistd

INSTANCES = ("b-1", "b-2", "b-3")
SERVICE = "b.default:80"

_LISTENS = re.compile(r" listens on 127\.0\.0\.1:(\d+)\n")


class Scene:
    """
    The running demo; a context manager.

    :ivar folder: configuration, services and logs.
    :ivar ports: where everything listens.
    """

    folder: Path
    ports: Ports

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Scene:
        with ExitStack() as stack:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgemesh-demo-"))
            self.folder = Path(made)
            apps = [self._start(stack, name) for name in INSTANCES]
            found = {app.name: app.waitFor("port", partial(_portOf, app)) for app in apps}
            proxy, admin = freePorts(2)
            self.ports = Ports(proxy, admin, found)
            node = Program("node", twistd(write(self.folder, self.ports)), self.folder)
            stack.callback(node.stop)
            node.waitFor(f"good /readyz on port {admin}", lambda: ready(admin))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack, name: str) -> Program:
        app = Program(name, python("-m", "edgemesh.demo.app", name), self.folder)
        stack.callback(app.stop)
        return app

    def behave(self, instance: str, query: str) -> None:
        """Tell an instance how to answer from now on."""
        tell(self.ports.apps[instance], f"/behave?{query}")

    def addresses(self) -> dict[str, str]:
        """Where each instance listens, ``ip:port``."""
        return {name: f"{ADDRESS}:{port}" for name, port in self.ports.apps.items()}

    def chain(self) -> dict[str, Any]:
        """What ``/chain`` says of the service."""
        found: dict[str, Any] = ask(self.ports.admin, "/chain?service=b")
        return found

    def circuits(self) -> dict[str, str]:
        """The state of each instance's circuit, from ``/services``."""
        (service,) = (
            one
            for one in ask(self.ports.admin, "/services")["services"]
            if one["service"] == SERVICE
        )
        names = {address: name for name, address in self.addresses().items()}
        return {names[one["address"]]: one["circuit"] for one in service["endpoints"]}

    def logged(self, identities: set[str]) -> dict[str, dict[str, Any]]:
        """
        The access log's lines of these calls, by ``X-Request-ID``.

        :raise Trouble: they were not all written within a few seconds.
        """
        log = self.folder / "access.log"
        found = eventually(lambda: linesOf(log, identities), 5.0)
        if found is None:
            raise Trouble(f"the access log {log} does not have every call")
        return found


def _portOf(app: Program) -> int | None:
    return portIn(app.said())


def portIn(said: str) -> int | None:
    """The port that an instance says it listens on; None before it does."""
    found = _LISTENS.search(said)
    return int(found[1]) if found else None


def linesOf(log: Path, identities: set[str]) -> dict[str, dict[str, Any]] | None:
    """The access log's lines of these calls; None while one is missing."""
    found = {}
    text = log.read_text("utf-8") if log.exists() else ""
    # The last line may be half written.
    for line in text.split("\n")[:-1]:
        entry = json.loads(line)
        if entry["request_id"] in identities:
            found[entry["request_id"]] = entry
    return found if len(found) == len(identities) else None
