"""A stranger's handler: found by its name, put where the configuration says, and in force."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import environment, freePorts, twistd
from tests.functional.harness import HOST, ProcessesMixin, listenAt
from tests.sourcetree import ROOT

EXAMPLE = ROOT / "examples" / "read-only"
WITH_PLUGIN = ["router", "readonly", "loadbalance", "qps", "bizkeeper"]


class PluginMixin(ProcessesMixin):
    """Puts handlers where Twisted finds plugins, without installing anything."""

    def plugins(self, **dropins: str) -> str:
        """A ``PYTHONPATH`` with the example's handler, and these further dropins by name."""
        folder = self.folder() / "stranger"
        leaveOut = shutil.ignore_patterns("dropin.cache", "__pycache__", "*.egg-info")
        shutil.copytree(EXAMPLE, folder, ignore=leaveOut)
        for name, text in dropins.items():
            (folder / "twisted" / "plugins" / f"{name}.py").write_text(text)
        return f"{environment()['PYTHONPATH']}{os.pathsep}{folder}"


class HandlerTests(PluginMixin, SynchronousTestCase):
    """The example's handler, which lets nobody write to a Service that says so."""

    def setUp(self) -> None:
        app = self.app("b-1")
        (self.port,) = freePorts(1)
        about = {
            "apiVersion": "v1",
            "metadata": {"name": "b", "annotations": {"edgemesh.io/read-only": "true"}},
        }
        subsets = [{"addresses": [{"ip": HOST}], "ports": [{"port": app}]}]
        objects = [
            {"kind": "Service", **about, "spec": {"ports": [{"port": 80}]}},
            {"kind": "Endpoints", **about, "subsets": subsets},
        ]
        self.mesh = self.node(
            {
                "listeners": [{"listen": listenAt(self.port), "service": "b"}],
                "handlers": {"outbound": WITH_PLUGIN},
            },
            {"b.yaml": yaml.safe_dump_all(objects)},
            environ={"PYTHONPATH": self.plugins()},
        )

    def call(self, method: str) -> tuple[int, str | None]:
        """The status, and the mesh's reason if it was the mesh that answered."""
        caller = http.client.HTTPConnection(HOST, self.port, timeout=10)
        self.addCleanup(caller.close)
        caller.request(method, "/behave")
        answer = caller.getresponse()
        answer.read()
        return answer.status, answer.getheader("x-edgemesh-reason")

    def test_inForce(self) -> None:
        """It refuses what it should, lets the rest pass, and stands in its place."""
        self.assertEqual(self.call("GET"), (200, None))
        self.assertEqual(self.call("POST"), (405, "MR"))
        chain = json.loads(self.mesh.page("/chain?service=b")[1])
        self.assertEqual([stage["handler"] for stage in chain["outbound"]], WITH_PLUGIN)
        self.assertIn("read-only", chain["outbound"][1]["explain"])


class RefusedStartTests(PluginMixin, SynchronousTestCase):
    """A handler that cannot be had stops the start, with one line that says why."""

    def complaint(self, handler: str, importable: bool = True, **dropins: str) -> str:
        """
        What a node says that is to use this handler.

        :param importable: else Twisted shows, before us and at length, why a dropin is not.
        """
        folder = self.folder()
        path = folder / "edgemesh.yaml"
        config = {
            "state": str(folder),
            "admin": listenAt(0),
            "listeners": [],
            "handlers": {"outbound": ["router", handler, "loadbalance"]},
        }
        path.write_text(yaml.safe_dump(config))
        ended = subprocess.run(
            twistd(path),
            cwd=folder,
            env=environment({"PYTHONPATH": self.plugins(**dropins)}),
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
        *others, last = ended.stderr.splitlines()
        self.assertEqual(others == [], importable, ended.stderr)
        self.assertIn("handlers.outbound", last)
        return last

    def test_missing(self) -> None:
        """A name that nobody has: what is known, and where it looked."""
        said = self.complaint("tracing")
        self.assertIn("'tracing'", said)
        self.assertIn("bizkeeper, loadbalance, qps, readonly, router", said)
        self.assertIn(str(Path("stranger", "twisted", "plugins")), said)

    def test_broken(self) -> None:
        """A dropin that cannot be imported: its module, and what Python says."""
        said = self.complaint("tracing", False, stranger_tracing="import nowhere_to_be_found\n")
        self.assertIn("stranger_tracing", said)
        self.assertIn("No module named 'nowhere_to_be_found'", said)

    def test_half(self) -> None:
        """A handler that lacks what a handler must have: what it lacks."""
        said = self.complaint("tracing", stranger_tracing=_HALF)
        self.assertIn("stranger_tracing", said)
        self.assertIn("compose", said)

    def test_double(self) -> None:
        """Two of the same name: both modules."""
        again = "from edgemesh_read_only import ReadOnly\nsecond = ReadOnly()\n"
        said = self.complaint("readonly", stranger_second=again)
        self.assertIn("'readonly' is there twice", said)
        self.assertIn("stranger_second", said)
        self.assertIn("edgemesh_read_only_plugin", said)


_HALF = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from edgemesh.interfaces import IHandler

@implementer(IPlugin, IHandler)
class Tracing:
    name = "tracing"

tracing = Tracing()
"""
