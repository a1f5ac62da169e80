"""Tests of edgemesh.demo; the demo itself runs in tests.functional.test_demo."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo import farewell, invite, verdict
from edgemesh.demo.files import Ports
from edgemesh.demo.scene import Scene
from edgemesh.demo.screen import Screen


class VerdictTests(SynchronousTestCase):
    """How the demo ends."""

    def setUp(self) -> None:
        self.out = io.StringIO()
        self.screen = Screen(self.out, {})

    def test_good(self) -> None:
        """With every promise kept the exit status is 0."""
        self.assertEqual(verdict(self.screen, [], 7.5), 0)
        self.assertIn("7.5 s", self.out.getvalue())

    def test_broken(self) -> None:
        """With a broken promise the exit status is 1, and the promise is named."""
        self.assertEqual(verdict(self.screen, ["40 calls pass"], 7.5), 1)
        self.assertIn("40 calls pass", self.out.getvalue())


class LookAroundTests(SynchronousTestCase):
    """What to do next."""

    def setUp(self) -> None:
        self.out = io.StringIO()
        self.screen = Screen(self.out, {})

    def test_farewell(self) -> None:
        """After the demo one knows how to keep it running and how to run a node for real."""
        farewell(self.screen)
        self.assertIn("edgemesh demo --keep", self.out.getvalue())
        self.assertIn("twistd -n edgemesh", self.out.getvalue())

    def test_invite(self) -> None:
        """While it runs one knows how to call, to look, and to make an instance fail."""
        scene = Scene()
        scene.folder, scene.ports = Path("folder"), Ports(1234, 5678, {"b-1": 9012})
        invite(self.screen, scene)
        shown = self.out.getvalue()
        for command in (
            "curl -i --proxy http://127.0.0.1:1234 http://b/resource",
            "curl http://127.0.0.1:5678/services",
            "curl 'http://127.0.0.1:5678/chain?service=b'",
            "http://127.0.0.1:5678/metrics",
            "'http://127.0.0.1:9012/behave?status=500'",
            "folder/services.d/b.yaml",
        ):
            self.assertIn(command, shown)
