# -*- test-case-name: tests.protocols.tcp.test_server -*-
"""
The server of one opaque connection: decide, dial, then let a relay have both.

::

    DIALLING --opened--> RELAYING
        |
        +--refused, not opened, caller gone--> OVER

The caller is paused while its endpoint is dialled.  When no connection can be
opened, another endpoint is tried once; the caller's bytes are still here.  A
caller that is refused is reset at once, and the log says why.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import CALLER_GONE, DRAINING, INTERNAL, Failure, Refused
from edgemesh.interfaces import IUpstreamWaiter
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tcp.inspecting import IInspector
from edgemesh.protocols.tcp.relay import Relay, tunnel

#: Makes the inspector of one connection.
Inspect = Callable[[Invocation], IInspector]


class _State(Enum):
    DIALLING = "no endpoint yet; the caller is paused"
    RELAYING = "a relay has both connections"
    OVER = "refused or gone"


@implementer(IProtocol, IHalfCloseableProtocol, IUpstreamWaiter)
class TCPServer:
    """
    One caller whose bytes are not understood.

    :param protocol: the name it goes by: in the chain, in metrics, in the log.
    :param name: the server name the caller gave (SNI), or empty.
    :param defaultPort: the port that ``name`` stands for.
    :param inspect: makes an inspector for the caller's bytes.
    """

    __slots__ = ("_accepted", "_inspect", "_relay", "_seen", "_state", "invocation", "transport")

    log = Logger()
    transport: Any
    _relay: Relay

    def __init__(
        self,
        accepted: Accepted,
        protocol: str = "tcp",
        name: bytes = b"",
        defaultPort: int = 80,
        inspect: Inspect | None = None,
    ) -> None:
        self._accepted = accepted
        self._inspect = inspect
        self._seen = b""
        self._state = _State.DIALLING
        early = accepted.early
        if early is None:
            self.invocation = Invocation(
                protocol,
                accepted.caller,
                accepted.asked,
                name,
                defaultPort,
                started=accepted.mesh.seconds(),
            )
        else:
            self.invocation = early.invocation
            self.invocation.protocol = protocol
            self.invocation.name = name

    def __repr__(self) -> str:
        return f"<TCPServer {self._state.name} {self.invocation!r}>"

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        mesh = self._accepted.mesh
        mesh.live[self] = None
        early = self._accepted.early
        if early is not None:
            self._begin(early.transport, early.said)
            return
        self.transport.pauseProducing()
        try:
            mesh.path.decide(self.invocation, mesh.seconds())
        except Refused as refusal:
            self._refuse(refusal.failure, refusal.detail)
        else:
            self._dial()

    def _dial(self) -> None:
        invocation = self.invocation
        assert invocation.endpoint is not None
        self._accepted.mesh.clients[invocation.protocol].open(invocation.endpoint, self)

    def dataReceived(self, data: bytes) -> None:
        if self._state is _State.DIALLING:
            self._seen += data
        elif self._state is _State.RELAYING:
            # Whoever handed the caller over did not know that it went on at once.
            self._relay.caller.dataReceived(data)

    def readConnectionLost(self) -> None:
        """The caller has ended; the relay will be told again when it resumes the transport."""

    def writeConnectionLost(self) -> None:
        """Nothing was written here."""

    def connectionLost(self, reason: Reason) -> None:
        if self._state is _State.DIALLING:
            self._end(CALLER_GONE)

    def opened(self, upstream: IProtocol) -> None:
        transport: ITransport = upstream.transport  # type: ignore[attr-defined]
        if self._state is _State.DIALLING:
            self._begin(transport, b"")
        else:
            transport.abortConnection()  # type: ignore[attr-defined]

    def openFailed(self, failure: Failure, detail: str) -> None:
        if self._state is not _State.DIALLING:
            return
        mesh, invocation = self._accepted.mesh, self.invocation
        now = mesh.seconds()
        if not mesh.path.mayRetry(invocation, now):
            self._refuse(failure, detail)
            return
        try:
            mesh.path.retry(invocation, self._outcome(failure, now), now)
        except Refused as refusal:
            self._refuse(failure, f"{detail}; {refusal.detail}")
        else:
            self._dial()

    def drain(self) -> None:
        """A connection that is being dialled is a call in flight."""

    def abort(self) -> None:
        """Reset the caller; the node shuts down."""
        self._refuse(DRAINING, DRAINING.meaning)

    def _begin(self, upstream: ITransport, said: bytes) -> None:
        accepted, invocation = self._accepted, self.invocation
        try:
            inspector = self._inspect(invocation) if self._inspect is not None else None
        except Exception:
            self.log.failure("no inspector for {call!r}", call=invocation)
            upstream.abortConnection()  # type: ignore[attr-defined]
            self._refuse(INTERNAL, "the protocol's plugin has a defect")
            return
        accepted.mesh.live.pop(self, None)
        self._state = _State.RELAYING
        seen, self._seen = self._seen, b""
        self._relay = tunnel(
            accepted.mesh, invocation, self.transport, upstream, seen, said, inspector=inspector
        )

    def _refuse(self, failure: Failure, detail: str) -> None:
        self._end(failure)
        self._accepted.mesh.refusals.refused(self.invocation, failure, detail)
        self.transport.abortConnection()

    def _end(self, failure: Failure) -> None:
        mesh = self._accepted.mesh
        self._state = _State.OVER
        self._seen = b""
        mesh.live.pop(self, None)
        now = mesh.seconds()
        mesh.path.finish(self.invocation, self._outcome(failure, now), now)

    def _outcome(self, failure: Failure, now: float) -> Outcome:
        return Outcome(0, failure, now - self.invocation.started)
