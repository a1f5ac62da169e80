"""Small routes, calls and heads that the tests of the handlers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from zope.interface import implementer

from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import Route, RouteTable
from edgemesh.interfaces import IHandler, IRouter, IStage, Side
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort, portKey
from edgemesh.meta.policy import Policy

KEY = "web.default:80"


def policy(**parts: object) -> Policy:
    """A policy from its configuration, as a user writes it."""
    return msgspec.convert(parts, Policy)


def endpoints(count: int, **fields: object) -> tuple[Endpoint, ...]:
    """``10.0.0.1:8080``, ``10.0.0.2:8080`` and so on."""
    return tuple(Endpoint(f"10.0.0.{n}", 8080, **fields) for n in range(1, count + 1))  # type: ignore[arg-type]


class World:
    """One service ``web`` with one port, and a way to change everything about it."""

    def __init__(self, known: Sequence[Endpoint] = (), **parts: object) -> None:
        self.table = RouteTable("here")
        self.service = Service("default", "web", (ServicePort(80),))
        self.known = tuple(known)
        self.policy = policy(**parts)
        self.apply()

    def apply(self, **parts: object) -> Route:
        """Take everything in force; ``parts`` is a new policy."""
        if parts:
            self.policy = policy(**parts)
        self.metadata = Metadata(
            {(self.service.namespace, self.service.name): self.service}, {KEY: self.known}
        )
        return self.table.apply(self.metadata, lambda service, port: self.policy)[KEY]

    @property
    def route(self) -> Route:
        return self.table.routes[KEY]

    def chain(self, *handlers: IHandler, side: Side = Side.OUTBOUND) -> Chain:
        """A chain of these handlers, composed."""
        router = (TableRouter(),) if side is Side.OUTBOUND else ()
        chain = Chain(side, [*router, *handlers])
        chain.apply(self.table.routes, self.metadata)
        return chain

    def call(self, **fields: object) -> Invocation:
        """A call that has found its service port."""
        invocation = call(**fields)
        invocation.route = self.route
        return invocation


def call(**fields: object) -> Invocation:
    """A GET of ``http://web/``, or what ``fields`` make of it."""
    defaults: dict[str, object] = {
        "protocol": "http",
        "caller": "192.0.2.1",
        "name": b"web",
        "method": b"GET",
        "path": b"/",
    }
    return Invocation(**(defaults | fields))  # type: ignore[arg-type]


def connection(**fields: object) -> Invocation:
    """An opaque connection to the listener of ``web``."""
    return call(**({"protocol": "tcp", "name": b"", "method": b"", "path": b"", **fields}))


class Fields:
    """The head of a request: a handful of fields."""

    def __init__(self, **fields: bytes) -> None:
        self._fields = {name.encode(): value for name, value in fields.items()}

    def header(self, name: bytes) -> bytes | None:
        return self._fields.get(name)


@implementer(IRouter)
class TableRouter:
    """Finds a service port by the listener's key alone."""

    name = "router"

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        return None

    def index(self, routes: Mapping[str, Route], metadata: Metadata) -> object:
        return lambda invocation: routes[invocation.asked or portKey("default", "web", 80)]


WELL = Outcome(200)
