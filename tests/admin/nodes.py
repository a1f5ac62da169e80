"""A small node for the admin's tests: real routes and chains, handlers made to measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from zope.interface import implementer

from edgemesh.admin.view import NodeView
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import LiveEndpoint, Route, RouteTable
from edgemesh.interfaces import IHandler, IMetaSource, IRouter, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import Policy
from edgemesh.metrics import Metrics
from edgemesh.reload import Rereading

NOW = 100.0


@implementer(IMetaSource)
class FixedSource:
    """A source whose every answer is set by the test."""

    def __init__(self, metadata: Metadata) -> None:
        self.value = metadata
        self.isReady = True
        self.broken: dict[str, str] = {}
        self.applied = 1
        self.rejected = 0

    def metadata(self) -> Metadata:
        return self.value

    def subscribe(self, changed: Callable[[Metadata], None]) -> None:
        raise NotImplementedError("the admin subscribes to nothing")

    def problems(self) -> Mapping[str, str]:
        return self.broken

    def ready(self) -> bool:
        return self.isReady


class State(Enum):
    """A circuit's."""

    CLOSED = 1
    OPEN = 2
    HALF_OPEN = 3


@dataclass
class FixedCircuit:
    """A circuit in one state."""

    state: State = State.CLOSED

    def admits(self, now: float) -> bool:
        return self.state is State.CLOSED


@implementer(IStage)
class FixedStage:
    """A stage that says what it was made to say, and minds no call."""

    picks = False
    perAttempt = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.circuit: FixedCircuit | None = None

    def decide(self, invocation: Invocation, now: float) -> None: ...

    def release(self, invocation: Invocation, now: float) -> None: ...

    def answered(self, invocation: Invocation, now: float) -> None: ...

    def settle(self, invocation: Invocation, outcome: Outcome, now: float) -> None: ...

    def explain(self, now: float) -> str:
        return self.text


class FixedLimit(FixedStage):
    """A stage that counts."""

    admitted = 0
    refused = 0


@implementer(IHandler)
class FixedHandler:
    """A handler with a name, which makes ``stage`` for every service port, or nothing."""

    def __init__(self, name: str, stage: FixedStage | None = None) -> None:
        self.name = name
        self.stage = stage

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        return self.stage


@implementer(IRouter)
class FixedRouter(FixedHandler):
    """A router that is never asked."""

    def index(
        self, routes: Mapping[str, Route], metadata: Metadata
    ) -> Callable[[Invocation], Route]:
        return lambda invocation: routes[invocation.asked]


@dataclass
class FixedListener:
    """A listener that is up, or not."""

    name: str
    address: str = ""


@dataclass
class Node:
    """
    A node with a Service ``web`` (two endpoints here, one elsewhere) and a Service ``db``.

    The tests change its parts, then ask the admin about :attr:`view`.
    """

    now: float = NOW
    drains: bool = False
    limit: FixedLimit = field(default_factory=lambda: FixedLimit("100 calls a second"))
    keeper: FixedStage = field(default_factory=lambda: FixedStage("closed"))
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.source = FixedSource(metadata())
        self.rereading = Rereading()
        self.table = RouteTable("edge-1")
        self.metrics = Metrics()
        self.listeners = [FixedListener("web.default:80", "127.0.0.1:18080")]
        handlers = [
            FixedRouter("router"),
            FixedHandler("qps", self.limit),
            FixedHandler("bizkeeper", self.keeper),
        ]
        self.outbound = Chain(Side.OUTBOUND, handlers)
        self.inbound = Chain(Side.INBOUND, [FixedHandler("qps")])
        self.apply()

    def apply(self) -> None:
        """Make routes and chains from the source."""
        routes = self.table.apply(self.source.metadata(), lambda service, port: self.policy)
        self.outbound.apply(routes, self.source.metadata())
        self.inbound.apply(routes, self.source.metadata())

    def live(self, address: str) -> LiveEndpoint:
        """The endpoint of this address."""
        return {live.address: live for live in self.table.liveEndpoints()}[address]

    @property
    def view(self) -> NodeView:
        return NodeView(
            node="edge-1",
            version="1.2.3",
            source=self.source,
            table=self.table,
            outbound=self.outbound,
            inbound=self.inbound,
            listeners=self.listeners,
            metrics=self.metrics,
            draining=lambda: self.drains,
            seconds=lambda: self.now,
            rereading=self.rereading,
        )


def metadata() -> Metadata:
    """Two Services, three endpoints behind the first."""
    web = Service("default", "web", (ServicePort(80, "http"),), clusterIPs=("10.0.0.1",))
    db = Service("store", "db", (ServicePort(3306, "mysql"), ServicePort(8080, "http")))
    endpoints = (
        Endpoint("10.1.0.1", 8000, "edge-1", "web-1"),
        Endpoint("10.1.0.2", 8000, "edge-1", "web-2"),
        Endpoint("10.2.0.1", 8000, "edge-2", "web-3"),
    )
    return Metadata(
        services={("default", "web"): web, ("store", "db"): db},
        endpoints={"web.default:80": endpoints},
        generation=7,
    )
