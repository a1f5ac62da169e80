"""Resource strings, on the edge and in the cloud."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive import resource
from edgemesh.beehive.resource import Resource, addNode, nodeOf, parse, trimNode

_SETTINGS = settings(derandomize=True, max_examples=60, deadline=None, database=None)
_ANY = st.text(st.sampled_from("node/a.:"), max_size=14) | st.text(max_size=10)


class EdgeTests(SynchronousTestCase):
    """The strings of the edge."""

    def test_named(self) -> None:
        """Three tokens name an object."""
        self.assertEqual(parse("default/service/b"), Resource("default", "service", "b"))

    def test_allOfAType(self) -> None:
        """Two tokens mean all of a type."""
        self.assertEqual(parse(resource.ALL_SERVICES), Resource("all", "service"))

    def test_otherForms(self) -> None:
        """Anything else has no type, whatever it may be; so a bus's path is nobody's object."""
        for text in ("", "node", "a/b/c/d", "8080:/svc/a/b", "a//c", "/", "//", "a/"):
            self.assertEqual(parse(text), Resource())

    def test_clusterScoped(self) -> None:
        """What belongs to no namespace has one that says so."""
        self.assertEqual(parse("null/node/n1"), Resource(resource.NO_NAMESPACE, "node", "n1"))

    def test_text(self) -> None:
        """A resource is written as it was read."""
        for text in ("default/service/b", "all/service", "null/node/n1"):
            self.assertEqual(str(parse(text)), text)
        self.assertEqual(str(Resource()), "")

    @_SETTINGS
    @given(_ANY)
    def test_anything(self, text: str) -> None:
        """No string is a reason to fail, and none changes its meaning when written again."""
        self.assertEqual(parse(str(parse(text))), parse(text))


class CloudTests(SynchronousTestCase):
    """The strings of the cloud."""

    def test_add(self) -> None:
        """What comes up from a node is marked with the node."""
        self.assertEqual(addNode("n1", "default/service/b"), "node/n1/default/service/b")

    def test_trim(self) -> None:
        """What goes down to a node has no mark."""
        self.assertEqual(trimNode("node/n1/default/service/b"), "default/service/b")

    def test_trimOnce(self) -> None:
        """A topic that begins like the mark itself arrives whole."""
        self.assertEqual(trimNode(addNode("n1", "node/x/y")), "node/x/y")

    def test_trimOnlyNodes(self) -> None:
        """What has no mark, or nothing behind it, stays."""
        for text in ("default/service/b", "node/connection", "node", "", "rule/r"):
            self.assertEqual(trimNode(text), text)

    def test_trimAsTheCloudDoes(self) -> None:
        """cloudhub looks at the first letters only; so do we, to have the same string."""
        self.assertEqual(trimNode("nodes/a/b"), "b")

    def test_nodeOf(self) -> None:
        """The node that something is for is known in the cloud."""
        self.assertEqual(nodeOf("node/n1/8080:/a/b"), "n1")
        for text in ("node/connection", "default/service/b", "nodes/a/b", ""):
            self.assertEqual(nodeOf(text), "")

    @_SETTINGS
    @given(_ANY, st.text(st.sampled_from("abn-1."), min_size=1, max_size=6))
    def test_thereAndBack(self, text: str, node: str) -> None:
        """Any string survives the way up and down; none is a reason to fail."""
        marked = addNode(node, text)
        self.assertEqual((trimNode(marked), nodeOf(marked)), (text, node))
        trimNode(text), nodeOf(text)


class SpecialTests(SynchronousTestCase):
    """Strings that mean one thing only."""

    def test_forms(self) -> None:
        """Each is spelled as KubeEdge spells it."""
        spelled = (
            resource.podList("default", "b"),
            resource.podStatus("default"),
            resource.listener("prod", "b"),
            resource.rule("r"),
            resource.ruleEndpoint("e"),
            resource.ruleStatus("default", "r"),
            resource.serviceBus("8080", "/svc/a"),
        )
        self.assertEqual(
            spelled,
            (
                "default/podlist/b",
                "default/podstatus",
                "default/listener/prod.b",
                "rule/r",
                "ruleendpoint/e",
                "node/nodeid/default/rulestatus/r",
                "8080:/svc/a",
            ),
        )

    def test_listened(self) -> None:
        """The Service is found again in its listener's name."""
        self.assertEqual(
            resource.listened(parse(resource.listener("prod", "b")).name), ("prod", "b")
        )
        self.assertEqual(resource.listened("b"), ("", ""))
