"""A Service that says which protocol it speaks is believed, whatever the first bytes say."""

from __future__ import annotations

import json
import socket
import time
from functools import cache

import yaml
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import freePorts
from tests.functional.harness import HOST, listenAt
from tests.functional.standing import Standing
from tests.functional.talkers import Talker, echo, greeting

BANNER = b"220 at once\r\n"
REQUEST = b"GET /resource HTTP/1.0\r\nHost: x\r\n\r\n"


class Scene:
    """
    A node whose services say what they speak.

    :ivar mesh: their listeners' ports, by name.
    """

    def __init__(self) -> None:
        standing = Standing()
        app, echoing, greeter = standing.app("b-1"), Talker(echo), Talker(greeting(BANNER))
        for talker in (echoing, greeter):
            standing.addCleanup(talker.close)
        services = {
            "plain": (app, {}, ""),
            "claimed": (app, {}, "tcp"),
            "annotated": (app, {"protocol": "tcp"}, ""),
            "both": (app, {"protocol": "http"}, "tcp"),
            "port": (app, {"opaque-ports": "25,80"}, ""),
            "web": (echoing.port, {"protocol": "http"}, ""),
            "greeter": (greeter.port, {}, "tcp"),
        }
        self.mesh = dict(zip(services, freePorts(len(services)), strict=True))
        listeners = [
            {"listen": listenAt(port), "service": name} for name, port in self.mesh.items()
        ]
        manifests = {f"{name}.yaml": _manifest(name, *each) for name, each in services.items()}
        standing.node({"listeners": listeners}, manifests)


def _manifest(name: str, port: int, annotations: dict[str, str], appProtocol: str) -> str:
    """Port 80 of a Service with an endpoint on this machine."""
    own = {f"edgemesh.io/{key}": text for key, text in annotations.items()}
    ports = [{"port": 80, **({"appProtocol": appProtocol} if appProtocol else {})}]
    subsets = [{"addresses": [{"ip": HOST}], "ports": [{"port": port}]}]
    about = {"apiVersion": "v1", "metadata": {"name": name, "annotations": own}}
    objects = [
        {"kind": "Service", **about, "spec": {"ports": ports}},
        {"kind": "Endpoints", **about, "subsets": subsets},
    ]
    return yaml.safe_dump_all(objects)


@cache
def scene() -> Scene:
    """Start it, once."""
    return Scene()


def exchange(name: str, said: bytes) -> bytes:
    """Everything that a service answers until it closes."""
    with socket.create_connection((HOST, scene().mesh[name]), timeout=10) as caller:
        caller.sendall(said)
        heard = b""
        while part := caller.recv(65_536):
            heard += part
        return heard


class OverrideTests(SynchronousTestCase):
    """An app that speaks HTTP and tells whether the mesh has read the request."""

    def via(self, name: str) -> str:
        """What the app found in ``Via``; nothing when the request was relayed unread."""
        head, _, body = exchange(name, REQUEST).partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.splitlines()[0])
        return json.loads(body)["via"]

    def test_nothingSaid(self) -> None:
        """Without a word the first bytes decide: it is HTTP."""
        self.assertIn("1.0 ", self.via("plain"))

    def test_appProtocol(self) -> None:
        """``appProtocol: tcp`` is relayed unread."""
        self.assertEqual(self.via("claimed"), "")

    def test_annotation(self) -> None:
        """So is a Service with the annotation."""
        self.assertEqual(self.via("annotated"), "")

    def test_opaquePort(self) -> None:
        """So is a port that is named as opaque."""
        self.assertEqual(self.via("port"), "")

    def test_both(self) -> None:
        """The annotation is for this mesh, so it counts more than ``appProtocol``."""
        self.assertNotEqual(self.via("both"), "")

    def test_forced(self) -> None:
        """Where HTTP is said, what is none never reaches the app."""
        self.assertTrue(exchange("web", b"hello there\r\n").startswith(b"HTTP/1.1 400 "))

    def test_noWait(self) -> None:
        """A server that is known to be opaque greets at once."""
        fastest = 1.0
        for _ in range(10):
            began = time.monotonic()
            with socket.create_connection((HOST, scene().mesh["greeter"]), timeout=10) as caller:
                self.assertEqual(caller.recv(100), BANNER)
            fastest = min(fastest, time.monotonic() - began)
        # Recognising would take 0.02 s of silence first.
        self.assertLess(fastest, 0.02)
