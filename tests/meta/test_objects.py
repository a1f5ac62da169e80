"""Tests for edgemesh.meta.objects."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.resource import parse
from edgemesh.errors import RemoteProtocolError
from edgemesh.meta.objects import KINDS, MANIFESTS, ORIGIN, SERVICE, Item, itemsOf
from tests.meta.metamanagers import everyWay, service

WEB = "default/service/web"


def items(value: object, resource: str = WEB) -> list[Item]:
    """The objects in a content."""
    return list(itemsOf(value, parse(resource)))


class ItemsTests(SynchronousTestCase):
    """Objects, however they are packed."""

    def test_everyWay(self) -> None:
        """An object is the same in whichever way it comes."""
        web = service("web", version=7)
        for content in everyWay(web):
            [item] = items(content)
            self.assertEqual(
                (item.title, item.version, item.value), ("Service web.default", 7, web)
            )
        self.assertEqual(items(json.dumps(web).encode())[0].value, web)

    def test_several(self) -> None:
        """A list has as many objects as it says, and null has none."""
        content = [json.dumps(service(name)) for name in ("a", "b")]
        self.assertEqual([item.name for item in items(content, "all/service")], ["a", "b"])
        self.assertEqual(items([], "all/service"), [])

    def test_oldCloud(self) -> None:
        """What an old cloud leaves out is known from the resource."""
        [item] = items({"metadata": {"name": "web"}, "spec": {}}, "shop/service/web")
        self.assertEqual((item.namespace, item.value["kind"]), ("shop", "Service"))
        self.assertEqual(item.value["apiVersion"], "v1")
        [item] = items({"metadata": {"name": "p"}}, "shop/podlist/web")
        self.assertEqual((item.title, item.value["kind"]), ("Pod p.shop", "Pod"))
        [item] = items({"metadata": {"name": "w"}}, "namespace/servicelist/service")
        self.assertEqual(item.title, "Service w.default")

    def test_node(self) -> None:
        """A Node belongs to no namespace."""
        for resource in ("null/node/n", "default/node/n", "all/node"):
            [item] = items({"metadata": {"name": "n"}}, resource)
            self.assertEqual((item.namespace, item.title), ("", "Node n"))

    def test_version(self) -> None:
        """A version that is no number cannot be compared."""
        for text in ("", "abc", "-1", "9" * 30, "\u0663"):
            one = service("web")
            one["metadata"]["resourceVersion"] = text
            self.assertEqual(items(one)[0].version, 0)

    def test_own(self) -> None:
        """Objects of this node's manifests say so."""
        one = service("web")
        self.assertFalse(items(one)[0].isOwn)
        one["metadata"]["annotations"] = {ORIGIN: MANIFESTS}
        self.assertTrue(items(one)[0].isOwn)

    def test_title(self) -> None:
        """A name cannot forge a line of a report."""
        self.assertNotIn("\n", SERVICE.title("default", "web\nforged: line"))

    odd = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["{", "[]", '{"metadata":{}}', "\ud800", "x", '"\\"[]\\""']),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["metadata", "items", "name", "kind"]), inner)
        ),
        max_leaves=8,
    )

    @settings(derandomize=True, max_examples=150, deadline=None, database=None)
    @given(odd, st.sampled_from(KINDS))
    def test_anything(self, content: object, kind: object) -> None:
        """Any content is taken, or refused as the peer's fault; never a traceback."""
        try:
            found = items(content, f"default/{kind.type}/x")  # type: ignore[attr-defined]
        except RemoteProtocolError:
            return
        for item in found:
            self.assertTrue(item.title.isprintable())
