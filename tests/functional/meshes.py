"""A node with one service ``web`` behind it, ready to be called; and its apps as processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from edgemesh.demo.processes import Program, freePorts, python, twistd
from tests.functional.harness import Node, ProcessesMixin, listenAt, service, until
from tests.functional.loadapp import HOST


class LoadApp:
    """
    One instance of the app under load.

    :ivar port: where it listens, also after it was killed and started again.
    """

    def __init__(self, start: Callable[[int], Program], ledger: Path) -> None:
        self._start = start
        self._ledger = ledger
        self.program = start(0)
        where = f"listens on {HOST}:"
        said = self.program.waitFor(
            "port", lambda: self.program.said() if where in self.program.said() else None
        )
        self.port = int(said.partition(where)[2].split()[0])

    def kill(self) -> None:
        """``kill -9``."""
        self.program.kill()

    def restart(self) -> None:
        """Start it again on the same port, and wait until it listens."""
        program = self.program = self._start(self.port)
        program.waitFor("port", lambda: "listens" in program.said() or None)

    def requests(self) -> list[str]:
        """Method and target of every request that came, whatever became of it."""
        return self._ledger.read_text().splitlines()


class Mesh(Node):
    """
    A node whose service ``web`` has a listener of its own.

    :ivar port: that listener.
    :ivar other: a second one for the same service.
    :ivar proxy: the proxy listener.
    """

    def __init__(self, node: Node, ports: Iterable[int]) -> None:
        super().__init__(node.program, node.admin, node.folder)
        self.port, self.other, self.proxy = ports

    @property
    def pid(self) -> int:
        """The node's process id."""
        return self.program.pid

    def endpoints(self, *ports: int) -> None:
        """Replace the service's manifest, as a careful writer does."""
        folder = self.folder / "services.d"
        (folder / ".web.new").write_text(service("web", *ports))
        os.replace(folder / ".web.new", folder / "web.yaml")

    def change(self, **keys: object) -> None:
        """Change keys of the configuration file and send SIGHUP."""
        before = self.program.said().count("reloaded")
        path = self.folder / "edgemesh.yaml"
        self.configure({**yaml.safe_load(path.read_text()), **keys})
        self.reload()
        until(
            "the node has reloaded", lambda: self.program.said().count("reloaded") > before or None
        )


class MeshMixin(ProcessesMixin):
    """Starts a :class:`Mesh` and its apps, and ends them with the test."""

    def loadApp(self) -> LoadApp:
        """Start an instance of the app under load."""
        folder = self.folder()
        ledger = folder / "ledger"
        module = "tests.functional.loadapp"

        def start(port: int) -> Program:
            return self.start("app", python("-m", module, str(port), str(ledger)), folder)

        return LoadApp(start, ledger)

    def loadApps(self, count: int) -> list[LoadApp]:
        """Start several."""
        return [self.loadApp() for _ in range(count)]

    def mesh(
        self,
        *ports: int,
        command: Callable[[Path], list[str]] = twistd,
        **config: object,
    ) -> Mesh:
        """
        Start a node.

        :param ports: of the endpoints of the service ``web``, on loopback.
        :param config: further keys of the configuration.
        """
        listening = freePorts(3)
        one, other, proxy = map(listenAt, listening)
        listeners = [
            {"listen": one, "service": "web.default:80"},
            {"listen": other, "service": "web.default:80"},
            {"listen": proxy, "proxy": True},
        ]
        node = self.node(
            {"listeners": listeners, **config}, {"web.yaml": service("web", *ports)}, command
        )
        return Mesh(node, listening)
