"""Who an object is, and which of two is newer."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.objects import Identity, identify, versionOf


def identity(uid: str = "u", version: int = 0, created: str = "") -> Identity:
    """An object of which only its age matters."""
    return Identity("Service", "v1", "default", "web", uid, version, created)


class IdentifyTests(SynchronousTestCase):
    """Reading."""

    def test_whole(self) -> None:
        """Everything an object says about itself."""
        text = (
            '{"kind":"Service","apiVersion":"v1","spec":{},"metadata":{"name":"web","namespace":'
            '"shop","uid":"u1","resourceVersion":"12","creationTimestamp":"2023-11-14T22:13:20Z"}}'
        )
        self.assertEqual(
            identify(text),
            Identity("Service", "v1", "shop", "web", "u1", 12, "2023-11-14T22:13:20Z"),
        )

    def test_versionBeside(self) -> None:
        """A higher version in the header counts; a lower one does not."""
        text = '{"metadata":{"resourceVersion":"12"}}'
        versions = [identify(text, beside) for beside in ("13", "11", "")]
        self.assertEqual([found and found.version for found in versions], [13, 12, 12])

    def test_noObject(self) -> None:
        """Lists, text, numbers and half a JSON are no objects."""
        for text in ("[]", '"9.251.0.1"', "5", "null", '{"metadata":', "{}", '{"metadata":[]}', ""):
            self.assertIsNone(identify(text), text)

    def test_oddVersions(self) -> None:
        """A version that is no number, or one too large to keep, is none."""
        odd = ("", None, "abc", "-1", "1.5", "\u0661", "9" * 19)
        self.assertEqual([versionOf(text) for text in odd], [0] * 7)

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.text())
    def test_anything(self, text: str) -> None:
        """No text breaks it."""
        found = identify(text)
        self.assertTrue(found is None or isinstance(found, Identity))


class ObjectRowTests(SynchronousTestCase):
    """Where KubeEdge's API server looks for an object."""

    def row(self, kind: str, apiVersion: str, namespace: str = "default") -> tuple[str, str]:
        """Key and resource of an object called x."""
        found = Identity(kind, apiVersion, namespace, "x", "", 0, "").objectRow()
        assert found is not None
        return found.key, found.resource

    def test_core(self) -> None:
        """The core group has no name of its own."""
        self.assertEqual(
            self.row("Service", "v1"), ("/core/v1/services/default/x", "/v1, Resource=services")
        )

    def test_grouped(self) -> None:
        """Other groups have."""
        self.assertEqual(
            self.row("EndpointSlice", "discovery.k8s.io/v1"),
            (
                "/discovery.k8s.io/v1/endpointslices/default/x",
                "discovery.k8s.io/v1, Resource=endpointslices",
            ),
        )

    def test_plurals(self) -> None:
        """Plurals are formed without a dictionary, Endpoints excepted."""
        kinds = ("Endpoints", "Ingress", "NetworkPolicy", "Node")
        plurals = [self.row(kind, "v1")[1].rpartition("=")[2] for kind in kinds]
        self.assertEqual(plurals, ["endpoints", "ingresses", "networkpolicies", "nodes"])

    def test_clusterScoped(self) -> None:
        """An object without a namespace has ``null`` in its key."""
        self.assertEqual(self.row("Node", "v1", "")[0], "/core/v1/nodes/null/x")

    def test_nameless(self) -> None:
        """What does not say what it is has no such row."""
        self.assertIsNone(Identity("", "v1", "default", "x", "", 0, "").objectRow())


class AgeTests(SynchronousTestCase):
    """Which of two is newer."""

    def test_version(self) -> None:
        """Of one object the higher version is the newer one; equal ones are not older."""
        ages = [identity(version=v).isOlderThan(identity(version=9)) for v in (8, 9, 10)]
        self.assertEqual(ages, [True, False, False])

    def test_numbers(self) -> None:
        """Versions are compared as numbers, not as text."""
        self.assertFalse(identity(version=10).isOlderThan(identity(version=9)))

    def test_unversioned(self) -> None:
        """Without a version nothing is obsolete."""
        self.assertFalse(identity().isOlderThan(identity(version=9)))

    def test_madeAnew(self) -> None:
        """An object of a cluster that was set up anew replaces the former one of its name."""
        former = identity("old", 90_000, "2023-11-14T22:13:20Z")
        current = identity("new", 12, "2024-02-01T00:00:00Z")
        self.assertFalse(current.isOlderThan(former))
        self.assertTrue(former.isOlderThan(current))
