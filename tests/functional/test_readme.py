"""The README's first call, word for word."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.peers import program
from tests.sourcetree import ROOT
from tests.test_readme import blocks

_CONSOLE = "from edgemesh.cli import main\nraise SystemExit(main())\n"


def freePorts(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class FirstCallTests(SynchronousTestCase):
    """The block of commands under "Run it"."""

    def test_block(self) -> None:
        """They work as they stand there: the call by name brings the app's answer."""
        for name in ("bash", "curl"):
            program(name)
        home = Path(self.mktemp()).absolute()
        (home / "bin").mkdir(parents=True)
        console = home / "bin" / "edgemesh"
        console.write_text(f"#!{sys.executable}\n{_CONSOLE}")
        console.chmod(0o755)
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.script()],
            cwd=home,
            env={
                **os.environ,
                "HOME": str(home),
                "PYTHONPATH": str(ROOT),
                "PATH": f"{home}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        # Once by cat, once through the mesh.
        self.assertEqual(ended.stdout.count("kind: Endpoints"), 2, ended.stdout + ended.stderr)
        self.assertIn("hello.default:80", ended.stdout)

    def script(self) -> str:
        """The block, with ports that are free here; nothing of it lives longer."""
        wrote, *rest = blocks("sh")[1].splitlines()
        rename = ":"
        text = "\n".join(rest)
        for port, free in zip(("18081", "15000", "8000"), freePorts(3), strict=True):
            self.assertIn(port, text)
            text = text.replace(port, str(free))
            rename += f"; sed -i 's/{port}/{free}/' edgemesh.yaml services.d/hello.yaml"
        return f"trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{wrote}\n{rename}\n{text}\n"
