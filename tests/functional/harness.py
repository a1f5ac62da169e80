"""
Nodes, apps and peers as processes, for tests with real sockets.

A test case that mixes in :class:`ProcessesMixin` starts programs in a folder of its
own; all of them are ended with the test, by their process ids.  Waiting is always for
a condition, never for a time.
"""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from edgemesh.demo.calls import ready
from edgemesh.demo.processes import Program, eventually, freePorts, python, twistd
from edgemesh.demo.scene import portIn

HOST = "127.0.0.1"

_T = TypeVar("_T")


def service(name: str, *ports: int, appProtocol: str = "") -> str:
    """A manifest: port 80 of ``name`` in namespace ``default``, with endpoints on loopback."""
    port: dict[str, object] = {"port": 80}
    if appProtocol:
        port["appProtocol"] = appProtocol
    named = {"apiVersion": "v1", "metadata": {"name": name}}
    subsets = [{"addresses": [{"ip": HOST}], "ports": [{"port": each}]} for each in ports]
    objects = [
        {"kind": "Service", **named, "spec": {"ports": [port]}},
        {"kind": "Endpoints", **named, "subsets": subsets},
    ]
    return yaml.safe_dump_all(objects)


def until(what: str, probe: Callable[[], _T | None], seconds: float = 10.0) -> _T:
    """The first answer of ``probe``; fails with ``what`` when there is none in time."""
    found = eventually(probe, seconds)
    if found is None:
        raise AssertionError(f"after {seconds:g} s: {what}")
    return found


class Node:
    """
    A running node.

    :ivar program: the process; its log is ``program.log``.
    :ivar admin: the port of its admin pages.
    :ivar folder: its configuration is ``edgemesh.yaml`` there, its manifests are in
        ``services.d``.
    """

    def __init__(self, program: Program, admin: int, folder: Path) -> None:
        self.program = program
        self.admin = admin
        self.folder = folder

    def page(self, path: str) -> tuple[int, bytes]:
        """Status and content of an admin page."""
        connection = http.client.HTTPConnection(HOST, self.admin, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def services(self) -> dict[str, Any]:
        """What ``/services`` says, by the key of the service port."""
        return {each["service"]: each for each in json.loads(self.page("/services")[1])["services"]}

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of all samples with this name and (at least) these labels."""
        families = text_string_to_metric_families(self.page("/metrics")[1].decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def write(self, file: str, text: str) -> None:
        """Write a manifest; :meth:`reload` or a moment later it counts."""
        (self.folder / "services.d" / file).write_text(text, "utf-8")

    def configure(self, config: Mapping[str, object]) -> None:
        """Write the whole configuration anew."""
        (self.folder / "edgemesh.yaml").write_text(yaml.safe_dump(dict(config)), "utf-8")

    def reload(self) -> None:
        """SIGHUP."""
        self.program.signal(signal.SIGHUP)


class ProcessesMixin:
    """
    Starts programs and ends them with the test; for trial's test cases.

    A node's ``config`` may leave out ``node``, ``state``, ``manifests`` and ``admin``.
    """

    mktemp: Callable[[], str]
    addCleanup: Callable[..., None]

    def folder(self) -> Path:
        """A new, empty folder, as an absolute path."""
        made = Path(self.mktemp()).absolute()
        made.mkdir(parents=True)
        return made

    def start(
        self,
        name: str,
        command: Sequence[str],
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Program:
        """Start any program."""
        program = Program(name, command, folder or self.folder(), environ)
        self.addCleanup(program.stop)
        return program

    def app(self, name: str) -> int:
        """Start an instance of the sample app; returns its port."""
        program = self.start(name, python("-m", "edgemesh.demo.app", name))
        return program.waitFor("port", lambda: portIn(program.said()))

    def node(
        self,
        config: Mapping[str, object],
        manifests: Mapping[str, str],
        command: Callable[[Path], list[str]] = twistd,
        environ: Mapping[str, str] | None = None,
    ) -> Node:
        """
        Start a node and wait until it takes calls.

        :param config: the configuration; see above.
        :param manifests: text by file name.
        :param command: how to run the node that this configuration file is for.
        """
        folder = self.folder()
        (folder / "services.d").mkdir()
        # Not one that the configuration is about to use, although it is free now.
        admin = next(port for port in freePorts(8) if f":{port}:" not in str(config))
        path = folder / "edgemesh.yaml"
        given = {
            "node": "edge-1",
            "state": str(folder / "state"),
            "manifests": str(folder / "services.d"),
            "admin": listenAt(admin),
            **config,
        }
        path.write_text(yaml.safe_dump(given), "utf-8")
        for file, text in manifests.items():
            (folder / "services.d" / file).write_text(text, "utf-8")
        program = self.start("node", command(path), folder, environ)
        program.waitFor("good /readyz", lambda: ready(admin))
        return Node(program, admin, folder)


def listenAt(port: int) -> str:
    """An address on loopback, as the configuration writes it."""
    return f"tcp:{port}:interface={HOST}"
