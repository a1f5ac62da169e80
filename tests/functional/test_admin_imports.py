# -*- test-case-name: tests.functional.test_admin_imports -*-
"""What importing the admin brings along, seen in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PROBE = """
import pkgutil, sys
import edgemesh.admin
for module in pkgutil.iter_modules(edgemesh.admin.__path__, "edgemesh.admin."):
    __import__(module.name)
unwanted = ("twisted.internet.reactor", "twisted.web.static", "twisted.web.server",
            "prometheus_client.twisted")
print(*(name for name in unwanted if name in sys.modules))
"""


class ImportTests(SynchronousTestCase):
    """The admin must not choose the process's reactor, nor serve files."""

    def test_nothingUnwanted(self) -> None:
        """Every module of the admin can be imported without any of these."""
        root = Path(__file__).parents[2]
        found = subprocess.run(
            [sys.executable, "-c", PROBE], cwd=root, capture_output=True, text=True, timeout=60
        )
        self.assertEqual((found.stdout.strip(), found.stderr), ("", ""))
