"""Tests for edgemesh.meta.pods."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.manifests import Parsed, parse
from edgemesh.meta.model import Node, Pod


def read(kind: str, about: dict[str, Any] | None = None, **keys: Any) -> Parsed:
    """One object called ``one``."""
    item = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "one", **(about or {})}, **keys}
    return parse(json.dumps(item), "f.json")


class ReadPodTests(SynchronousTestCase):
    """A Pod as Kubernetes writes it."""

    def pod(self, about: dict[str, Any] | None = None, **keys: Any) -> Pod:
        """The Pod with these keys."""
        value = read("Pod", about, **keys).manifests[0].value
        assert isinstance(value, Pod)
        return value

    def test_whole(self) -> None:
        """Everything that is used is taken over."""
        web = {"name": "web", "containerPort": 8080}
        dns = {"name": "dns", "containerPort": 53, "protocol": "UDP"}
        self.assertEqual(
            self.pod(
                {"labels": {"app": "a"}, "annotations": {"edgemesh.io/weight": "3"}},
                spec={"nodeName": "n", "containers": [{"ports": [web, dns]}, {}]},
                status={"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
            ),
            Pod(
                "default",
                "one",
                node="n",
                addresses=("10.0.0.1", "fd00::1"),
                labels={"app": "a"},
                ports={"web": 8080},
                weight=3,
            ),
        )

    def test_oneAddress(self) -> None:
        """podIP alone is enough; without it a Pod has no address."""
        self.assertEqual(self.pod(status={"podIP": "10.0.0.1"}).addresses, ("10.0.0.1",))
        self.assertEqual(self.pod().addresses, ())

    def test_ready(self) -> None:
        """Only the Ready condition counts; a Pod that was written by hand needs none."""

        def ready(*conditions: tuple[str, str], phase: str = "Running") -> bool:
            listed = [{"type": name, "status": text} for name, text in conditions]
            return self.pod(status={"phase": phase, "conditions": listed}).ready

        self.assertTrue(ready())
        self.assertTrue(ready(("PodScheduled", "True"), ("Ready", "True")))
        self.assertFalse(ready(("Ready", "False")))
        self.assertFalse(ready(("PodScheduled", "True")))
        self.assertFalse(ready(phase="Succeeded"))

    def test_terminating(self) -> None:
        """A Pod with a time of deletion is going away."""
        self.assertTrue(self.pod({"deletionTimestamp": "2020-01-01T00:00:00Z"}).terminating)

    def test_weight(self) -> None:
        """A weight that is none is a problem of the Pod, and 1."""
        for text in ("-1", "many", "1.5", ""):
            parsed = read("Pod", {"annotations": {"edgemesh.io/weight": text}})
            value = parsed.manifests[0].value
            assert isinstance(value, Pod)
            self.assertEqual(value.weight, 1)
            self.assertIn("expected an int from 0", parsed.problems["Pod one.default"])

    def test_address(self) -> None:
        """A wrong address is named."""
        with self.assertRaises(ConfigurationError) as caught:
            read("Pod", status={"podIPs": [{"ip": "fe80::1"}]})
        self.assertIn("Pod one.default: status.podIPs[0].ip: expected", str(caught.exception))


class ReadNodeTests(SynchronousTestCase):
    """A Node as Kubernetes writes it."""

    def test_whole(self) -> None:
        """Name, zone and IP addresses are taken; names of the machine are not."""
        addresses = [
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "Hostname", "address": "edge-1"},
            {"type": "ExternalIP", "address": "192.0.2.1"},
        ]
        about = {"labels": {"topology.kubernetes.io/zone": "z"}}
        parsed = read("Node", about, status={"addresses": addresses})
        self.assertEqual(parsed.manifests[0].value, Node("one", "z", ("10.0.0.1", "192.0.2.1")))
        self.assertEqual(parsed.manifests[0].title, "Node one")
