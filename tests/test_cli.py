"""Tests of edgemesh.cli."""

import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh._version import __version__
from edgemesh.cli import init, main


class MainTests(SynchronousTestCase):
    """:func:`~edgemesh.cli.main`."""

    def run_(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; its exit status and what it printed."""
        out, errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", errors)
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
        return status, out.getvalue(), errors.getvalue()

    def test_version(self) -> None:
        """``--version`` prints one line and succeeds."""
        self.assertEqual(self.run_("--version"), (0, f"edgemesh {__version__}\n", ""))

    def test_help(self) -> None:
        """``--help`` names every command and how to start the node."""
        status, out, _ = self.run_("--help")
        self.assertEqual(status, 0)
        for word in ("demo", "init", "check", "twistd -n edgemesh"):
            self.assertIn(word, out)

    def test_unknownCommand(self) -> None:
        """A command that does not exist is a usage error, not a traceback."""
        status, _, errors = self.run_("frobnicate")
        self.assertEqual(status, 2)
        self.assertIn("frobnicate", errors)

    def test_noCommand(self) -> None:
        """Saying nothing is told what could be said."""
        status, _, errors = self.run_()
        self.assertEqual(status, 2)
        self.assertIn("COMMAND", errors)

    def test_initUnwritable(self) -> None:
        """Where no directory can be made, one line says why."""
        occupied = Path(self.mktemp())
        occupied.write_text("")
        status, _, errors = self.run_("init", str(occupied / "node"))
        self.assertEqual(status, 1)
        self.assertEqual(errors.count("\n"), 1)
        self.assertIn(str(occupied), errors)

    def test_checkBroken(self) -> None:
        """``check`` tells a broken configuration in one line, with status 1."""
        broken = Path(self.mktemp())
        broken.write_text("listners: []\n")
        status, out, errors = self.run_("check", "--config", str(broken))
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(errors.count("\n"), 1)
        self.assertIn("listners", errors)

    def test_checkFine(self) -> None:
        """``check`` of what ``init`` wrote finds nothing, with status 0."""
        directory = Path(self.mktemp())
        init(directory, io.StringIO(), io.StringIO())
        self.patch(os, "environ", {"HOME": self.mktemp()})
        here = Path.cwd()
        self.addCleanup(os.chdir, here)
        os.chdir(directory)
        self.assertEqual(
            self.run_("check", "-c", "edgemesh.yaml"), (0, "edgemesh: nothing is wrong\n", "")
        )


class InitTests(SynchronousTestCase):
    """:func:`~edgemesh.cli.init`."""

    def test_writes(self) -> None:
        """A configuration and an example service come to be, and the next step is told."""
        directory = Path(self.mktemp()) / "deeper"
        out = io.StringIO()
        self.assertEqual(init(directory, out, io.StringIO()), 0)
        written = [str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()]
        self.assertEqual(sorted(written), ["edgemesh.yaml", "services.d/hello.yaml"])
        self.assertIn("twistd -n edgemesh", out.getvalue())

    def test_neverOverwrites(self) -> None:
        """When one of the files exists, it is named and nothing at all is written."""
        directory = Path(self.mktemp())
        (directory / "services.d").mkdir(parents=True)
        mine = directory / "services.d" / "hello.yaml"
        mine.write_text("mine")
        errors = io.StringIO()
        self.assertEqual(init(directory, io.StringIO(), errors), 1)
        self.assertIn(str(mine), errors.getvalue())
        self.assertEqual(mine.read_text(), "mine")
        self.assertFalse((directory / "edgemesh.yaml").exists())
