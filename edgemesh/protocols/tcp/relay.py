# -*- test-case-name: tests.protocols.tcp.test_relay -*-
"""
Two connections joined: what one side sends, the other gets.

Theory of operation.  A :class:`Relay` owns two halves, one for the caller's
transport and one for the endpoint's.  Each half is its transport's protocol and,
at the same time, the producer of the other transport::

    caller  --bytes-->  CallerHalf   --write-->  endpoint's transport
    caller  <--write--  EndpointHalf <--bytes--  endpoint

* Back-pressure: a transport with more than 44 KiB unsent pauses the other half,
  so a stalled side holds 44 KiB and one read.
* Half-close: a FIN goes on as a FIN once everything before it has gone.  When
  both sides have ended, both transports are closed.
* Reset: a side that is lost in any other way resets the other, after the bytes
  that came before the reset.
* Silence: when nothing has moved for the idle time, both are reset.
* Refusal in the stream (see :mod:`edgemesh.protocols.tcp.inspecting`): the
  endpoint gets a FIN, its answers pass, the reply follows, then our FIN.  The
  caller's further bytes are read and dropped, because closing with unread bytes
  would reset the connection and could take the reply with it.

The invocation is finished once, when both transports are gone.  Knows the mesh's
clock, sweep and path; knows nothing of how the connections came to be.
"""

from __future__ import annotations

from enum import Enum

from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure as Reason

from edgemesh.errors import CALLER_GONE, DRAINING, IDLE_TIMEOUT, INTERNAL, UPSTREAM_RESET, Failure
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.mesh import Mesh, handOver
from edgemesh.protocols.tcp.halves import CallerHalf, EndpointHalf, Half, InspectedHalf, Stream
from edgemesh.protocols.tcp.inspecting import IInspector, RefusedInStream
from edgemesh.protocols.tcp.reset import resetWhenFlushed

#: Seconds for the endpoint's last answers, and for the caller to hear the reply.
FAREWELL = 10.0


class Phase(Enum):
    """Where a relay is."""

    JOINED = "bytes go both ways"
    REFUSING = "the endpoint has its FIN; its answers still pass"
    FAREWELL = "the reply is on its way; what the caller sends is dropped"


def tunnel(
    mesh: Mesh,
    invocation: Invocation,
    caller: ITransport,
    endpoint: ITransport,
    fromCaller: bytes = b"",
    fromEndpoint: bytes = b"",
    *,
    inspector: IInspector | None = None,
    counted: Outcome | None = None,
    answered: bool = False,
) -> Relay:
    """
    Join two open connections for good; both change their protocol, neither may have a producer.

    :param fromCaller: bytes of the caller that were read already.
    :param fromEndpoint: bytes of the endpoint that were read already.
    :param counted: status and byte counts of what went before (HTTP's 101 or 200).
    :param answered: the path was told already that the endpoint answers.
    """
    relay = Relay(mesh, invocation, caller, endpoint, inspector, counted or Outcome())
    relay.answered = answered
    relay.begin(fromCaller, fromEndpoint)
    return relay


