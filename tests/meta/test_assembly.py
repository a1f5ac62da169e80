"""Tests for edgemesh.meta.assembly."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.assembly import Built, build
from edgemesh.meta.manifests import Manifest
from edgemesh.meta.model import Endpoint, Node, Pod, Service, ServicePort
from edgemesh.meta.services import Backing, BackingPort, ServiceObject

HTTP = ServicePort(80, "http")
KEY = "web.default:80"


def web(*ports: ServicePort, file: str = "f", target: int | str = 80, **keys: Any) -> Manifest:
    """The Service ``web``."""
    made = Service("default", "web", ports or (HTTP,), **keys)
    targets: dict[int, int | str] = {port.port: target for port in made.ports}
    return Manifest("Service", "default", "web", file, ServiceObject(made, targets))


def backing(kind: str, name: str, port: str, *endpoints: Endpoint) -> Manifest:
    """Endpoints or a slice of ``web``, at port 8080."""
    made = Backing("web", (BackingPort(port, 8080),), endpoints)
    return Manifest(kind, "default", name, "f", (made,))


def endpoints(*found: Endpoint, port: str = "http") -> Manifest:
    """The Endpoints of ``web``."""
    return backing("Endpoints", "web", port, *found)


def slice_(name: str, *found: Endpoint) -> Manifest:
    """A slice of ``web``."""
    return backing("EndpointSlice", name, "http", *found)


def pod(name: str, address: str, **keys: Any) -> Manifest:
    """A Pod that the selector ``app=web`` fits."""
    keys.setdefault("labels", {"app": "web", "more": "x"})
    addresses = (address,) if address else ()
    made = Pod("default", name, addresses=addresses, ports={"main": 8080}, **keys)
    return Manifest("Pod", "default", name, "f", made)


def at(address: str, **keys: Any) -> Endpoint:
    """An endpoint as a slice has it."""
    return Endpoint(address, 0, **keys)


class BuildTests(SynchronousTestCase):
    """Checked objects -> Metadata."""

    def built(self, *manifests: Manifest, allowLoopback: bool = False) -> Built:
        """What these objects make."""
        return build(manifests, allowLoopback, 3)

    def behind(self, *manifests: Manifest) -> list[str]:
        """The addresses behind port 80 of ``web``."""
        found = self.built(*manifests).metadata.endpoints.get(KEY, ())
        return [f"{endpoint.address}:{endpoint.port}" for endpoint in found]

    def test_values(self) -> None:
        """Services, Pods and nodes are there by name, with the generation."""
        node = Manifest("Node", "", "n", "f", Node("n"))
        metadata = self.built(web(), pod("p", "10.0.0.1"), node).metadata
        self.assertEqual(list(metadata.services), [("default", "web")])
        self.assertEqual(list(metadata.pods), [("default", "p")])
        self.assertEqual((list(metadata.nodes), metadata.generation), (["n"], 3))

    def test_nothingBehind(self) -> None:
        """A service port with nobody behind it has no key."""
        self.assertEqual(self.built(web(selector={"app": "web"})).metadata.endpoints, {})

    def test_endpoints(self) -> None:
        """A Service without a selector gets what its Endpoints say, without any Pod."""
        self.assertEqual(self.behind(web(), endpoints(at("10.0.0.1"))), ["10.0.0.1:8080"])

    def test_slicesWin(self) -> None:
        """Where there are slices, Endpoints of the same name do not count."""
        found = self.behind(endpoints(at("10.0.0.1")), web(), slice_("a", at("10.0.0.2")))
        self.assertEqual(found, ["10.0.0.2:8080"])

    def test_slicesMerged(self) -> None:
        """An address in two slices is one endpoint, ready when one of them says so."""
        found = self.built(
            web(),
            slice_("a", at("10.0.0.1", ready=False), at("10.0.0.2")),
            slice_("b", at("10.0.0.1"), at("10.0.0.3")),
            slice_("c", at("10.0.0.1", ready=False)),
        ).metadata.endpoints[KEY]
        self.assertEqual(
            [(endpoint.address, endpoint.ready) for endpoint in found],
            [("10.0.0.1", True), ("10.0.0.2", True), ("10.0.0.3", True)],
        )

    def test_endpointsBeforePods(self) -> None:
        """A Service that has Endpoints does not look for Pods."""
        manifests = web(selector={"app": "web"}), endpoints(at("10.0.0.1")), pod("p", "10.0.0.2")
        self.assertEqual(self.behind(*manifests), ["10.0.0.1:8080"])

    def test_portNames(self) -> None:
        """Ports belong together by name, and a mismatch is a problem."""
        ports = (HTTP, ServicePort(81, "admin"))
        built = self.built(web(*ports), endpoints(at("10.0.0.1")))
        self.assertEqual(list(built.metadata.endpoints), [KEY])
        self.assertEqual(
            built.problems,
            {
                "Service web.default port 81": "expected endpoints with a port named 'admin', "
                "found 'http'"
            },
        )

    def test_namelessPort(self) -> None:
        """Hand-written Endpoints with one nameless port fit a Service with one port."""
        self.assertEqual(self.behind(web(), endpoints(at("10.0.0.1"), port="")), ["10.0.0.1:8080"])
        two = web(HTTP, ServicePort(81, "admin"))
        self.assertEqual(self.behind(two, endpoints(at("10.0.0.1"), port="")), [])

    def test_selected(self) -> None:
        """Without slices and Endpoints, the Pods that the selector fits are behind a Service."""
        found = self.built(
            web(selector={"app": "web"}, target="main"),
            pod("a", "10.0.0.1", node="n", weight=3),
            pod("b", "10.0.0.2", ready=False, terminating=True),
            pod("c", "10.0.0.3", labels={"app": "other"}),
            pod("d", ""),
        ).metadata.endpoints[KEY]
        self.assertEqual(
            found,
            (
                Endpoint("10.0.0.1", 8080, node="n", pod="a", weight=3),
                Endpoint("10.0.0.2", 8080, pod="b", ready=False, terminating=True),
            ),
        )

    def test_severalLabels(self) -> None:
        """A selector fits only Pods that have all of its labels."""
        selected = web(selector={"app": "web", "tier": "front"})
        front = pod("a", "10.0.0.1", labels={"app": "web", "tier": "front", "x": "y"})
        back = pod("b", "10.0.0.2", labels={"app": "web", "tier": "back"})
        other = pod("c", "10.0.0.3", labels={"tier": "front"})
        self.assertEqual(self.behind(selected, front, back, other), ["10.0.0.1:80"])

    def test_targetPort(self) -> None:
        """A number needs no name in the Pod; an unknown name leads nowhere."""
        selector = {"app": "web"}
        one = pod("a", "10.0.0.1")
        self.assertEqual(self.behind(web(target=99, selector=selector), one), ["10.0.0.1:99"])
        self.assertEqual(self.behind(web(target="no", selector=selector), one), [])

    def test_located(self) -> None:
        """Node, zone and weight come from the Pod and the node when the slice has none."""
        node = Manifest("Node", "", "n", "f", Node("n", zone="z"))
        manifests = (
            web(),
            slice_("a", at("10.0.0.1", pod="p"), at("10.0.0.2", node="n", zone="own")),
            pod("p", "10.0.0.1", node="n", weight=5),
            node,
        )
        found = self.built(*manifests).metadata.endpoints[KEY]
        self.assertEqual(
            [(endpoint.node, endpoint.zone, endpoint.weight) for endpoint in found],
            [("n", "z", 5), ("n", "own", 1)],
        )

    def test_loopback(self) -> None:
        """Only this node's own folder may name endpoints on loopback."""
        manifests = (web(), endpoints(at("127.0.0.1"), at("::1"), at("10.0.0.1")))
        self.assertEqual(self.behind(*manifests), ["10.0.0.1:8080"])
        self.assertIn("on loopback", self.built(*manifests).problems["Service web.default"])
        allowed = self.built(*manifests, allowLoopback=True)
        self.assertEqual((len(allowed.metadata.endpoints[KEY]), allowed.problems), (3, {}))

    def test_twice(self) -> None:
        """Of two objects of one name the first file's counts, and the second is told."""
        built = self.built(web(file="a.yaml"), web(ServicePort(81), file="b.yaml"))
        self.assertEqual(built.metadata.services["default", "web"].ports, (HTTP,))
        self.assertEqual(
            built.problems,
            {
                "Service web.default in b.yaml": "expected once, found in a.yaml before, "
                "which counts"
            },
        )
