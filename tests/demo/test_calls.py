"""Tests of edgemesh.demo.calls; real calls are in tests.functional.test_demo."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.calls import Caller, ask, contentOf, ready
from edgemesh.demo.processes import Trouble, freePorts


class ContentTests(SynchronousTestCase):
    """What is read of an answer's body."""

    def test_instance(self) -> None:
        """An instance's answer is understood."""
        self.assertEqual(contentOf("application/json", b'{"app": "b-1"}'), {"app": "b-1"})

    def test_mesh(self) -> None:
        """The mesh's own answer says nothing of an instance."""
        self.assertEqual(contentOf("text/plain; charset=us-ascii", b"RL: ...\n"), {})


class NobodyTests(SynchronousTestCase):
    """Nobody listens."""

    def test_call(self) -> None:
        """A call without any answer is told in words."""
        caller = Caller(freePorts(1)[0])
        self.addCleanup(caller.close)
        trouble = self.assertRaises(Trouble, caller.get, "http://b/resource", "demo-1")
        self.assertIn("http://b/resource", str(trouble))

    def test_ask(self) -> None:
        """So is an admin that is not there."""
        self.assertRaises(Trouble, ask, freePorts(1)[0], "/services")

    def test_notReady(self) -> None:
        """A node that does not listen yet is not ready."""
        self.assertIsNone(ready(freePorts(1)[0]))
