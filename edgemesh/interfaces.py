# -*- test-case-name: tests.test_interfaces -*-
"""
The joints of edgemesh: every seam where a stranger's code may stand.

A plugin is an object in ``twisted/plugins`` that provides
:class:`~twisted.plugin.IPlugin` and one of :class:`IMeshProtocol` or
:class:`IHandler`.  Configuration names plugins and their order; discovery never
decides an order.  Built-in protocols and handlers register the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol, ITransport

    from edgemesh.errors import Failure
    from edgemesh.handlers.routes import LiveEndpoint, Route
    from edgemesh.invocation import Invocation, Outcome
    from edgemesh.meta.model import Metadata
    from edgemesh.protocols.mesh import Accepted, Mesh


class Verdict(Enum):
    """What a resolver makes of the bytes seen so far."""

    REJECTED = "certainly another protocol"
    UNDECIDED = "could be; needs more bytes"
    CONFIRMED = "certainly this protocol"


class Side(Enum):
    """Which way a chain looks."""

    OUTBOUND = "traffic leaving an app"
    INBOUND = "traffic reaching an app on this node"


class IResolver(Interface):
    """Recognise one protocol from the first bytes an application sends."""

    name = Attribute("The protocol's name in the configuration, for example ``http``.")

    def resolve(data: bytes, quiet: bool) -> Verdict:
        """
        Judge everything received so far.  Pure: keep no state, consume nothing.

        :param data: all bytes so far, at least one, at most 16 KiB.
        :param quiet: nothing more has come for a while (40 ms).  A resolver that
            is still ``UNDECIDED`` then insists that these bytes are very likely
            its own; otherwise it had better reject, since the caller may be
            waiting for an answer.
        """


class IHandler(Interface):
    """
    One stage of the handler chain, as a plugin: a maker of stages.

    It keeps no state of its own.  What must outlive a change of configuration
    lives in the stages it makes.
    """

    name = Attribute("The name in the configuration, for example ``qps``.")

    def compose(route: Route, side: Side, former: IStage | None) -> IStage | None:
        """
        Make this handler's stage for one service port.

        Called for each service port that comes or changes, and for all of them
        where nobody says which changed.

        :param former: the stage this handler made before for the same service
            port, or None; the new stage takes its state over.
        :return: None when this handler has nothing to do for this service port.
        """


class IRouter(IHandler):
    """The first handler of a chain: it finds the service port of a call."""

    def index(routes: Mapping[str, Route], metadata: Metadata) -> Callable[[Invocation], Route]:
        """
        Prepare for look-ups.

        :param routes: every known service port by key (``web.default:80``).
        :return: a function from an Invocation to its Route; it raises
            :class:`~edgemesh.errors.Refused` with ``NO_ROUTE`` otherwise.
        """


class IIncrementalRouter(IRouter):
    """A router that need not prepare for everything anew when a little changes."""

    def indexed(routes: Mapping[str, Route], metadata: Metadata) -> INameIndex:
        """Prepare for look-ups, as :meth:`IRouter.index` does."""


class INameIndex(Interface):
    """What a router prepared for look-ups."""

    def find(invocation: Invocation) -> Route:
        """The Route of a call, or :class:`~edgemesh.errors.Refused` with ``NO_ROUTE``."""

    def prepare(routes: Mapping[str, Route], keys: Sequence[str]) -> Callable[[], None]:
        """
        Prepare a change; nothing has changed yet when this returns or raises.

        :param routes: every known service port by key, from then on.
        :param keys: of those that came, changed or went.
        :return: what makes the change effective; it cannot fail.
        """


class IStage(Interface):
    """
    What a handler does for the calls to one service port.

    It never waits, never carries bytes and speaks no wire protocol.
    """

    picks = Attribute("True for the stage that picks the endpoint (LB).")
    perAttempt = Attribute("True when a retry passes this stage again (LB, Biz keeper).")

    def decide(invocation: Invocation, now: float) -> None:
        """
        Fill the invocation in, or raise :class:`~edgemesh.errors.Refused`.

        :param now: monotonic seconds.
        """

    def release(invocation: Invocation, now: float) -> None:
        """Give back what ``decide`` took: a later stage refused, or nothing was sent."""

    def answered(invocation: Invocation, now: float) -> None:
        """The first byte of an opaque connection or tunnel came back: it works."""

    def settle(invocation: Invocation, outcome: Outcome, now: float) -> None:
        """Learn how the call, or this attempt of it, ended.  Once per ``decide``."""

    def explain(now: float) -> str:
        """One line for ``/chain``: what a call would meet here and why."""


class IMeshProtocol(Interface):
    """One protocol: resolver, server and client, as a plugin."""

    name = Attribute("The name in the configuration, for example ``http``.")

    def resolver() -> IResolver:
        """The resolver that recognises this protocol."""

    def server(accepted: Accepted) -> IProtocol:
        """
        Make the server of one connection.

        It is connected to the caller's transport and then given all bytes that
        came so far.  Behind an interceptor it passes the outbound chain, as
        transport server the inbound chain: ``accepted.mesh.path`` knows which.
        """

    def client(mesh: Mesh) -> ITransportClient:
        """Make this protocol's transport client; once per node."""


class ITransportClient(Interface):
    """The outgoing end of one protocol: connections to endpoints."""

    def open(endpoint: LiveEndpoint, waiter: IUpstreamWaiter) -> None:
        """
        Get a connection to ``endpoint``, from a pool or by dialling.

        Never waits.  ``waiter.opened`` or ``waiter.openFailed`` is called once,
        perhaps before this returns.
        """

    def adopt(endpoint: LiveEndpoint, transport: ITransport) -> None:
        """Take over a connection that is open, unused and not needed by its opener."""

    def retain(endpoints: Sequence[LiveEndpoint]) -> None:
        """Close idle connections to every endpoint that is not among these."""

    def close() -> None:
        """Close every idle connection."""


class IUpstreamWaiter(Interface):
    """Who asked a transport client for a connection."""

    invocation = Attribute("The call it is for; its route's policy has the connect time-out.")

    def opened(upstream: IProtocol) -> None:
        """Here it is; the upstream protocol is connected."""

    def openFailed(failure: Failure, detail: str) -> None:
        """It could not be opened; no byte was sent."""


class IMetaSource(Interface):
    """Where Services, Endpoints, Pods and Nodes come from."""

    applied = Attribute("How many changes were taken in.")
    rejected = Attribute("How many times something was broken, and what was good before stayed.")

    def metadata() -> Metadata:
        """Everything known now: one immutable value, from memory."""

    def subscribe(changed: Callable[[Metadata], None]) -> None:
        """Call ``changed`` with each new value, after it is in force here."""

    def problems() -> Mapping[str, str]:
        """What could not be taken in: file (or object) name to one line."""

    def ready() -> bool:
        """Whether a first complete value is there."""
