"""``twistd edgemesh`` and ``twist edgemesh`` as programs, until they have started or given up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT


class RefusedStartTests(SynchronousTestCase):
    """A configuration with a mistake."""

    def start(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Start a node from a file that has a mistake."""
        home = Path(self.mktemp()).absolute()
        home.mkdir()
        (home / "edgemesh.yaml").write_text("listeners:\n- listen: 5\n  proxy: true\n")
        command = [Path(sys.executable).with_name(program), *options, "edgemesh"]
        return subprocess.run(
            [*command, "--config", "edgemesh.yaml"],
            cwd=home,
            env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
        )

    def assertOneLine(self, ended: subprocess.CompletedProcess[str]) -> None:
        """Status 1; on standard error one line with file and key path; else nothing."""
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
        self.assertIn("edgemesh.yaml", ended.stderr)
        self.assertIn("listeners[0].listen", ended.stderr)
        self.assertEqual(ended.stdout, "")

    def test_twistdInFront(self) -> None:
        """``twistd -n`` says what is wrong in one line."""
        self.assertOneLine(self.start("twistd", "-n"))

    def test_twistdInBackground(self) -> None:
        """``twistd`` says it before it goes to the background."""
        self.assertOneLine(self.start("twistd"))

    def test_twist(self) -> None:
        """``twist`` says it too, with the same status."""
        self.assertOneLine(self.start("twist"))
