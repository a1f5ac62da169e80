"""Tests for edgemesh.meta.assembly."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.assembly import Assembly, Built, build
from edgemesh.meta.manifests import Manifest
from edgemesh.meta.model import Endpoint, Metadata, Node, ServicePort
from tests.meta.samples import HTTP, KEY, at, endpoints, pod, service, slice_, web


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
        self.assertIn("on loopback", self.built(*manifests).problems["Endpoints web.default"])
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

    def test_loopbackPod(self) -> None:
        """Nor may a Pod of somebody else's be on loopback."""
        manifests = (web(selector={"app": "web"}), pod("p", "127.0.0.1"), pod("q", "10.0.0.2"))
        self.assertEqual(self.behind(*manifests), ["10.0.0.2:80"])
        self.assertIn("on loopback", self.built(*manifests).problems["Pod p.default"])


class AssemblyTests(SynchronousTestCase):
    """Objects that come and go."""

    def setUp(self) -> None:
        self.assembly = Assembly()

    def take(self, *manifests: Manifest) -> Metadata:
        """These come, and are in force."""
        for manifest in manifests:
            self.assembly.put(manifest, False)
        return self.assembly.commit()

    def test_generations(self) -> None:
        """Each change is one generation and says which Services it concerns."""
        first = self.take(web(), service("db"), endpoints(at("10.0.0.1")))
        self.assertEqual(first.generation, 1)
        self.assertEqual(first.changed, {("default", "web"), ("default", "db")})
        second = self.take(endpoints(at("10.0.0.2")))
        self.assertEqual((second.generation, second.changed), (2, {("default", "web")}))

    def test_nothing(self) -> None:
        """What makes no difference is no change: the very same value stays."""
        first = self.take(web(), endpoints(at("10.0.0.1")))
        self.assertIs(self.take(web(), endpoints(at("10.0.0.1"))), first)
        self.assertIs(self.take(endpoints(at("10.0.0.9"), behind="nobody")), first)

    def test_shared(self) -> None:
        """What did not change is the very same in the next value."""
        first = self.take(web(), pod("p", "10.0.0.9"), endpoints(at("10.0.0.1")))
        second = self.take(endpoints(at("10.0.0.2")))
        self.assertIs(second.services, first.services)
        self.assertIs(second.pods, first.pods)
        self.assertEqual(first.endpoints[KEY][0].address, "10.0.0.1")

    def test_podOnly(self) -> None:
        """A Pod that is behind nothing is news, and concerns no Service."""
        self.take(web())
        changed = self.take(pod("p", "10.0.0.1"))
        self.assertEqual((changed.generation, changed.changed), (2, frozenset()))

    def test_gone(self) -> None:
        """A Service that went takes its endpoints and its problems along."""
        self.take(web(), endpoints(at("10.0.0.1"), port="other"), service("db"))
        self.assertEqual(list(self.assembly.problems()), ["Service web.default port 80"])
        self.assembly.remove("Service", "default", "web")
        metadata = self.assembly.commit()
        self.assertEqual(
            (list(metadata.services), dict(metadata.endpoints)), ([("default", "db")], {})
        )
        self.assertEqual(self.assembly.problems(), {})
        self.assertEqual(metadata.changed, {("default", "web")})

    def test_portsGo(self) -> None:
        """A port that a Service has no more has no endpoints either."""
        self.take(web(ServicePort(80), ServicePort(81)), endpoints(at("10.0.0.1"), port=""))
        metadata = self.take(web(ServicePort(81)))
        self.assertEqual(list(metadata.endpoints), ["web.default:81"])

    def test_refusedMended(self) -> None:
        """A problem is over when the object is good, or gone."""
        self.take(web(), endpoints(at("127.0.0.1")))
        self.assertEqual(len(self.assembly.problems()), 1)
        self.take(endpoints(at("10.0.0.1")))
        self.assertEqual(self.assembly.problems(), {})
        self.take(endpoints(at("127.0.0.1")))
        self.assembly.remove("Endpoints", "default", "web")
        self.assertEqual(self.assembly.problems(), {})

    def test_workOfOneChange(self) -> None:
        """Among hundreds of Services one object's change looks at one Service."""
        manifests = [service(f"s{n}", selector={"app": f"a{n}", "all": "x"}) for n in range(300)]
        pods = [
            pod(f"p{n}", f"10.0.0.{n}", labels={"app": f"a{n}", "all": "x"}) for n in range(100)
        ]
        self.take(*manifests, *pods)
        looked: list[str] = []
        matched = self.assembly._rematched
        self.assembly._rematched = lambda name: looked.append(name[1]) or matched(name)  # type: ignore[method-assign,func-returns-value]
        self.take(pod("p7", "10.9.9.9", labels={"app": "a7", "all": "x"}))
        self.take(endpoints(at("10.0.0.1"), behind="s8"))
        self.assertEqual(looked, ["s7", "s8"])


