"""Starts that go wrong, and the start that needs nothing: a node as its user meets it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.calls import ready
from edgemesh.demo.processes import Program, freePorts, python
from tests.functional.harness import ProcessesMixin, listenAt, until
from tests.functional.peers import program
from tests.sourcetree import ROOT

_RUN = "from twisted.scripts.twistd import run; run()"
_NOBODY = 65534


class MistakeTests(ProcessesMixin, SynchronousTestCase):
    """A mistake ends the start with status 1 and one line that says where it is."""

    def assertOneLine(self, configuration: str | None, *named: str, logged: bool = False) -> None:
        """
        Start with this file, or without one; judge how it ends.

        :param logged: twistd has its log already and writes the line there.
        """
        folder = self.folder()
        if configuration is not None:
            (folder / "edgemesh.yaml").write_text(configuration)
        ended = subprocess.run(
            python("-c", _RUN, "-n", "--pidfile=", "edgemesh", "-c", "edgemesh.yaml"),
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual(ended.returncode, 1, ended.stdout + ended.stderr)
        lines = (ended.stdout + ended.stderr).splitlines()
        if logged:
            lines = [line for line in lines if "UnixAppLogger#info" not in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("edgemesh: ", lines[0])
        for name in named:
            self.assertIn(name, lines[0])

    def test_missingFile(self) -> None:
        """There is no such file."""
        self.assertOneLine(None, "edgemesh.yaml", "No such file")

    def test_notYAML(self) -> None:
        """The file is no YAML."""
        self.assertOneLine("node: [\n", "edgemesh.yaml")

    def test_unknownKey(self) -> None:
        """A key that does not exist, at any depth."""
        self.assertOneLine("nodes: edge-1\n", "edgemesh.yaml", "nodes")
        self.assertOneLine("limits: {headTimeout: 1}\n", "limits.headTimeout")

    def test_wrongType(self) -> None:
        """A value of another type."""
        self.assertOneLine("limits: {head: large}\n", "limits.head", "large")

    def test_impossibleValue(self) -> None:
        """A value that cannot be meant."""
        self.assertOneLine("limits: {grace: -1}\n", "limits.grace", "-1")
        self.assertOneLine("admin: tcp:99999\n", "admin", "99999")

    def test_missingPlugin(self) -> None:
        """A protocol or handler that nobody provides."""
        self.assertOneLine("protocols: [smtp, tcp]\n", "smtp", "plugins")
        self.assertOneLine("handlers: {outbound: [router, tea]}\n", "tea", "plugins")

    def test_twoListeners(self) -> None:
        """Two listeners want the same address."""
        one = "- {listen: 'tcp:18080', proxy: true}\n"
        self.assertOneLine(f"listeners:\n{one}{one}", "listeners[1]", "18080")

    def test_portTaken(self) -> None:
        """Somebody else listens there already."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            taken, free = listenAt(port), listenAt(freePorts(1)[0])
            listener = f"state: .\nlisteners: [{{listen: '{taken}', proxy: true}}]\nadmin: {free}\n"
            self.assertOneLine(listener, str(port), logged=True)
            admin = f"state: .\nlisteners: []\nadmin: {taken}\n"
            self.assertOneLine(admin, str(port), logged=True)


class NoConfigurationTests(ProcessesMixin, SynchronousTestCase):
    """``twistd edgemesh`` and nothing else, as a user without rights."""

    def test_ordinaryUser(self) -> None:
        """It listens on loopback, keeps its state at home and ends in order."""
        home = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, home)
        for port in (15000, 18081):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest(f"port {port}, a default, is taken on this machine")
        node = self.unprivileged(home)
        node.waitFor("good /readyz", lambda: ready(15000))
        owned = until("state", lambda: list(home.rglob("edgemesh")) or None)
        self.assertTrue(all(path.is_relative_to(home / "state") for path in owned), owned)
        node.signal(signal.SIGTERM)
        until("it has ended", lambda: node.status is not None or None)
        self.assertIn(node.status, (0, -signal.SIGTERM))

    def unprivileged(self, home: Path) -> Program:
        """Start it, as nobody when we are root."""
        command = [sys.executable, "-c", _RUN, "-n", "--pidfile=", "edgemesh"]
        if os.geteuid() == 0:
            os.chown(home, _NOBODY, _NOBODY)
            user = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
            drop = [program("setpriv"), *user, "--"]
            readable = [*drop, sys.executable, "-c", "import edgemesh.tap"]
            if subprocess.run(readable, cwd=ROOT, capture_output=True, timeout=30).returncode:
                raise SkipTest(f"an ordinary user cannot read {ROOT} or {sys.executable}")
            command = [*drop, *command]
        environ = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
        return self.start("node", command, home, environ)
