# -*- test-case-name: tests.admin.test_view -*-
"""What the admin may see of the node."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from tests.admin.nodes import Node


class NodeViewTests(SynchronousTestCase):
    """The view reads; it is not a way to change the node."""

    def test_current(self) -> None:
        """The same view shows what the node is now, not what it was when it was made."""
        node = Node()
        view = node.view
        node.drains = True
        node.now += 5
        self.assertEqual((view.draining(), view.seconds()), (True, node.now))

    def test_readOnly(self) -> None:
        """Its parts cannot be exchanged."""
        with self.assertRaises(FrozenInstanceError):
            Node().view.node = "other"  # type: ignore[misc]
