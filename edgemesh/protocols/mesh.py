# -*- test-case-name: tests.protocols.test_mesh -*-
"""
What a protocol's server gets from the node: :class:`Mesh`, and for each
connection :class:`Accepted`.

Built once per listener kind, at start-up; a server reads attributes of it and
nothing is looked up or adapted per request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from edgemesh.protocols.held import Held
from edgemesh.protocols.refusals import RefusalLog

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol, IReactorTCP, ITransport

    from edgemesh.handlers.path import CallPath
    from edgemesh.interfaces import ITransportClient
    from edgemesh.invocation import Invocation
    from edgemesh.metrics import Metrics
    from edgemesh.protocols.limits import Limits
    from edgemesh.protocols.sweep import Sweep


#: Bytes of one read, and bytes that may wait for a peer before its source is paused.  Both may
#: come together, so a stalled connection holds twice this; Twisted's own 64 KiB were too much.
BUFFER = 45_056


class TCPStream(Protocol):
    """A connected TCP transport, as far as the protocols use it."""

    protocol: IProtocol
    bufferSize: int

    def write(self, data: bytes) -> None: ...
    def writeSequence(self, data: Iterable[bytes]) -> None: ...
    def loseConnection(self) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def setTcpNoDelay(self, enabled: bool) -> None: ...


class Drainable(Protocol):
    """A server of one connection, as the node sees it when it shuts down."""

    def drain(self) -> None:
        """Take nothing new; close when what is in flight has ended."""

    def abort(self) -> None:
        """Close now, with a reset."""


class Mesh:
    """
    The node, as servers and clients see it.

    :ivar reactor: for ``connectTCP``.
    :ivar seconds: the monotonic clock.
    :ivar path: decides, settles and reports calls.
    :ivar clients: every transport client by protocol name.
    :ivar requests: deadlines of calls in flight, looked at every 100 ms.
    :ivar connections: deadlines of connections, looked at every second.
    :ivar limits: sizes and times that protect the node.
    :ivar metrics: plain cells, rendered at scrape.
    :ivar forwardedFor: requests get an ``X-Forwarded-For`` with the caller's address.
    :ivar via: requests get a ``Via``.
    :ivar held: callers whose reading is held, to find those that are gone.
    :ivar live: servers of open connections, to drain at the end.
    :ivar refusals: why calls were refused or failed, for the log.
    :ivar draining: the node is shutting down.
    """

    __slots__ = (
        "clients",
        "connections",
        "draining",
        "forwardedFor",
        "held",
        "limits",
        "live",
        "metrics",
        "path",
        "reactor",
        "refusals",
        "requests",
        "seconds",
        "via",
    )

    def __init__(
        self,
        reactor: IReactorTCP,
        seconds: Callable[[], float],
        path: CallPath,
        requests: Sweep,
        connections: Sweep,
        limits: Limits,
        metrics: Metrics,
        clients: dict[str, ITransportClient],
        forwardedFor: bool = True,
        via: bool = True,
    ) -> None:
        self.reactor = reactor
        self.seconds = seconds
        self.path = path
        self.requests = requests
        self.connections = connections
        self.limits = limits
        self.metrics = metrics
        self.clients = clients
        self.forwardedFor = forwardedFor
        self.via = via
        self.held = Held(connections, seconds)
        self.live: dict[Drainable, None] = {}
        self.refusals = RefusalLog(seconds)
        self.draining = False


class Early:
    """
    An upstream connection that was dialled while the caller was still silent.

    :ivar invocation: decided by destination only; whoever takes the connection
        takes this too, or gives it back with ``path.release``.
    :ivar transport: the open connection, paused.
    :ivar said: what the endpoint has said already.
    """

    __slots__ = ("invocation", "said", "transport")

    def __init__(self, invocation: Invocation, transport: ITransport, said: bytes) -> None:
        self.invocation = invocation
        self.transport = transport
        self.said = said


class Accepted:
    """
    One accepted connection, as its protocol's server gets it.

    :ivar mesh: the node.
    :ivar asked: the key of the service port the listener stands for, or empty.
    :ivar proxy: the listener is an explicit HTTP proxy.
    :ivar caller: the peer's IP address.
    :ivar early: an upstream connection that is open already, or None.
    :ivar began: clock reading when the caller's first byte came; 0 when none has.
    """

    __slots__ = ("asked", "began", "caller", "early", "mesh", "proxy")

    def __init__(
        self,
        mesh: Mesh,
        asked: str,
        proxy: bool,
        caller: str,
        early: Early | None = None,
        began: float = 0.0,
    ) -> None:
        self.mesh = mesh
        self.asked = asked
        self.proxy = proxy
        self.caller = caller
        self.early = early
        self.began = began


def prepare(transport: TCPStream) -> None:
    """Make a new connection, from a caller or to an endpoint, ready to be forwarded."""
    transport.setTcpNoDelay(True)
    transport.bufferSize = BUFFER


def handOver(transport: ITransport, protocol: IProtocol, seen: bytes) -> None:
    """
    Let another protocol have an open connection, beginning with bytes already read.

    The former protocol is out of the path for good.  Every Twisted TCP transport
    looks its ``protocol`` up when something happens, so this is an attribute store.
    """
    transport.protocol = protocol  # type: ignore[attr-defined]
    protocol.makeConnection(transport)
    if seen:
        protocol.dataReceived(seen)
