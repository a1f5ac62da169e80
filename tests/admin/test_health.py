# -*- test-case-name: tests.admin.test_health -*-
"""Whether the node can take calls."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.health import readiness, ready, report
from tests.admin.nodes import FixedListener, Node


class ReadinessTests(SynchronousTestCase):
    """A node is ready when metadata is there, every listener is up and it stays."""

    def test_ready(self) -> None:
        """A node where nothing is wrong says so, part by part."""
        checks = readiness(Node().view)
        self.assertTrue(ready(checks))
        self.assertEqual(
            report("readyz", checks),
            "[+]metadata ok\n[+]listener web.default:80 ok\n[+]shutdown ok\nreadyz check passed\n",
        )

    def test_noMetadata(self) -> None:
        """Before the first metadata nobody should send calls."""
        node = Node()
        node.source.isReady = False
        checks = readiness(node.view)
        self.assertFalse(ready(checks))
        self.assertIn("[-]metadata: the first value is missing\n", report("readyz", checks))

    def test_listenerDown(self) -> None:
        """A listener that is not up makes the node unready and is named."""
        node = Node()
        node.listeners.append(FixedListener("proxy"))
        checks = readiness(node.view)
        self.assertFalse(ready(checks))
        text = report("readyz", checks)
        self.assertIn("[-]listener proxy: not up\n", text)
        self.assertTrue(text.endswith("readyz check failed\n"))

    def test_draining(self) -> None:
        """A node that shuts down gets no new calls."""
        node = Node()
        node.drains = True
        checks = readiness(node.view)
        self.assertFalse(ready(checks))
        self.assertIn("[-]shutdown: the node drains\n", report("readyz", checks))

    def test_brokenFile(self) -> None:
        """A broken file is named, and its last good content keeps the node ready."""
        node = Node()
        node.source.broken = {"manifests/bad.yaml": "line 3: not a mapping"}
        checks = readiness(node.view)
        self.assertTrue(ready(checks))
        self.assertIn("[!]manifests/bad.yaml: line 3: not a mapping\n", report("readyz", checks))

    def test_forgedLine(self) -> None:
        """What a broken file says cannot look like a line of the report."""
        node = Node()
        node.source.broken = {"bad.yaml": "found\n[-]metadata: gone\r\nreally"}
        lines = report("readyz", readiness(node.view)).splitlines()
        self.assertEqual(len(lines), 5)
        self.assertEqual(lines[3], "[!]bad.yaml: found [-]metadata: gone really")