#: A small world in which everything has to do with everything.
_LABELS = st.sampled_from([{"app": "a"}, {"app": "b"}, {"app": "a", "tier": "x"}, {}])
_NAMES = st.sampled_from(["a", "b"])
_PORTS = st.sampled_from([(HTTP,), (ServicePort(80),), (HTTP, ServicePort(81, "admin"))])
_ADDRESSES = st.lists(
    st.builds(
        at,
        st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1"]),
        ready=st.booleans(),
        pod=st.sampled_from(["", "a", "b"]),
        node=st.sampled_from(["", "a"]),
    ),
    max_size=2,
)
_OBJECTS = st.one_of(
    st.builds(lambda n, p, s: service(n, *p, selector=s), _NAMES, _PORTS, _LABELS),
    st.builds(lambda n, found: endpoints(*found, behind=n), _NAMES, _ADDRESSES),
    st.builds(lambda n, b, found: slice_(n, *found, behind=b), _NAMES, _NAMES, _ADDRESSES),
    st.builds(
        lambda n, address, labels, node: pod(n, address, labels=labels, node=node),
        _NAMES,
        st.sampled_from(["10.0.0.1", "10.0.0.3", "127.0.0.1", ""]),
        _LABELS,
        st.sampled_from(["", "a"]),
    ),
    st.builds(lambda zone: Manifest("Node", "", "a", "f", Node("a", zone)), st.sampled_from("yz")),
)


class AnyOrderTests(SynchronousTestCase):
    """Whatever came and went, and in which order."""

    @settings(derandomize=True, max_examples=150, deadline=None, database=None)
    @given(st.lists(st.tuples(_OBJECTS, st.booleans(), st.booleans()), max_size=14))
    def test_likeAtOnce(self, steps: list[tuple[Manifest, bool, bool]]) -> None:
        """The value is the one that the objects make when they come all at once."""
        assembly = Assembly()
        held: dict[tuple[str, str, str], Manifest] = {}
        former = assembly.commit()
        for manifest, goes, isLooked in steps:
            identity = (manifest.kind, manifest.namespace, manifest.name)
            if goes:
                assembly.remove(*identity)
                held.pop(identity, None)
            else:
                assembly.put(manifest, False)
                held[identity] = manifest
            if isLooked:
                former = self.check(assembly, held, former)
        self.check(assembly, held, former)

    def check(
        self,
        assembly: Assembly,
        held: dict[tuple[str, str, str], Manifest],
        former: Metadata,
    ) -> Metadata:
        """Compare with what is made at once, and with what it says has changed."""
        metadata = assembly.commit()
        built = build(held.values(), False)
        self.assertEqual(replace(metadata, generation=0), built.metadata)
        self.assertEqual(assembly.problems(), built.problems)
        if metadata is not former:
            self.assertEqual(metadata.generation, former.generation + 1)
            for name in metadata.services.keys() | former.services.keys():
                if name not in (metadata.changed or ()):
                    self.assertEqual(metadata.services[name], former.services[name])
                    for key in {*metadata.endpoints, *former.endpoints}:
                        if key.startswith(f"{name[1]}.{name[0]}:"):
                            self.assertEqual(metadata.endpoints[key], former.endpoints[key])
        return metadata
