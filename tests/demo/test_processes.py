"""Tests of edgemesh.demo.processes; started programs are in tests.functional.test_demo."""

from __future__ import annotations

import os
import sys

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import environment, eventually, freePorts, twistd
from tests.sourcetree import ROOT


class EventuallyTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.processes.eventually`."""

    def test_atOnce(self) -> None:
        """What is there already is found without waiting."""
        self.assertEqual(eventually(lambda: "there", 0.0), "there")

    def test_never(self) -> None:
        """What does not come is given up in the end."""
        self.assertIsNone(eventually(lambda: None, 0.0))

    def test_falsy(self) -> None:
        """Zero and an empty text are answers."""
        self.assertEqual(eventually(lambda: 0, 0.0), 0)


class FreePortsTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.processes.freePorts`."""

    def test_different(self) -> None:
        """Ports that are asked for together differ."""
        self.assertEqual(len(set(freePorts(5))), 5)


class CommandTests(SynchronousTestCase):
    """How programs are started."""

    def test_sameEdgemesh(self) -> None:
        """A started program imports the edgemesh that started it, whatever else is installed."""
        first = environment()["PYTHONPATH"].split(os.pathsep)[0]
        self.assertEqual(first, str(ROOT))

    def test_more(self) -> None:
        """A variable of its own does not hide the others."""
        environ = environment({"MINE": "1"})
        self.assertEqual((environ["MINE"], environ["PATH"]), ("1", os.environ["PATH"]))

    def test_twistd(self) -> None:
        """The node runs with this interpreter, in front, without a pid file."""
        command = twistd("x.yaml")
        self.assertEqual(command[0], sys.executable)
        self.assertEqual(command[3:], ["-n", "--pidfile=", "edgemesh", "--config", "x.yaml"])
