"""Tests for edgemesh.meta.manifests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.assembly import build
from edgemesh.meta.manifests import Parsed, parse

_some = settings(derandomize=True, max_examples=100, deadline=None, database=None)

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "annotations": {"edgemesh.io/qps": "5"}},
    "spec": {
        "clusterIP": "10.0.0.1",
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}},
    },
}
ENDPOINTS = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "metadata": {"name": "web"},
    "subsets": [{"addresses": [{"ip": "10.0.0.2"}], "ports": [{"name": "http", "port": 8080}]}],
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
    "endpoints": [{"addresses": ["10.0.0.2"], "conditions": {"ready": True}, "zone": "z"}],
    "ports": [{"name": "http", "port": 8080}],
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "labels": {"app": "web"}},
    "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
    "status": {"podIPs": [{"ip": "10.0.0.2"}], "conditions": [{"type": "Ready", "status": "True"}]},
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n"},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]},
}
OBJECTS = (SERVICE, ENDPOINTS, SLICE, POD, NODE)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    found = [path]
    members = enumerate(value) if isinstance(value, list) else ()
    for key, member in value.items() if isinstance(value, dict) else members:
        found += places(member, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with ``new`` at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


class ParseTests(SynchronousTestCase):
    """The text of a file -> checked objects."""

    def line(self, text: str, file: str = "f.yaml") -> str:
        """What is said of ``text``."""
        line = str(self.assertRaises(ConfigurationError, parse, text, file))
        self.assertTrue(line.isprintable(), line)
        return line

    def names(self, parsed: Parsed) -> list[str]:
        """What was found."""
        return [manifest.title for manifest in parsed.manifests]

    def test_documents(self) -> None:
        """Every document of a YAML file counts; empty ones are skipped."""
        text = "---\n---\n".join(json.dumps(item) + "\n" for item in OBJECTS)
        self.assertEqual(
            self.names(parse(text, "f.yaml")),
            [
                "Service web.default",
                "Endpoints web.default",
                "EndpointSlice web-1.default",
                "Pod web-1.default",
                "Node n",
            ],
        )

    def test_empty(self) -> None:
        """An empty file, or one of comments, has nothing in it and is fine."""
        for text in ("", "# nothing\n", "---\n"):
            self.assertEqual(parse(text, "f.yaml"), Parsed())

    def test_list(self) -> None:
        """A List, as kubectl writes it, is its items."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(OBJECTS)})
        self.assertEqual(len(parse(text, "f.json").manifests), 5)

    def test_kindList(self) -> None:
        """A PodList's items do not have to repeat what they are."""
        item = {key: POD[key] for key in ("metadata", "spec", "status")}
        text = json.dumps({"apiVersion": "v1", "kind": "PodList", "items": [item]})
        self.assertEqual(self.names(parse(text, "f.json")), ["Pod web-1.default"])

    def test_itemError(self) -> None:
        """A wrong item of a List is named by number, kind and name."""
        items = [NODE, changed(SERVICE, ("spec", "ports", 0, "port"), "http")]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.assertEqual(
            self.line("---\nnull\n---\n" + text),
            "f.yaml: document 2, item 2, Service web: spec.ports[0].port: "
            "expected a port number from 1 to 65535, found 'http'",
        )

    def test_notAnObject(self) -> None:
        """What is no Kubernetes object is told so."""
        self.assertEqual(self.line("- a"), "f.yaml: document 1: expected a mapping, found a list")
        self.assertEqual(
            self.line("kind: Service"),
            "f.yaml: document 1: apiVersion: expected str, found nothing",
        )
        self.assertEqual(
            self.line("apiVersion: v1\nkind: 5"),
            "f.yaml: document 1: kind: expected str, found 5 (quote it)",
        )

    def test_otherKinds(self) -> None:
        """Objects that the mesh has no use for are noted."""
        parsed = parse("apiVersion: apps/v1\nkind: Deployment\n", "f.yaml")
        self.assertEqual(parsed.notes, ["objects of kind 'Deployment' ('apps/v1') are ignored"])

    def test_otherGroup(self) -> None:
        """Another group's Service is not Kubernetes' own."""
        text = json.dumps({**SERVICE, "apiVersion": "serving.knative.dev/v1"})
        self.assertEqual(parse(text, "f.json").manifests, [])

    def test_unquotedAnnotation(self) -> None:
        """An annotation that is a number tells how to repair it."""
        text = json.dumps(changed(SERVICE, ("metadata", "annotations", "edgemesh.io/qps"), 5))
        self.assertTrue(
            self.line(text).endswith(
                "metadata.annotations.edgemesh.io/qps: expected str, found 5 (quote it)"
            )
        )

    def test_badName(self) -> None:
        """A name that DNS cannot have is refused, and shown safely."""
        for name in ("Web", "web\nlog line", "", "x" * 300, "a.b"):
            text = json.dumps(changed(SERVICE, ("metadata", "name"), name))
            self.assertIn("metadata.name: expected str that is a DNS label", self.line(text))

    odd = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.sampled_from(["", "None", "TCP", "UDP", "10.0.0.3", "::1", "web", "List", "a\nb"])
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    )

    @_some
    @given(st.data())
    def test_mutated(self, data: st.DataObject) -> None:
        """A good object with anything anywhere is taken, or is one line; never a traceback."""
        items = []
        for item in OBJECTS:
            path = data.draw(st.sampled_from(places(item)))
            items.append(changed(item, path, data.draw(self.odd)))
        for item in items:
            try:
                parsed = parse(json.dumps(item), "f.json")
            except ConfigurationError as error:
                self.assertTrue(str(error).isprintable(), str(error))
            else:
                build(parsed.manifests, allowLoopback=False)

    @_some
    @given(odd)
    def test_anything(self, value: object) -> None:
        """Any value is taken, or is one line."""
        try:
            parse(json.dumps([value]), "f.yaml")
            parse(json.dumps({"apiVersion": "v1", "kind": "List", "items": [value]}), "f.json")
        except ConfigurationError as error:
            self.assertTrue(str(error).isprintable(), str(error))
