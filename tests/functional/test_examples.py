"""The examples and the guide that shows them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT

_GUIDE = ROOT / "docs" / "guide" / "plugins.rst"
_SHOWN = re.compile(r"<([^<>\s]+)>`__?")
#: What the guide writes out itself must stand in the example like this.
_QUOTED = re.compile(r"^\.\. code:: ini\n\n((?:    .*\n|\n)+)", re.MULTILINE)


class ExampleTests(SynchronousTestCase):
    """Every example that has tests."""

    def passes(self, example: str, module: str) -> None:
        """Run an example's own tests, in a copy, since Twisted writes a cache beside plugins."""
        folder = Path(self.mktemp()).absolute()
        shutil.copytree(ROOT / "examples" / example, folder)
        done = subprocess.run(
            (sys.executable, "-m", "twisted.trial", module),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_redis(self) -> None:
        """The protocol plugin keeps what every protocol promises."""
        self.passes("redis-plugin", "test_edgemesh_redis")

    def test_readOnly(self) -> None:
        """The handler plugin refuses what it should."""
        self.passes("read-only", "test_edgemesh_read_only")


class GuideTests(SynchronousTestCase):
    """``docs/guide/plugins.rst``."""

    def test_shown(self) -> None:
        """What the guide leads to is there: the examples' files, tests included."""
        shown = [(_GUIDE.parent / path).resolve() for path in _SHOWN.findall(_GUIDE.read_text())]
        self.assertEqual([str(path) for path in shown if not path.exists()], [])
        for example in ("redis-plugin", "read-only"):
            files = set((ROOT / "examples" / example).glob("*.py"))
            self.assertLessEqual(files, set(shown))

    def test_packaging(self) -> None:
        """The lines of packaging that it writes out are the examples' own."""
        (block,) = _QUOTED.findall(_GUIDE.read_text())
        wanted = [line.strip() for line in block.splitlines() if line.strip()]
        for example in ("redis-plugin", "read-only"):
            text = (ROOT / "examples" / example / "setup.cfg").read_text()
            lines = [line.strip() for line in text.splitlines()]
            self.assertEqual([line for line in wanted if line not in lines], [])
