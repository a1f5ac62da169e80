"""Small checked objects that the tests of the parts and of the assembly share."""

from __future__ import annotations

from typing import Any

from edgemesh.meta.manifests import Manifest
from edgemesh.meta.model import Endpoint, Pod, Service, ServicePort
from edgemesh.meta.services import Backing, BackingPort, ServiceObject

HTTP = ServicePort(80, "http")
KEY = "web.default:80"


def service(
    name: str, *ports: ServicePort, file: str = "f", target: int | str = 80, **keys: Any
) -> Manifest:
    """A Service of any name; with port 80 unless told otherwise."""
    made = Service("default", name, ports or (HTTP,), **keys)
    targets: dict[int, int | str] = {port.port: target for port in made.ports}
    return Manifest("Service", "default", name, file, ServiceObject(made, targets))


def web(*ports: ServicePort, **keys: Any) -> Manifest:
    """The Service ``web``."""
    return service("web", *ports, **keys)


def backing(kind: str, name: str, port: str, *endpoints: Endpoint, behind: str = "web") -> Manifest:
    """Endpoints or a slice, at port 8080."""
    made = Backing(behind, (BackingPort(port, 8080),), endpoints)
    return Manifest(kind, "default", name, "f", (made,))


def endpoints(*found: Endpoint, port: str = "http", behind: str = "web") -> Manifest:
    """The Endpoints of a Service."""
    return backing("Endpoints", behind, port, *found, behind=behind)


def slice_(name: str, *found: Endpoint, behind: str = "web") -> Manifest:
    """A slice of a Service."""
    return backing("EndpointSlice", name, "http", *found, behind=behind)


def pod(name: str, address: str, **keys: Any) -> Manifest:
    """A Pod that the selector ``app=web`` fits."""
    keys.setdefault("labels", {"app": "web", "more": "x"})
    addresses = (address,) if address else ()
    made = Pod("default", name, addresses=addresses, ports={"main": 8080}, **keys)
    return Manifest("Pod", "default", name, "f", made)


def at(address: str, **keys: Any) -> Endpoint:
    """An endpoint as a slice has it."""
    return Endpoint(address, 0, **keys)
