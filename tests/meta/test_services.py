"""Tests for edgemesh.meta.services."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.manifests import Parsed, parse
from edgemesh.meta.model import Endpoint, Service, ServicePort
from edgemesh.meta.services import Backing, BackingPort, ServiceObject


def read(kind: str, version: str = "v1", labels: Any = None, **keys: Any) -> Parsed:
    """One object called ``web`` with these keys."""
    about = {"name": "web", **({"labels": labels} if labels else {})}
    item = {"apiVersion": version, "kind": kind, "metadata": about, **keys}
    return parse(json.dumps(item), "f.json")


class ReadServiceTests(SynchronousTestCase):
    """A Service as Kubernetes writes it."""

    def value(self, **spec: Any) -> ServiceObject:
        """The Service with this spec."""
        value = read("Service", spec=spec).manifests[0].value
        assert isinstance(value, ServiceObject)
        return value

    def line(self, **spec: Any) -> str:
        """What is said of a Service with this spec."""
        with self.assertRaises(ConfigurationError) as caught:
            read("Service", spec=spec)
        return str(caught.exception).removeprefix("f.json: document 1, Service web.default: ")

    def test_whole(self) -> None:
        """Everything that is used is taken over."""
        value = self.value(
            type="NodePort",
            clusterIP="10.0.0.1",
            clusterIPs=["10.0.0.1", "2001:DB8::1"],
            selector={"app": "web"},
            sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}},
            ports=[
                {"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"},
                {"name": "admin", "port": 81, "targetPort": "admin"},
            ],
        )
        ports = (ServicePort(80, "http", "http"), ServicePort(81, "admin"))
        self.assertEqual(
            value,
            ServiceObject(
                Service(
                    "default",
                    "web",
                    ports,
                    clusterIPs=("10.0.0.1", "2001:db8::1"),
                    selector={"app": "web"},
                    affinitySeconds=60,
                ),
                {80: 8080, 81: "admin"},
            ),
        )

    def test_headless(self) -> None:
        """A headless Service has no addresses of its own."""
        self.assertEqual(self.value(clusterIP="None", clusterIPs=["None"]).service.clusterIPs, ())
        self.assertEqual(self.value(clusterIP="").service.clusterIPs, ())

    def test_clusterIP(self) -> None:
        """A wrong virtual address is named."""
        self.assertEqual(
            self.line(clusterIP="ten"),
            "spec.clusterIP: expected an IP address that an endpoint can have, found 'ten'",
        )

    def test_affinity(self) -> None:
        """Session affinity lasts three hours unless it says otherwise."""
        self.assertEqual(self.value(sessionAffinity="ClientIP").service.affinitySeconds, 10_800)
        self.assertEqual(self.value(sessionAffinity="None").service.affinitySeconds, 0)

    def test_targetPort(self) -> None:
        """Without a target port, apps listen at the service's port."""
        self.assertEqual(self.value(ports=[{"port": 80}]).targets, {80: 80})
        self.assertEqual(
            self.line(ports=[{"port": 80, "targetPort": 70_000}]),
            "spec.ports[0].targetPort: expected a port number from 1 to 65535, found 70000",
        )

    def test_portNumber(self) -> None:
        """A port that cannot be is named with its path."""
        for port in (0, 65_536, -1):
            self.assertEqual(
                self.line(ports=[{"port": port}]),
                "f.json: document 1, Service web: spec.ports[0].port: "
                f"expected a port number from 1 to 65535, found {port}",
            )

    def test_names(self) -> None:
        """Several ports need names, each its own."""
        expected = "spec.ports[1].name: expected a name of its own, as there are several ports"
        self.assertIn(expected, self.line(ports=[{"name": "a", "port": 1}, {"port": 2}]))
        twice = [{"name": "a", "port": 1}, {"name": "a", "port": 2}]
        self.assertIn(expected, self.line(ports=twice))

    def test_samePort(self) -> None:
        """A port may be there once for TCP."""
        twice = [{"name": "a", "port": 53}, {"name": "b", "port": 53}]
        self.assertIn("spec.ports[1].port: expected a number of its own", self.line(ports=twice))

    def test_udp(self) -> None:
        """UDP and SCTP ports are left out, with a note; the TCP port of that number stays."""
        ports = [
            {"name": "u", "port": 53, "protocol": "UDP"},
            {"name": "t", "port": 53, "protocol": "TCP"},
            {"name": "s", "port": 54, "protocol": "SCTP"},
        ]
        parsed = read("Service", spec={"ports": ports})
        value = parsed.manifests[0].value
        assert isinstance(value, ServiceObject)
        self.assertEqual(value.service.ports, (ServicePort(53, "t"),))
        self.assertEqual(len(parsed.notes), 2)

    def test_externalName(self) -> None:
        """An ExternalName Service is refused by itself; the file stays good."""
        parsed = read("Service", spec={"type": "ExternalName", "externalName": "example.com"})
        self.assertEqual(parsed.manifests, [])
        self.assertIn("found 'ExternalName'", parsed.problems["Service web.default"])

    def test_annotations(self) -> None:
        """Ours are kept; a wrong one is a problem that names the Service."""
        about = {"name": "web", "annotations": {"edgemesh.io/qps": "x", "other": "y"}}
        item = {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {}}
        parsed = parse(json.dumps(item), "f.json")
        value = parsed.manifests[0].value
        assert isinstance(value, ServiceObject)
        self.assertEqual(value.service.annotations, {"edgemesh.io/qps": "x"})
        self.assertEqual(
            parsed.problems["Service web.default"],
            "metadata.annotations.edgemesh.io/qps: expected a number above 0, found 'x'",
        )


