# -*- test-case-name: tests.testing.test_ladder -*-
"""
A node in memory: one service, real chains, and a test at both ends of every call.

::

    caller (the test)      node (the real thing)         endpoint (the test)
      say(app, ...)  ----->  server > chain > client  ---->  accepts()
      hear(app)      <-----                           <----  say(endpoint, ...)

The service is ``b`` in the namespace ``default``, port 80; its endpoints are on
this node, so that calls pass the outbound and the inbound chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

from edgemesh.handlers.bizkeeper import BizKeeperHandler
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.enforcing import enforce
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.path import CallPath
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import IHandler, IMeshProtocol, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import Policy
from edgemesh.metrics import Metrics
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Accepted, Mesh
from edgemesh.protocols.sweep import Sweep
from edgemesh.protocols.tcp.plugin import TCP
from edgemesh.testing.memory import Loop, Wire

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTCP

#: The one service port of a ladder.
KEY = "b.default:80"
_NODE = "edge-1"
_CALLER = "10.0.0.9"


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that the path was told the end of."""

    invocation: Invocation
    outcome: Outcome

    @property
    def reason(self) -> str:
        """The reason word; empty when it went well."""
        failure = self.outcome.failure
        return "" if failure is None else failure.reason


class Ladder:
    """
    A node in memory.

    :ivar loop: its reactor; time passes in :meth:`after` only.
    :ivar mesh: the node, as servers and clients see it.
    :ivar ended: every call that has ended.
    :ivar protocol: the protocol under test.
    :param endpoints: how many the service has.
    :param handlers: of the outbound chain; by default the built-in four.
    """

    def __init__(
        self,
        protocol: IMeshProtocol,
        endpoints: int = 2,
        policy: Policy | None = None,
        limits: Limits | None = None,
        forwardedFor: bool = False,
        via: bool = False,
        handlers: Sequence[IHandler] = (),
    ) -> None:
        self.loop = Loop()
        self.ended: list[EndedCall] = []
        self.protocol = protocol
        outbound = handlers or (
            RouterHandler(),
            LoadBalanceHandler(Random(1)),
            QPSHandler(),
            BizKeeperHandler(),
        )
        self._table = RouteTable(_NODE)
        self.path = CallPath(
            Chain(Side.OUTBOUND, outbound), Chain(Side.INBOUND, (QPSHandler(),)), (self,)
        )
        requests, connections = Sweep(self.loop, 0.1), Sweep(self.loop, 1.0)
        self.mesh = Mesh(
            cast("IReactorTCP", self.loop),
            self.loop.seconds,
            self.path,
            requests,
            connections,
            limits or Limits(),
            Metrics(),
            {},
            forwardedFor,
            via,
        )
        self.mesh.clients["tcp"] = TCP.client(self.mesh)
        self.mesh.clients[self.protocol.name] = self.protocol.client(self.mesh)
        self.apply(endpoints, policy or Policy())
        requests.startService()
        connections.startService()

    def callEnded(self, invocation: Invocation, outcome: Outcome) -> None:
        self.ended.append(EndedCall(invocation, outcome))

    # -- what the node knows ----------------------------------------------------

    def apply(self, endpoints: int, policy: Policy) -> None:
        """Another number of endpoints (10.1.0.1:8080 and so on), or another policy."""
        port = ServicePort(80)
        known = Metadata(
            services={("default", "b"): Service("default", "b", (port,))},
            endpoints={
                KEY: tuple(
                    Endpoint(f"10.1.0.{number + 1}", 8080, _NODE) for number in range(endpoints)
                )
            },
        )
        chains = (self.path.first, self.path.inbound)
        enforce(known, lambda service, port: policy, self._table, chains)
        for client in self.mesh.clients.values():
            client.retain(tuple(self._table.liveEndpoints()))

    @property
    def inFlight(self) -> int:
        """Calls that were given to an endpoint and have not ended."""
        return sum(endpoint.inFlight for endpoint in self._table.liveEndpoints())

    @property
    def reasons(self) -> list[str]:
        """The reason word of every ended call, in order; empty for a good end."""
        return [call.reason for call in self.ended]

    # -- callers and endpoints --------------------------------------------------

    def caller(self, proxy: bool = False) -> Wire:
        """
        A caller connects.

        :param proxy: to the proxy listener instead of the service's own.
        """
        accepted = Accepted(self.mesh, "" if proxy else KEY, proxy, _CALLER)
        return self.loop.accept(self.protocol.server(accepted), _CALLER)

    def accepts(self) -> Wire:
        """The endpoint that was dialled first takes the connection."""
        wire = self.loop.dialled.pop(0).succeed()
        self.loop.turn()
        return wire

    def refuses(self) -> None:
        """The endpoint that was dialled first refuses the connection."""
        self.loop.dialled.pop(0).fail()
        self.loop.turn()

    def say(self, wire: Wire, *data: bytes) -> None:
        """Somebody says something; each piece arrives by itself."""
        for piece in data:
            wire.says(piece)
            self.loop.turn(2)

    def hear(self, wire: Wire) -> bytes:
        """What somebody got since asked last."""
        self.loop.turn()
        heard = wire.heard
        wire.fake.taken.clear()
        return heard

    def end(self, wire: Wire) -> None:
        """Somebody sends a FIN."""
        wire.ends()
        self.loop.turn()

    def reset(self, wire: Wire) -> None:
        """Somebody sends a RST."""
        wire.breaks()
        self.loop.turn()

    def after(self, seconds: float) -> None:
        """Time passes."""
        self.loop.advance(seconds)
        self.loop.turn()
