"""A mesh for tests of servers: one service port, a path that remembers, a clock."""

from __future__ import annotations

from typing import Any

from edgemesh.errors import NO_ENDPOINT, Failure, Refused
from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.invocation import Invocation, Outcome
from edgemesh.meta.model import Endpoint, Service, ServicePort
from edgemesh.meta.policy import Policy, Timeouts
from edgemesh.metrics import Metrics
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Mesh
from edgemesh.protocols.sweep import Sweep
from edgemesh.protocols.tcp.client import TCPClient
from edgemesh.testing.memory import Loop

KEY = "db.default:3306"


class RecordingPath:
    """
    Decides everything for the same service port and remembers what it was told.

    :ivar refusals: what to refuse with, first things first; None to let it pass.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self.refusals: list[Refused | None] = []
        self.decided: list[Invocation] = []
        self.released: list[Invocation] = []
        self.greeted: list[Invocation] = []
        self.attempts: list[Outcome] = []
        self.finished: list[tuple[Invocation, Outcome]] = []

    @property
    def reasons(self) -> list[str]:
        """The reason word of every ended call; empty for a good end."""
        return [o.failure.reason if o.failure else "" for _, o in self.finished]

    def decide(self, invocation: Invocation, now: float) -> None:
        """Pick the first endpoint."""
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        invocation.route = self.route
        invocation.endpoint = self.route.endpoints[0]
        invocation.attempts = 1
        self.decided.append(invocation)

    def mayRetry(self, invocation: Invocation, now: float) -> bool:
        """Once."""
        return invocation.attempts == 1

    def retry(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """Pick the second endpoint, if there is one."""
        self.attempts.append(outcome)
        invocation.attempts += 1
        if len(self.route.endpoints) < 2:
            raise Refused(NO_ENDPOINT, "nobody else")
        invocation.endpoint = self.route.endpoints[1]

    def release(self, invocation: Invocation, now: float) -> None:
        """It did not happen."""
        self.released.append(invocation)

    def answered(self, invocation: Invocation, now: float) -> None:
        """It works."""
        self.greeted.append(invocation)

    def finish(self, invocation: Invocation, outcome: Outcome, now: float) -> None:
        """It is over."""
        self.finished.append((invocation, outcome))


class Bench:
    """
    Everything a server needs, within reach of a test.

    :param endpoints: how many there are.
    """

    def __init__(self, endpoints: int = 2, idle: float = 60.0, **limits: Any) -> None:
        self.loop = Loop()
        live = tuple(
            LiveEndpoint(KEY, Endpoint(f"10.1.0.{number + 1}", 3306)) for number in range(endpoints)
        )
        policy = Policy(timeouts=Timeouts(connect=1.5, idle=idle))
        port = ServicePort(3306)
        self.path = RecordingPath(Route(Service("default", "db", (port,)), port, policy, live))
        self.requests = Sweep(self.loop, 0.1)
        self.connections = Sweep(self.loop, 1.0)
        self.mesh = Mesh(
            self.loop,
            self.loop.seconds,
            self.path,
            self.requests,
            self.connections,
            Limits(**limits),
            Metrics(),
            {},
        )
        for name in ("tcp", "tls", "grpc", "redis"):
            self.mesh.clients[name] = TCPClient(self.mesh)
        self.connections.startService()

    def invocation(self, protocol: str = "tcp") -> Invocation:
        """A decided call."""
        invocation = Invocation(protocol, "10.0.0.9", KEY, started=self.loop.seconds())
        self.path.decide(invocation, self.loop.seconds())
        return invocation

    def after(self, seconds: float) -> None:
        """Let whole time-outs go by."""
        for _ in range(round(seconds)):
            self.loop.advance(1.0)
        self.loop.turn()

    def failureOf(self, number: int = -1) -> Failure | None:
        """How a call failed."""
        return self.path.finished[number][1].failure