class ReadEndpointsTests(SynchronousTestCase):
    """Endpoints as Kubernetes writes them."""

    def test_subsets(self) -> None:
        """Each subset has its addresses, ready or not, and its ports."""
        pod = {"kind": "Pod", "name": "web-1"}
        parsed = read(
            "Endpoints",
            subsets=[
                {
                    "addresses": [{"ip": "10.0.0.1", "nodeName": "n", "targetRef": pod}],
                    "notReadyAddresses": [{"ip": "10.0.0.2"}],
                    "ports": [{"name": "http", "port": 8080}, {"port": 5, "protocol": "UDP"}],
                },
                {},
            ],
        )
        endpoints = (
            Endpoint("10.0.0.1", 0, node="n", pod="web-1"),
            Endpoint("10.0.0.2", 0, ready=False),
        )
        self.assertEqual(
            parsed.manifests[0].value,
            (Backing("web", (BackingPort("http", 8080),), endpoints), Backing("web", (), ())),
        )

    def test_address(self) -> None:
        """A wrong address is named with its path."""
        with self.assertRaises(ConfigurationError) as caught:
            read("Endpoints", subsets=[{}, {"addresses": [{"ip": "host"}]}])
        self.assertIn("subsets[1].addresses[0].ip: expected an IP", str(caught.exception))


class ReadSliceTests(SynchronousTestCase):
    """EndpointSlices as Kubernetes writes them."""

    def slice(self, *endpoints: dict[str, Any], **keys: Any) -> tuple[Backing, ...]:
        """A slice of ``web`` with these endpoints."""
        labels = {"kubernetes.io/service-name": "web"}
        parsed = read(
            "EndpointSlice", "discovery.k8s.io/v1", labels, endpoints=list(endpoints), **keys
        )
        value = parsed.manifests[0].value
        assert isinstance(value, tuple)
        return value

    def test_whole(self) -> None:
        """Everything that is used is taken over."""
        found = self.slice(
            {"addresses": ["10.0.0.1", "10.0.0.2"], "nodeName": "n", "zone": "z"},
            ports=[{"name": "http", "port": 8080}, {"name": "any", "port": None}],
        )
        endpoints = tuple(Endpoint(f"10.0.0.{i}", 0, node="n", zone="z") for i in (1, 2))
        self.assertEqual(found, (Backing("web", (BackingPort("http", 8080),), endpoints),))

    def test_conditions(self) -> None:
        """Ready that nobody knows means ready; terminating is kept apart."""
        expected = [
            (None, True, False),
            ({}, True, False),
            ({"ready": None}, True, False),
            ({"ready": False}, False, False),
            ({"ready": None, "serving": False}, False, False),
            ({"ready": False, "serving": True, "terminating": True}, False, True),
        ]
        for conditions, ready, terminating in expected:
            endpoint = self.slice({"addresses": ["10.0.0.1"], "conditions": conditions})[0]
            found = endpoint.endpoints[0]
            self.assertEqual((found.ready, found.terminating), (ready, terminating), conditions)

    def test_unlabelled(self) -> None:
        """A slice that belongs to no Service is a problem."""
        parsed = read("EndpointSlice", "discovery.k8s.io/v1", endpoints=[])
        self.assertEqual(parsed.manifests, [])
        self.assertIn("kubernetes.io/service-name", parsed.problems["EndpointSlice web.default"])
