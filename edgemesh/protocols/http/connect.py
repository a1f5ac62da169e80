# -*- test-case-name: tests.protocols.http.test_connect -*-
"""
CONNECT: a caller of the proxy asks for a tunnel to a known service.

::

    -> CONNECT b.default:443 HTTP/1.1
    <- HTTP/1.1 200 Connection established
    <> bytes, both ways, unread

Knows the answer to give and the relay to hand over to; no byte of the tunnel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol

from edgemesh.errors import BAD_REQUEST, METHOD_REFUSED, Refused
from edgemesh.invocation import Invocation
from edgemesh.protocols.http.answers import CONNECTED
from edgemesh.protocols.http.call import Call
from edgemesh.wire.http1 import RequestHead

if TYPE_CHECKING:
    from edgemesh.protocols.http.server import HTTPServer


class Connect(Call):
    """One CONNECT; an opaque connection for the chain."""

    __slots__ = ("_client",)

    def __init__(self, server: HTTPServer, head: RequestHead) -> None:
        now = server.mesh.seconds()
        invocation = Invocation(
            "tcp", server.accepted.caller, name=head.target, defaultPort=443, started=now
        )
        super().__init__(server, head, invocation)
        self._client = server.mesh.clients.get("tcp")

    def begin(self, body: bytes, whole: bool) -> None:
        self._bodyWhole = whole
        self._received += len(body)
        try:
            self._check()
            self._server.mesh.path.decide(self.invocation, self.invocation.started)
        except Refused as refusal:
            self._refuse(refusal)
        else:
            self._setDeadline(self.invocation.started)
            self._open()

    def _check(self) -> None:
        if not self._server.accepted.proxy or self._client is None:
            raise Refused(METHOD_REFUSED)
        if self._head.body != 0:
            raise Refused(BAD_REQUEST)

    def _open(self) -> None:
        endpoint = self.invocation.endpoint
        assert endpoint is not None and self._client is not None
        self._client.open(endpoint, self)

    def opened(self, upstream: IProtocol) -> None:
        transport = upstream.transport  # type: ignore[attr-defined]
        if self._server.exchange is self:
            self._status = 200
            self._write(CONNECTED)
            self._becomeTunnel(transport, b"", False)
        else:
            # The caller went away while we dialled.
            endpoint = self.invocation.endpoint
            assert endpoint is not None and self._client is not None
            self._client.adopt(endpoint, transport)
