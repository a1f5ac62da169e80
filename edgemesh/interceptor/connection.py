# -*- test-case-name: tests.interceptor.test_connection -*-
"""
An accepted connection until its protocol is recognised.

Theory of operation.  Whoever speaks first decides::

    accepted --+-- protocol is configured ------------------------> its server
               +-- caller speaks --> resolvers: found ------------> its server
               |                     in doubt: more bytes, 40 ms of quiet, a limit
               +-- caller says nothing for 20 ms --> dial early
               |        +-- endpoint speaks or ends --------------> opaque
               |        +-- caller speaks after all --> resolvers, as above; held
               |        |                               while its one dial goes on
               |        +-- both say nothing for 1 s --> give up when others need the place
               |        +-- nobody to dial: 1 s more, then reset
               +-- caller ends without a word --------------------> opaque

A listener without a service (the proxy) dials nothing: no bytes, no destination.
The bytes seen, and the endpoint's connection if there is one, go to the server.
Then this object is out of the path for good.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.python.failure import Failure as Reason
from zope.interface import implementer

from edgemesh.errors import IDLE_TIMEOUT, Refused
from edgemesh.interceptor.deadlines import Wait
from edgemesh.interceptor.early import EarlyDial, Unreached
from edgemesh.interceptor.recognition import OPAQUE, Recognition
from edgemesh.invocation import Invocation
from edgemesh.protocols.mesh import Accepted, handOver, prepare
from edgemesh.protocols.tcp.client import TCPClient

#: Seconds for the caller to speak when nobody could be dialled.
_PATIENCE = 1.0


@implementer(IProtocol, IHalfCloseableProtocol)
class Intercepted:
    """
    One connection that nobody serves yet.

    :ivar deadline: when the present wait ends, if it is a long one.
    :param asked: the key of the service port the listener stands for, or empty.
    :param caller: the peer's IP address.
    """

    __slots__ = (
        "_asked",
        "_caller",
        "_early",
        "_held",
        "_placed",
        "_proxy",
        "_recognition",
        "_seen",
        "_since",
        "_unreached",
        "_wait",
        "deadline",
        "transport",
    )

    transport: Any

    def __init__(self, recognition: Recognition, asked: str, proxy: bool, caller: str) -> None:
        self._recognition = recognition
        self._asked = asked
        self._proxy = proxy
        self._caller = caller
        self._seen = b""
        self._since = 0.0
        self._wait: Wait | None = None
        self._early: EarlyDial | None = None
        self._placed = False
        self._unreached: Unreached | None = None
        self._held = ""
        self.deadline = 0.0

    def __repr__(self) -> str:
        state = f"{len(self._seen)} bytes" if self._seen else "silent"
        return f"<Intercepted {state} {self._caller} -> {self._asked or 'proxy'} {self._early!r}>"

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        recognition = self._recognition
        mesh = recognition.mesh
        prepare(self.transport)
        self._since = mesh.seconds()
        known = recognition.known(self._asked)
        if known:
            self._serve(known)
            return
        mesh.live[self] = None
        if self._asked and recognition.speaksFirst:
            self._wait = recognition.silence.wait(self._silent)
        else:
            self._watch(mesh.limits.keepAlive)

    def dataReceived(self, data: bytes) -> None:
        recognition = self._recognition
        mesh = recognition.mesh
        first = not self._seen
        if first:
            self._since = mesh.seconds()
        self._stopWaiting()
        self._seen += data
        most = mesh.limits.sniff
        seen = self._seen[:most]
        name = recognition.resolvers.resolve(seen, False)
        if name is None and len(seen) == most:
            name = recognition.resolvers.guess(seen)
        if name is not None:
            self._found(name)
            return
        if first:
            self._watch(mesh.limits.sniffTimeout)
        self._wait = recognition.quiet.wait(self._quiet)

    def readConnectionLost(self) -> None:
        """The caller has ended; it may still be waiting for what the endpoint says."""
        recognition = self._recognition
        resolvers = recognition.resolvers
        if self._held:
            return
        if self._seen:
            seen = self._seen[: recognition.mesh.limits.sniff]
            self._found(resolvers.resolve(seen, True) or resolvers.guess(seen))
        elif self._asked and recognition.speaksFirst:
            self._found(OPAQUE)
        else:
            self._leave()
            self.transport.loseConnection()
            return
        # Its server has to learn of the end as well, and in its own way.
        self.transport.resumeProducing()

    def writeConnectionLost(self) -> None:
        """Nothing was written here."""

    def connectionLost(self, reason: Reason) -> None:
        self._leave()
        self._giveUp()

    def _silent(self) -> None:
        """The caller may be waiting for the server to speak."""
        self._wait = None
        self._watch(self._recognition.mesh.limits.keepAlive)
        self._findPlace()

    def _quiet(self) -> None:
        """The caller may be waiting for an answer to what it has said."""
        self._wait = None
        seen = self._seen[: self._recognition.mesh.limits.sniff]
        name = self._recognition.resolvers.resolve(seen, True)
        if name is not None:
            self._found(name)

    def expired(self, now: float) -> None:
        """A long wait is over."""
        mesh = self._recognition.mesh
        if self._seen:
            mesh.metrics.detectTimeouts += 1
            self._found(self._recognition.resolvers.guess(self._seen[: mesh.limits.sniff]))
            return
        self._leave()
        if self._unreached is not None:
            self._unreached.report(mesh, now)
            self.transport.abortConnection()
        elif self._early is not None:
            self._early.fail(IDLE_TIMEOUT)
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def _findPlace(self) -> None:
        if not self._seen and self._recognition.places.take(self._findPlace):
            self._dialEarly()

    def _dialEarly(self) -> None:
        self._placed = True
        mesh = self._recognition.mesh
        invocation = Invocation(OPAQUE, self._caller, self._asked, started=mesh.seconds())
        try:
            self._early = EarlyDial(mesh, invocation, self)
        except Refused as refusal:
            self._patient(Unreached(invocation, refusal.failure, refusal.detail, False))
            return
        route = invocation.route
        assert route is not None
        self._watch(route.policy.timeouts.idle)
        self._early.dial()

    def endpointOpened(self) -> None:
        """Now nobody need say anything; or the caller has, and was held."""
        if self._held:
            self._leave()
            self._serve(self._held)
        elif not self._seen:
            self._wait = self._recognition.fruitless.wait(self._offerPlace)

    def _offerPlace(self) -> None:
        """Neither side has said anything for so long: somebody else may need the place more."""
        self._wait = None
        self._recognition.places.offer(self._makeRoom)

    def _makeRoom(self) -> None:
        """Wait for the caller alone, as its protocol is one where callers speak first."""
        self._giveUp()
        self._givePlace()
        if not self._seen:
            self._watch(self._recognition.mesh.limits.keepAlive)

    def endpointSpoke(self) -> None:
        """The server speaks first: whatever this is, it is opaque."""
        self._found(OPAQUE)

    def endpointLost(self) -> None:
        """The endpoint has reset the connection; so it is for the caller, unless it has spoken."""
        self._early = None
        self._givePlace()
        if not self._seen:
            self._leave()
            self.transport.abortConnection()

    def notOpened(self, unreached: Unreached) -> None:
        """No endpoint could be reached; what the caller says may yet lead elsewhere."""
        self._early = None
        if self._held:
            mesh = self._recognition.mesh
            self._leave()
            unreached.report(mesh, mesh.seconds())
            self.transport.abortConnection()
        elif self._seen:
            self._givePlace()
        else:
            self._patient(unreached)

    def _patient(self, unreached: Unreached) -> None:
        self._unreached = unreached
        self._givePlace()
        self._watch(_PATIENCE)

    def drain(self) -> None:
        """Nothing is in flight while the caller is silent."""
        if not self._seen and not self._held:
            self._leave()
            self._giveUp()
            self.transport.loseConnection()

    def abort(self) -> None:
        """Reset the caller; the node shuts down."""
        self._leave()
        self._giveUp()
        self.transport.abortConnection()

    def _found(self, name: str) -> None:
        mesh = self._recognition.mesh
        mesh.metrics.detected(name, mesh.seconds() - self._since)
        early = self._early
        if early is not None and early.dialling and isinstance(mesh.clients[name], TCPClient):
            # That dial is this call's own: without a pool the connection would
            # come, go unused and look like another caller to the app.
            self._held = name
            self._stopWaiting()
            mesh.connections.unwatch(self)
            self.transport.pauseProducing()
            return
        self._leave()
        self._serve(name)

    def _serve(self, name: str) -> None:
        recognition = self._recognition
        early = self._early.take(name) if self._early is not None else None
        began = self._since if self._seen else 0.0
        accepted = Accepted(recognition.mesh, self._asked, self._proxy, self._caller, early, began)
        server = recognition.protocols[name].server(accepted)
        handOver(self.transport, server, self._seen)

    def _giveUp(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.giveUp()

    def _leave(self) -> None:
        """Nothing here happens any more."""
        mesh = self._recognition.mesh
        self._recognition.places.forget(self._findPlace)
        self._stopWaiting()
        self._givePlace()
        mesh.connections.unwatch(self)
        mesh.live.pop(self, None)

    def _givePlace(self) -> None:
        if self._placed:
            self._placed = False
            self._recognition.places.give(self._makeRoom)

    def _stopWaiting(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _watch(self, seconds: float) -> None:
        mesh = self._recognition.mesh
        self.deadline = mesh.seconds() + seconds
        mesh.connections.watch(self)
