"""Tests for edgemesh.meta.parts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.model import Endpoint, Node
from edgemesh.meta.parts import Parts
from tests.meta.samples import at, endpoints, pod, service, slice_, web

WEB = ("default", "web")


class PartsCase(SynchronousTestCase):
    """Parts, and whom a change concerns."""

    def setUp(self) -> None:
        self.parts = Parts()

    def put(self, *manifests: Manifest) -> list[str]:
        """Take these; the Services that have to be looked at again."""
        for manifest in manifests:
            self.parts.put(manifest)
        return self.touched()

    def touched(self) -> list[str]:
        """The Services that have to be looked at again, by name."""
        return sorted(name for _, name in self.parts.taken().touched)


class ConcernedTests(PartsCase):
    """One object's change makes work for the Services that it concerns."""

    def test_service(self) -> None:
        """A Service concerns itself; the same once more concerns nobody."""
        self.assertEqual(self.put(web()), ["web"])
        self.assertEqual(self.put(web()), [])
        self.parts.remove("Service", *WEB)
        self.assertEqual(self.touched(), ["web"])

    def test_endpoints(self) -> None:
        """Endpoints concern the Service of their name, and nobody else."""
        self.put(web(), service("db"))
        self.assertEqual(self.put(endpoints(at("10.0.0.1"))), ["web"])

    def test_sliceMoves(self) -> None:
        """A slice that is another Service's now concerns both."""
        self.put(web(), service("db"), slice_("s", at("10.0.0.1")))
        self.assertEqual(self.put(slice_("s", at("10.0.0.1"), behind="db")), ["db", "web"])
        self.assertEqual(
            (self.parts.backings(WEB), len(self.parts.backings(("default", "db")))), ([], 1)
        )

    def test_podSelected(self) -> None:
        """A Pod concerns the Services whose whole selector fits, before or after."""
        self.put(
            web(selector={"app": "web"}),
            service("both", selector={"app": "web", "tier": "x"}),
            service("db", selector={"app": "db"}),
        )
        self.assertEqual(self.put(pod("p", "10.0.0.1")), ["web"])
        moved = pod("p", "10.0.0.1", labels={"app": "web", "tier": "x"})
        self.assertEqual(self.put(moved), ["both", "web"])
        self.parts.remove("Pod", "default", "p")
        self.assertEqual(self.touched(), ["both", "web"])

    def test_podNamed(self) -> None:
        """A Pod concerns the Services that have an endpoint of it."""
        self.put(web())
        endpoint = Endpoint("10.0.0.1", 80, pod="p")
        self.parts.note(WEB, (), (endpoint,))
        self.assertEqual(self.put(pod("p", "10.0.0.1", labels={})), ["web"])
        self.parts.note(WEB, (endpoint,), ())
        self.assertEqual(self.put(pod("p", "10.0.0.2", labels={})), [])

    def test_selectorChanges(self) -> None:
        """A selector that is another one now fits other Pods."""
        self.put(web(selector={"app": "old"}))
        self.put(web(selector={"app": "web"}))
        self.assertEqual(self.put(pod("p", "10.0.0.1", labels={"app": "old"})), [])
        self.assertEqual(self.put(pod("q", "10.0.0.1")), ["web"])

    def test_node(self) -> None:
        """A Node's zone may concern everybody; the rest of it nobody."""
        self.put(web(), service("db"))
        node = Manifest("Node", "", "n", "f", Node("n"))
        self.assertEqual(self.put(node), [])
        zoned = Manifest("Node", "", "n", "f", Node("n", zone="z"))
        self.assertEqual(self.put(zoned), ["db", "web"])

    def test_unknown(self) -> None:
        """What is not known can go without any work."""
        self.parts.remove("Pod", "default", "nobody")
        self.assertFalse(self.parts.changes)


class BelongingTests(PartsCase):
    """What belongs together."""

    def test_slicesInOrder(self) -> None:
        """Slices have one order, whichever came first."""
        self.put(slice_("b", at("10.0.0.2")), slice_("a", at("10.0.0.1")))
        found = [one.endpoints[0].address for one in self.parts.backings(WEB)]
        self.assertEqual(found, ["10.0.0.1", "10.0.0.2"])

    def test_podsInOrder(self) -> None:
        """So have Pods; those of another namespace or of fewer labels are not among them."""
        self.put(
            pod("b", "10.0.0.2"),
            pod("a", "10.0.0.1"),
            pod("c", "10.0.0.3", labels={"more": "x"}),
        )
        value = web(selector={"app": "web", "more": "x"}).value
        found = [one.name for one in self.parts.selected(value.service)]  # type: ignore[union-attr]
        self.assertEqual(found, ["a", "b"])

    def test_names(self) -> None:
        """Every object of a kind can be named."""
        self.put(web(), pod("p", ""))
        self.assertEqual((self.parts.names("Service"), self.parts.names("Node")), ([WEB], []))
