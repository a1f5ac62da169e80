"""One node, one nginx and every kind of Service, for the tests with curl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from edgemesh.demo.processes import freePorts
from tests.functional.harness import HOST, Node, listenAt
from tests.functional.standing import HOST6, Standing, hasIPv6
from tests.functional.webserver import WebServer, startWebServer


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What stands.

    :ivar port: a listener for the service ``web``.
    :ivar port6: the same on the other loopback, or 0.
    :ivar secure: a listener for the service ``servicea``, which speaks TLS.
    :ivar h2c: a listener for the service ``rpc``, which speaks HTTP/2 without TLS.
    :ivar proxy: the proxy listener.
    :ivar socket: the path of a unix socket that is a listener for ``web``, too.
    """

    node: Node
    web: WebServer
    port: int
    port6: int
    secure: int
    h2c: int
    proxy: int
    socket: str


@cache
def scene() -> Scene:
    """Start it, once."""
    standing = Standing()
    web = startWebServer(standing)
    port, secure, h2c, proxy = freePorts(4)
    path = str(web.folder / "socket")
    listeners = [
        {"listen": listenAt(port), "service": "web.default:80"},
        {"listen": listenAt(secure), "service": "servicea.default:443"},
        {"listen": listenAt(h2c), "service": "rpc.default:80"},
        {"listen": listenAt(proxy), "proxy": True},
        {"listen": f"unix:{path}", "service": "web"},
    ]
    if hasIPv6():
        listeners.append({"listen": f"tcp:{port}:interface=\\:\\:1", "service": "web"})
    node = standing.node({"listeners": listeners}, {"services.json": json.dumps(_objects(web))})
    return Scene(node, web, port, port if hasIPv6() else 0, secure, h2c, proxy, path)


def _objects(web: WebServer) -> dict[str, object]:
    """A List with every Service; which instance is behind it is told by its port."""
    first, second, third = web.ports
    items = [
        # Kept by hand: no selector, no Pod, no nodeName.
        _service("web", [{"port": 80}]),
        _endpoints("web", first),
        # In another namespace, on a port of its own; both have names.
        _service("shop", [{"name": "http", "port": 8080}], namespace="trade"),
        _endpoints("shop", second, namespace="trade", portName="http"),
        # A selector, as an ordinary deployment has it.
        _service("selected", [{"port": 80, "targetPort": "web"}], selector={"app": "selected"}),
        _pod("selected-1", {"app": "selected"}, third),
        _pod("other-1", {"app": "other"}, first),
        _service("sliced", [{"port": 80}]),
        _slice("sliced", "IPv4", HOST, second),
        _service("six", [{"port": 80}]),
        _slice("six", "IPv6", HOST6, web.port6 or 1),
        _service("servicea", [{"port": 443}]),
        _endpoints("servicea", web.secure),
        # Another one with the same certificate, which is not for its name.
        _service("serviceb", [{"port": 443}]),
        _endpoints("serviceb", web.secure),
        _service("rpc", [{"port": 80}]),
        _endpoints("rpc", web.h2c),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _about(name: str, namespace: str = "default", **more: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": namespace, **more}}


def _service(
    name: str,
    ports: list[dict[str, object]],
    namespace: str = "default",
    selector: dict[str, str] | None = None,
) -> dict[str, object]:
    spec = {"ports": ports, **({"selector": selector} if selector else {})}
    return {"apiVersion": "v1", "kind": "Service", **_about(name, namespace), "spec": spec}


def _endpoints(
    name: str, port: int, namespace: str = "default", portName: str = ""
) -> dict[str, object]:
    subsets = [{"addresses": [{"ip": HOST}], "ports": [{"port": port, "name": portName}]}]
    return {"apiVersion": "v1", "kind": "Endpoints", **_about(name, namespace), "subsets": subsets}


def _slice(service: str, kind: str, address: str, port: int) -> dict[str, object]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        **_about(f"{service}-x7k2p", labels={"kubernetes.io/service-name": service}),
        "addressType": kind,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
    }


def _pod(name: str, labels: dict[str, str], port: int) -> dict[str, object]:
    ports = [{"name": "web", "containerPort": port}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **_about(name, labels=labels),
        "spec": {"nodeName": "edge-1", "containers": [{"name": "web", "ports": ports}]},
        "status": {
            "phase": "Running",
            "podIP": HOST,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
