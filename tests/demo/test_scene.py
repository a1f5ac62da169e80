"""Tests of edgemesh.demo.scene; the whole scene is in tests.functional.test_demo."""

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.scene import linesOf, portIn
from tests.demo.samples import line


class PortTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.scene.portIn`."""

    def test_said(self) -> None:
        """An instance's port is read from what it says."""
        self.assertEqual(portIn("b-1 listens on 127.0.0.1:8001\n"), 8001)

    def test_halfSaid(self) -> None:
        """A line that is still being written is not a port."""
        self.assertIsNone(portIn("b-1 listens on 127.0.0.1:80"))


class LinesTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.scene.linesOf`."""

    def log(self, text: str) -> Path:
        """An access log with this content."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_found(self) -> None:
        """Only the calls that were asked for are given, by their identity."""
        text = "".join(json.dumps(line(f"demo-{n}")) + "\n" for n in range(3))
        self.assertEqual(linesOf(self.log(text), {"demo-1"}), {"demo-1": line("demo-1")})

    def test_missing(self) -> None:
        """As long as one is missing there is no answer."""
        log = self.log(json.dumps(line("demo-1")) + "\n")
        self.assertIsNone(linesOf(log, {"demo-1", "demo-2"}))

    def test_halfWritten(self) -> None:
        """A line without its end is not read yet."""
        self.assertIsNone(linesOf(self.log(json.dumps(line("demo-1"))), {"demo-1"}))

    def test_noLog(self) -> None:
        """Before the first call there is no log."""
        self.assertIsNone(linesOf(Path(self.mktemp()), {"demo-1"}))
