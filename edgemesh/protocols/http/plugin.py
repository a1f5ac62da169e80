# -*- test-case-name: tests.protocols.http.test_plugin -*-
"""HTTP/1 as a protocol of the mesh: what the dropin names."""

from __future__ import annotations

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.interfaces import IMeshProtocol
from edgemesh.protocols.http.client import HTTPClient
from edgemesh.protocols.http.resolver import HTTPResolver
from edgemesh.protocols.http.server import HTTPServer
from edgemesh.protocols.mesh import Accepted, Mesh
from edgemesh.protocols.tcp.relay import tunnel


@implementer(IPlugin, IMeshProtocol)
class HTTPProtocol:
    """HTTP/1.0 and HTTP/1.1."""

    name = "http"

    def resolver(self) -> HTTPResolver:
        return HTTPResolver()

    def server(self, accepted: Accepted) -> HTTPServer:
        mesh = accepted.mesh
        client = mesh.clients["http"]
        assert isinstance(client, HTTPClient)
        return HTTPServer(accepted, client, _inserted(mesh, accepted.caller), tunnel)

    def client(self, mesh: Mesh) -> HTTPClient:
        return HTTPClient(mesh)


def _inserted(mesh: Mesh, caller: str) -> bytes:
    """The field lines that every request of one connection gets."""
    lines = []
    # Who comes through a unix socket has no address.
    if mesh.forwardedFor and caller:
        lines.append(f"X-Forwarded-For: {caller}\r\n")
    if mesh.via:
        lines.append("Via: 1.1 edgemesh\r\n")
    return "".join(lines).encode("ascii")


HTTP = HTTPProtocol()
