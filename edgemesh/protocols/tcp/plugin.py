# -*- test-case-name: tests.protocols.tcp.test_plugin -*-
"""
Opaque protocols as plugins: the ``tcp`` of the configuration, and a base for others.

A stranger's protocol that needs no more than recognition and a look at the
caller's bytes is one object::

    RESP = OpaqueProtocol("redis", RESPResolver(), CommandCounter)

where the third argument makes an :class:`~edgemesh.protocols.tcp.inspecting.IInspector`
for each connection from its :class:`~edgemesh.invocation.Invocation`.
"""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.interfaces import IMeshProtocol, IResolver, ITransportClient
from edgemesh.protocols.mesh import Accepted, Mesh
from edgemesh.protocols.tcp.client import TCPClient
from edgemesh.protocols.tcp.resolver import TCPResolver
from edgemesh.protocols.tcp.server import Inspect, TCPServer


@implementer(IPlugin, IMeshProtocol)
class OpaqueProtocol:
    """
    A protocol whose connections are relayed whole to one endpoint.

    :param name: as in the configuration.
    :param resolver: recognises it.
    :param inspect: makes the inspector of one connection; None to look at nothing.
    """

    def __init__(self, name: str, resolver: IResolver, inspect: Inspect | None = None) -> None:
        self.name = name
        self._resolver = resolver
        self._inspect = inspect

    def __repr__(self) -> str:
        return f"<OpaqueProtocol {self.name}>"

    def resolver(self) -> IResolver:
        return self._resolver

    def server(self, accepted: Accepted) -> IProtocol:
        return TCPServer(accepted, self.name, inspect=self._inspect)

    def client(self, mesh: Mesh) -> ITransportClient:
        return TCPClient(mesh)


TCP = OpaqueProtocol("tcp", TCPResolver())
