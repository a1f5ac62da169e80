# -*- test-case-name: tests.protocols.test_transport -*-
"""
Transport servers: where calls to apps on this node come in, by protocol.

A call from this node passes its protocol's transport server in the process: the
call path runs the inbound chain, no second socket is opened.  Where the
configuration gives a transport server an address it listens there as well, for
callers that have no mesh of their own; such a connection is served by the same
server class with :class:`~edgemesh.handlers.path.CallPath` beginning at
"find the service, pick an endpoint of this node".
"""

from __future__ import annotations

from twisted.application.service import MultiService, Service

from edgemesh.handlers.chain import Chain


class TransportServer(MultiService):
    """
    One protocol's incoming end on this node.

    :ivar protocol: the protocol's name.
    :ivar inbound: the chain that every call to an app on this node passes.
    :param listener: what listens on its own address, if it has one.
    """

    def __init__(self, protocol: str, inbound: Chain, listener: Service | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.protocol = protocol
        self.inbound = inbound
        self.setName(f"transport-{protocol}")  # type: ignore[no-untyped-call]
        if listener is not None:
            listener.setServiceParent(self)  # type: ignore[no-untyped-call]
