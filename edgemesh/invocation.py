# -*- test-case-name: tests.test_invocation -*-
"""
The values that flow down the handler chain: Invocation in, Outcome back.

A protocol's server makes one :class:`Invocation` for each request (HTTP) or
connection (TCP, TLS, gRPC for now) and fills in what the caller asked for.  The
handlers fill in what was decided.  No body bytes are ever here.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from edgemesh.errors import Failure

if TYPE_CHECKING:
    from edgemesh.handlers.routes import LiveEndpoint, Route
    from edgemesh.interfaces import IStage


class Destination(Enum):
    """Where the chosen endpoint lives."""

    LOCAL = "on this node"
    EDGE = "on another edge node"
    CLOUD = "in the cloud"


#: A plain name: looking a member up in its Enum is slow.
_LOCAL = Destination.LOCAL


class Head(Protocol):
    """What a handler may read of a request's head; parsed only when asked."""

    def header(self, name: bytes) -> bytes | None:
        """The first field of this lower-case name, or None."""


class Invocation:
    """
    One call on its way down the chain.

    Asked for (set by the protocol's server):

    :ivar protocol: the protocol's name, for example ``http``.
    :ivar caller: the caller's IP address, without port.
    :ivar asked: the key of the service port that the listener stands for
        (``web.default:80``), or an empty string.
    :ivar name: the Host, authority or SNI as received (with its port, if any);
        empty when the caller said none.
    :ivar defaultPort: the port that ``name`` means when it has none.
    :ivar method: the request method; empty for connections.
    :ivar path: the request target without its query; empty for connections.
    :ivar head: the rest of the head, or None for connections.
    :ivar started: clock reading, seconds, when the head was complete.

    Decided (set by handlers):

    :ivar route: the service port that was found.
    :ivar endpoint: the endpoint that was picked.
    :ivar destination: where it lives.
    :ivar tried: endpoints that must not be picked (again).
    :ivar probe: this call is the one probe of an open circuit.
    :ivar stages: what has decided so far, in order; the path's own notes.
    :ivar inboundStages: the same, of the chain of the app's own node.
    :ivar attempts: how often an endpoint was picked.
    :ivar attempted: clock reading when the present attempt began.
    """

    __slots__ = (
        "asked",
        "attempted",
        "attempts",
        "caller",
        "defaultPort",
        "destination",
        "endpoint",
        "head",
        "inboundStages",
        "method",
        "name",
        "path",
        "probe",
        "protocol",
        "route",
        "stages",
        "started",
        "tried",
    )

    route: Route | None
    endpoint: LiveEndpoint | None
    stages: tuple[IStage, ...]
    inboundStages: tuple[IStage, ...]

    def __init__(
        self,
        protocol: str,
        caller: str,
        asked: str = "",
        name: bytes = b"",
        defaultPort: int = 80,
        method: bytes = b"",
        path: bytes = b"",
        head: Head | None = None,
        started: float = 0.0,
    ) -> None:
        self.protocol = protocol
        self.caller = caller
        self.asked = asked
        self.name = name
        self.defaultPort = defaultPort
        self.method = method
        self.path = path
        self.head = head
        self.started = started
        self.route = None
        self.endpoint = None
        self.destination = _LOCAL
        self.tried: tuple[LiveEndpoint, ...] = ()
        self.probe = False
        self.stages = ()
        self.inboundStages = ()
        self.attempts = 0
        self.attempted = started

    def __repr__(self) -> str:
        route = self.route.key if self.route is not None else self.asked or self.name
        return f"<Invocation {self.protocol} {route!s} -> {self.endpoint!r}>"


class Outcome:
    """
    How a call, or one attempt of it, ended.

    :ivar status: the protocol's status code (HTTP), or 0.
    :ivar failure: the row of the failure table, or None when it went well.
    :ivar latency: seconds from the decision to the answer's head (HTTP) or to
        the end of the connection.
    :ivar received: bytes from the caller to the endpoint, heads included.
    :ivar sent: bytes from the endpoint to the caller, heads included.
    """

    __slots__ = ("failure", "latency", "received", "sent", "status")

    def __init__(
        self,
        status: int = 0,
        failure: Failure | None = None,
        latency: float = 0.0,
        received: int = 0,
        sent: int = 0,
    ) -> None:
        self.status = status
        self.failure = failure
        self.latency = latency
        self.received = received
        self.sent = sent

    def __repr__(self) -> str:
        reason = self.failure.reason if self.failure is not None else "ok"
        return f"<Outcome {self.status} {reason} {self.latency:.6f}s>"
