# -*- test-case-name: tests.protocols.tls.test_plugin -*-
"""TLS as a plugin: passed through unopened, by the server name in its first flight."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.interfaces import IMeshProtocol, IResolver, ITransportClient
from edgemesh.protocols.mesh import Accepted, Mesh
from edgemesh.protocols.tcp.client import TCPClient
from edgemesh.protocols.tls.resolver import TLSResolver
from edgemesh.protocols.tls.server import TLSServer


@implementer(IPlugin, IMeshProtocol)
class TLSProtocol:
    """TLS, end to end between the caller and the endpoint."""

    name = "tls"

    def resolver(self) -> IResolver:
        return TLSResolver()

    def server(self, accepted: Accepted) -> IProtocol:
        return TLSServer(accepted)

    def client(self, mesh: Mesh) -> ITransportClient:
        return TCPClient(mesh)


TLS = TLSProtocol()
