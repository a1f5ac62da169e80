"""The ways to run a node: ``twistd`` in front and in the background, and ``twist``."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.calls import ready
from edgemesh.demo.processes import environment, freePorts, python
from tests.functional.harness import HOST, ProcessesMixin, listenAt, service, until

_TWIST = "from twisted.application.twist._twist import Twist; Twist.main()"
_TWISTD = "from twisted.scripts.twistd import run; run()"


def status(port: int) -> int:
    """The status of one call."""
    caller = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        caller.request("GET", "/resource")
        return caller.getresponse().status
    finally:
        caller.close()


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of one."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class ForegroundTests(ProcessesMixin, SynchronousTestCase):
    """A program that stays in front."""

    def test_twist(self) -> None:
        """``twist edgemesh`` runs the same node, reloads and ends as asked."""
        (port,) = freePorts(1)
        node = self.node(
            {"listeners": [{"listen": listenAt(port), "service": "b"}]},
            {"b.yaml": service("b", self.app("b-1"))},
            command=lambda path: python("-c", _TWIST, "edgemesh", "--config", str(path)),
        )
        self.assertEqual(status(port), 200)
        node.reload()
        until("the node has reloaded", lambda: "reloaded" in node.program.said() or None)
        self.assertEqual(status(port), 200)
        node.program.signal(signal.SIGTERM)
        ended = until("the node ends", lambda: node.program.status)
        self.assertIn(ended, (0, -signal.SIGTERM))


class BackgroundTests(ProcessesMixin, SynchronousTestCase):
    """``twistd edgemesh`` without ``-n``."""

    def setUp(self) -> None:
        self.home = self.folder()
        (self.home / "services.d").mkdir()
        (self.home / "services.d" / "b.yaml").write_text(service("b", self.app("b-1")))
        self.port, self.admin = freePorts(2)
        config = {
            "node": "edge-1",
            # Relative ones, which mean the directory where it is started.
            "state": "state",
            "manifests": "services.d",
            "admin": listenAt(self.admin),
            "accessLog": "calls.log",
            "listeners": [{"listen": listenAt(self.port), "service": "b"}],
        }
        (self.home / "edgemesh.yaml").write_text(yaml.safe_dump(config))
        options = ("--pidfile=node.pid", "--logfile=node.log", "edgemesh", "-c", "edgemesh.yaml")
        subprocess.run(
            python("-c", _TWISTD, *options),
            cwd=self.home,
            env=environment(),
            check=True,
            capture_output=True,
            timeout=30,
        )
        until("its process id", lambda: self._file("node.pid") or None)
        self.pid = int(self._file("node.pid"))
        self.addCleanup(self._end)
        until("good /readyz", lambda: ready(self.admin))

    def _end(self) -> None:
        if runs(self.pid):
            os.kill(self.pid, signal.SIGKILL)

    def _file(self, name: str) -> str:
        path = self.home / name
        return path.read_text() if path.exists() else ""

    def test_life(self) -> None:
        """It serves, reloads at SIGHUP, writes where it was told to, and ends at SIGTERM."""
        self.assertEqual(status(self.port), 200)
        os.kill(self.pid, signal.SIGHUP)
        until("the node has reloaded", lambda: "reloaded" in self._file("node.log") or None)
        self.assertEqual(status(self.port), 200)
        until("both calls in the access log", lambda: self._file("calls.log").count("\n") == 2)
        os.kill(self.pid, signal.SIGTERM)
        until("the node ends", lambda: not runs(self.pid) or None)
        self.assertEqual(self._file("node.pid"), "")
        self.assertNotIn("Traceback", self._file("node.log"))