class Relay:
    """
    One joined pair of connections.

    :ivar moved: clock reading when a byte last moved.
    :ivar answered: the endpoint has said something.
    :ivar held: callers whose reading is held.
    :ivar received: bytes for the endpoint.
    :ivar sent: bytes for the caller.
    :ivar deadline: when to look at ``moved`` again.
    :ivar failure: what ended it, when that was not a good end.
    """

    __slots__ = (
        "_idle",
        "_invocation",
        "_mesh",
        "_phase",
        "_reply",
        "_status",
        "answered",
        "caller",
        "deadline",
        "endpoint",
        "failure",
        "held",
        "moved",
        "received",
        "sent",
    )

    def __init__(
        self,
        mesh: Mesh,
        invocation: Invocation,
        caller: ITransport,
        endpoint: ITransport,
        inspector: IInspector | None,
        counted: Outcome,
    ) -> None:
        self._mesh = mesh
        self.held = mesh.held
        self._invocation = invocation
        route = invocation.route
        assert route is not None
        self._idle = route.policy.timeouts.idle
        self.moved = mesh.seconds()
        self.deadline = self.moved + self._idle
        self.answered = False
        self._status = counted.status
        self.received = counted.received
        self.sent = counted.sent
        self.failure: Failure | None = None
        self._phase = Phase.JOINED
        self._reply = b""
        self.endpoint: Half = EndpointHalf(self, mesh.seconds, caller)
        if inspector is None:
            self.caller: Half = CallerHalf(self, mesh.seconds, endpoint)
        else:
            self.caller = InspectedHalf(self, mesh.seconds, endpoint, inspector)

    def __repr__(self) -> str:
        return (
            f"<Relay {self._phase.name} {self._invocation!r} caller {self.caller.stream.name},"
            f" endpoint {self.endpoint.stream.name}>"
        )

    def begin(self, fromCaller: bytes, fromEndpoint: bytes) -> None:
        """Take both transports over."""
        caller, endpoint = self.caller, self.endpoint
        toEndpoint, toCaller = caller.peer, endpoint.peer
        self._mesh.live[self] = None
        self._mesh.connections.watch(self)
        self._mesh.metrics.connectionOpened(self._invocation.protocol)
        handOver(toEndpoint, endpoint, b"")
        handOver(toCaller, caller, b"")
        toEndpoint.registerProducer(caller, True)
        toCaller.registerProducer(endpoint, True)
        # Before the bytes: a write may pause a side, and that must stay.  A side
        # that has ended already says so again when it is resumed.
        toEndpoint.resumeProducing()
        toCaller.resumeProducing()
        if fromEndpoint:
            endpoint.dataReceived(fromEndpoint)
        if fromCaller:
            caller.dataReceived(fromCaller)

    def firstByte(self) -> None:
        """The endpoint has begun to speak."""
        self.answered = True
        self._mesh.path.answered(self._invocation, self.moved)

    @property
    def refusing(self) -> bool:
        """What the caller sends is dropped."""
        return self._phase is not Phase.JOINED

    def ended(self, half: Half) -> None:
        """One side has sent its FIN: pass it on."""
        half.stream = Stream.ENDED
        other = self._other(half)
        if self.refusing:
            self._endedWhileRefusing(half)
        elif other.stream is Stream.OPEN:
            half.peer.unregisterProducer()
            half.peer.loseWriteConnection()
        elif other.stream is Stream.ENDED:
            half.peer.unregisterProducer()
            half.peer.loseConnection()
            half.transport.loseConnection()

    def lost(self, half: Half, reason: Reason) -> None:
        """One side's connection is gone: so must be the other's."""
        before, half.stream = half.stream, Stream.LOST
        other = self._other(half)
        if other.stream is Stream.LOST:
            self._finish()
        elif self.refusing:
            self._lostWhileRefusing(half)
        elif reason.check(ConnectionDone):  # type: ignore[no-untyped-call]
            half.peer.unregisterProducer()
            half.peer.loseConnection()
        else:
            self.failure = self.failure or self._blame(half, reason)
            if before is Stream.ENDED:
                # Our FIN follows its bytes already; a transport waits for one thing only.
                half.peer.abortConnection()
            else:
                resetWhenFlushed(half.peer)

    def refuseInStream(self, refusal: RefusedInStream) -> None:
        """The endpoint gets no more; it may answer what it got."""
        self._phase = Phase.REFUSING
        self._reply = refusal.reply
        self.failure = refusal.failure
        self.deadline = self.moved + FAREWELL
        endpoint = self.endpoint.transport
        endpoint.write(refusal.forward)
        endpoint.unregisterProducer()
        # It may have been paused for the endpoint's sake.
        self.caller.resumeProducing()
        if self.endpoint.stream is Stream.OPEN:
            endpoint.loseWriteConnection()
        else:
            self._sayFarewell()

    def expired(self, now: float) -> None:
        """Look whether something has moved since the last look."""
        if self._phase is Phase.REFUSING:
            self._sayFarewell()
        elif self._phase is Phase.JOINED and self.moved + self._idle > now:
            self.deadline = self.moved + self._idle
        else:
            self._abort(IDLE_TIMEOUT)

    def drain(self) -> None:
        """Opaque bytes have no end that could be waited for but the connection's."""

    def abort(self) -> None:
        """Reset both sides; the node shuts down."""
        self._abort(DRAINING)

    def _abort(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        # The transports go a moment later; until then nobody need ask again.
        self.deadline = self._mesh.seconds() + FAREWELL
        for half in (self.caller, self.endpoint):
            if half.stream is not Stream.LOST:
                half.transport.abortConnection()

    def _other(self, half: Half) -> Half:
        return self.endpoint if half is self.caller else self.caller

    def _blame(self, half: Half, reason: Reason) -> Failure | None:
        if not reason.check(ConnectionClosed):  # type: ignore[no-untyped-call]
            return INTERNAL
        if half is self.caller:
            return CALLER_GONE
        # A reset after its answer has begun may be how this protocol ends.
        return None if self.answered else UPSTREAM_RESET

    def _endedWhileRefusing(self, half: Half) -> None:
        if self._phase is Phase.FAREWELL:
            half.transport.loseConnection()
        elif half is self.endpoint:
            self._sayFarewell()

    def _lostWhileRefusing(self, half: Half) -> None:
        if half is self.caller:
            self.endpoint.transport.abortConnection()
        elif self._phase is Phase.REFUSING:
            self._sayFarewell()

    def _sayFarewell(self) -> None:
        """The endpoint's answers are through, or too late: now the refusal."""
        self._phase = Phase.FAREWELL
        self.deadline = self._mesh.seconds() + FAREWELL
        endpoint, caller = self.endpoint, self.caller.transport
        if endpoint.stream is Stream.ENDED:
            endpoint.transport.loseConnection()
        elif endpoint.stream is Stream.OPEN:
            endpoint.transport.abortConnection()
        caller.unregisterProducer()
        caller.write(self._reply)
        self.sent += len(self._reply)
        if self.caller.stream is Stream.OPEN:
            caller.loseWriteConnection()
        else:
            caller.loseConnection()

    def _finish(self) -> None:
        mesh, invocation = self._mesh, self._invocation
        now = mesh.seconds()
        mesh.connections.unwatch(self)
        mesh.live.pop(self, None)
        latency = now - invocation.started
        outcome = Outcome(self._status, self.failure, latency, self.received, self.sent)
        mesh.path.finish(invocation, outcome, now)
        mesh.metrics.connectionClosed(invocation.protocol)
