"""Tests for edgemesh.meta.matching; the whole of it is tried in those of the assembly."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.matching import Matching
from edgemesh.meta.model import Endpoint, Node
from edgemesh.meta.parts import Parts
from edgemesh.meta.services import ServiceObject
from tests.meta.samples import HTTP, at, endpoints, pod, slice_, web


class MatchingTests(SynchronousTestCase):
    """Which endpoints are behind a port."""

    def behind(self, *manifests: Manifest) -> tuple[Endpoint, ...]:
        """Everything behind port 80 of ``web``."""
        parts = Parts()
        for manifest in manifests:
            parts.put(manifest)
        self.matching = Matching(parts)
        found = web(selector={"app": "web"}).value
        assert isinstance(found, ServiceObject)
        return self.matching.endpointsOf(found, HTTP)

    def test_order(self) -> None:
        """Slices come before Endpoints, and these before the selector's Pods."""
        manifests = [pod("p", "10.0.0.1"), endpoints(at("10.0.0.2")), slice_("s", at("10.0.0.3"))]
        found = [self.behind(*manifests[:count])[0].address for count in (1, 2, 3)]
        self.assertEqual(found, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])

    def test_best(self) -> None:
        """Of one address in several slices the one that takes calls counts."""
        found = self.behind(
            slice_("a", at("10.0.0.1", ready=True, terminating=True)),
            slice_("b", at("10.0.0.1")),
        )
        self.assertEqual([(one.ready, one.terminating) for one in found], [(True, False)])

    def test_zone(self) -> None:
        """A Pod's endpoint is in the zone of the Pod's node."""
        node = Manifest("Node", "", "n", "f", Node("n", zone="z"))
        [found] = self.behind(node, pod("p", "10.0.0.1", node="n"))
        self.assertEqual((found.node, found.zone), ("n", "z"))

    def test_otherName(self) -> None:
        """A port of another name is a problem that names both."""
        self.assertEqual(self.behind(endpoints(at("10.0.0.1"), port="web")), ())
        self.assertIn("'web'", self.matching.problems["Service web.default port 80"])
