# -*- test-case-name: tests.interceptor.test_early -*-
"""
An endpoint dialled for a caller that says nothing: perhaps the server speaks first.

::

    DIALLING --opened--> OPEN --taken--> OVER
        |                  |
        +--not opened------+--lost or given up--> OVER

It is chosen by destination only, since nothing else is known.  While it is OPEN it
is the protocol of the endpoint's connection and listens for its first byte.  The
one who takes it gets the Invocation with it; given up, the Invocation is released
as if nothing had been asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import UPSTREAM_RESET, Failure, Refused
from edgemesh.interceptor.recognition import OPAQUE
from edgemesh.interfaces import IUpstreamWaiter
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.mesh import Early, Mesh, handOver


@dataclass(frozen=True, slots=True)
class Unreached:
    """
    Why no endpoint was reached.

    :ivar finished: the call path was told already.
    """

    invocation: Invocation
    failure: Failure
    detail: str
    finished: bool

    def report(self, mesh: Mesh, now: float) -> None:
        """The caller is reset for it: say so."""
        if not self.finished:
            outcome = Outcome(0, self.failure, now - self.invocation.started)
            mesh.path.finish(self.invocation, outcome, now)
        mesh.refusals.refused(self.invocation, self.failure, self.detail)


class SilentCaller(Protocol):
    """Who has an endpoint dialled early."""

    def endpointOpened(self) -> None:
        """The connection is there."""

    def endpointSpoke(self) -> None:
        """The endpoint has said something, or has ended."""

    def endpointLost(self) -> None:
        """The endpoint has reset the connection."""

    def notOpened(self, unreached: Unreached) -> None:
        """No endpoint could be reached."""


class _State(Enum):
    DIALLING = "no connection yet"
    OPEN = "nobody has spoken"
    OVER = "taken, lost or given up"


@implementer(IProtocol, IHalfCloseableProtocol, IUpstreamWaiter)
class EarlyDial:
    """
    One endpoint for one silent caller.

    :raise Refused: nobody can be dialled.
    """

    __slots__ = ("_caller", "_heir", "_mesh", "_said", "_state", "invocation", "transport")

    transport: Any

    def __init__(self, mesh: Mesh, invocation: Invocation, caller: SilentCaller) -> None:
        self._mesh = mesh
        self._caller = caller
        self._said = b""
        self._heir = OPAQUE
        self._state = _State.DIALLING
        self.invocation = invocation
        mesh.path.decide(invocation, mesh.seconds())

    def __repr__(self) -> str:
        return f"<EarlyDial {self._state.name} {self.invocation!r}>"

    @property
    def dialling(self) -> bool:
        """Whether nobody knows yet if there will be a connection."""
        return self._state is _State.DIALLING

    def dial(self) -> None:
        """Begin, or begin again; may succeed or fail before it returns."""
        assert self.invocation.endpoint is not None
        self._mesh.clients[OPAQUE].open(self.invocation.endpoint, self)

    def take(self, protocol: str) -> Early | None:
        """
        Let the server of this protocol have the connection.

        :return: None when there is none yet; it is given up then.
        """
        self._heir = protocol
        if self._state is not _State.OPEN:
            self.giveUp()
            return None
        self._state = _State.OVER
        self.transport.pauseProducing()
        return Early(self.invocation, self.transport, self._said)

    def giveUp(self) -> None:
        """The caller is gone, or has found its server without this."""
        before, self._state = self._state, _State.OVER
        if before is _State.OVER:
            return
        self._mesh.path.release(self.invocation, self._mesh.seconds())
        if before is _State.OPEN:
            self.transport.abortConnection()

    def fail(self, failure: Failure) -> None:
        """End it as a failed call."""
        before, self._state = self._state, _State.OVER
        now = self._mesh.seconds()
        self._mesh.path.finish(self.invocation, self._outcome(failure, now), now)
        if before is _State.OPEN:
            self.transport.abortConnection()

    def opened(self, upstream: IProtocol) -> None:
        transport: ITransport = upstream.transport  # type: ignore[attr-defined]
        if self._state is _State.DIALLING:
            self._state = _State.OPEN
            handOver(transport, self, b"")
            self._caller.endpointOpened()
            return
        # Nobody has used it: another call of the protocol that was found may.
        endpoint = self.invocation.endpoint
        assert endpoint is not None
        self._mesh.clients[self._heir].adopt(endpoint, transport)

    def openFailed(self, failure: Failure, detail: str) -> None:
        if self._state is not _State.DIALLING:
            return
        path, now = self._mesh.path, self._mesh.seconds()
        if path.mayRetry(self.invocation, now):
            try:
                path.retry(self.invocation, self._outcome(failure, now), now)
            except Refused as refusal:
                detail = f"{detail}; {refusal.detail}"
            else:
                self.dial()
                return
        self.fail(failure)
        self._caller.notOpened(Unreached(self.invocation, failure, detail, True))

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport

    def connectionMade(self) -> None:
        """The connection is open already."""

    def dataReceived(self, data: bytes) -> None:
        self._said += data
        self._caller.endpointSpoke()

    def readConnectionLost(self) -> None:
        # Whoever resumes the transport is told again.
        self._caller.endpointSpoke()

    def writeConnectionLost(self) -> None:
        """Nothing was written here."""

    def connectionLost(self, reason: Reason) -> None:
        if self._state is not _State.OPEN:
            return
        self._state = _State.OVER
        clean = reason.check(ConnectionDone)  # type: ignore[no-untyped-call]
        now = self._mesh.seconds()
        outcome = self._outcome(None if clean else UPSTREAM_RESET, now)
        self._mesh.path.finish(self.invocation, outcome, now)
        self._caller.endpointLost()

    def _outcome(self, failure: Failure | None, now: float) -> Outcome:
        return Outcome(0, failure, now - self.invocation.started)
