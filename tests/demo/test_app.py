"""Tests of edgemesh.demo.app; the server itself is run by tests.functional.test_demo."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.app import Behaviour, behaviourFrom, contentOf


class BehaviourTests(SynchronousTestCase):
    """What an instance can be told."""

    def test_usual(self) -> None:
        """Told nothing, it answers as usual: this is how it is mended."""
        self.assertEqual(behaviourFrom(""), Behaviour(200, 0.0))

    def test_told(self) -> None:
        """It fails and is late as told."""
        self.assertEqual(behaviourFrom("status=503&delay=0.5"), Behaviour(503, 0.5))

    def test_nonsense(self) -> None:
        """A status or delay that no answer can have is refused."""
        for query in ("status=99", "status=abc", "status=600", "delay=-1", "delay=nan"):
            self.assertRaises(ValueError, behaviourFrom, query)


class ContentTests(SynchronousTestCase):
    """What an instance says."""

    def test_name(self) -> None:
        """It says who it is, what was asked for and how the request came."""
        said = contentOf("b-1", "/resource?x=1", "1.1 edgemesh", Behaviour())
        self.assertEqual(said, {"app": "b-1", "resource": "/resource", "via": "1.1 edgemesh"})

    def test_failing(self) -> None:
        """When it fails it says so itself."""
        self.assertIn("error", contentOf("b-1", "/", "", Behaviour(500)))
