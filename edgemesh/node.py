# -*- test-case-name: tests.test_node -*-
"""
Compose the node: the one module that knows every part.

::

    metadata --> table of Routes --> chains: outbound, delivery, inbound
                                          |
    listeners -- recognise -- server -- call path -- transport client --> apps
                                          |
                                 metrics, access log --> admin

Composing opens nothing.  Services start in the order in which they are added here;
:meth:`Node.stopService` first lets calls in flight end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from edgemesh._version import __version__
from edgemesh.admin.accesslog import AccessLog
from edgemesh.admin.server import AdminServer
from edgemesh.admin.sinks import sinkFor
from edgemesh.admin.view import NodeView
from edgemesh.config import Config, changedKeys, withLiveKeys
from edgemesh.errors import ConfigurationError
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.enforcing import enforce
from edgemesh.handlers.path import CallPath
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import RouteTable
from edgemesh.interceptor.listener import Listener
from edgemesh.interceptor.recognition import Recognition
from edgemesh.interfaces import IHandler, IMeshProtocol, Side
from edgemesh.meta.folder import FolderMetaSource
from edgemesh.meta.model import Metadata
from edgemesh.meta.policy import policyFor
from edgemesh.metrics import Metrics
from edgemesh.process import ProcessTuning
from edgemesh.protocols.draining import drain
from edgemesh.protocols.listenat import endpointAt
from edgemesh.protocols.mesh import Mesh
from edgemesh.protocols.registry import find, made
from edgemesh.protocols.sweep import Sweep
from edgemesh.protocols.transport import TransportServer
from edgemesh.reload import ReloadOnHangup, Rereading
from edgemesh.state import StateDirectory


class Node(MultiService):
    """
    The edge node's agent: every service of it, and what they share.

    :ivar view: what the admin may read.
    :param reread: reads the configuration again, for SIGHUP.
    """

    log = Logger()

    def __init__(self, config: Config, reactor: Any, reread: Callable[[], Config]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._config = config
        self._reactor = reactor
        self._reread = reread
        self._rereading = Rereading()
        self._protocols = find(config.protocols, IMeshProtocol, "protocols")
        self._source = FolderMetaSource(reactor, config.manifests)
        self._table = RouteTable(config.node)
        self._metrics = Metrics()
        self._accessLog = self._makeAccessLog()
        self._composeChains()
        self._requests = _sweep(reactor, "call deadlines", 0.1)
        self._connections = _sweep(reactor, "connection deadlines", 1.0)
        self._mesh = self._makeMesh(self._outboundPath)
        self._delivery = self._makeMesh(self._deliveryPath)
        self._delivery.clients = self._mesh.clients
        self._delivery.live = self._mesh.live
        for name, protocol in self._protocols.items():
            self._mesh.clients[name] = made(name, partial(protocol.client, self._mesh))
        self._apply(Metadata())
        self._source.subscribe(self._changed)
        self._addServices()

    # -- composing --------------------------------------------------------------

    def _makeAccessLog(self) -> AccessLog | None:
        config = self._config
        if not config.accessLog:
            return None
        return AccessLog(config.node, sinkFor(config.accessLog), self._reactor, self._metrics)

    def _composeChains(self) -> None:
        """The outbound and the inbound chain, and what finds an app of this node."""
        outbound, inbound = self._handlers(self._config)
        self._outbound = Chain(Side.OUTBOUND, outbound)
        self._inbound = Chain(Side.INBOUND, inbound)
        self._deliver = Chain(Side.INBOUND, _delivering(outbound))
        log = () if self._accessLog is None else (self._accessLog,)
        observers = (self._metrics, *log)
        self._outboundPath = CallPath(self._outbound, self._inbound, observers)
        self._deliveryPath = CallPath(self._deliver, self._inbound, observers, self._outbound)

    def _handlers(self, config: Config) -> tuple[list[IHandler], list[IHandler]]:
        """The plugins of both chains, in order."""
        chains = []
        for side in ("outbound", "inbound"):
            names = getattr(config.handlers, side)
            found = find(names, IHandler, f"handlers.{side}")
            chains.append([_configured(handler, config) for handler in found.values()])
        return chains[0], chains[1]

    def _makeMesh(self, path: CallPath) -> Mesh:
        config = self._config
        return Mesh(
            self._reactor,
            self._reactor.seconds,
            path,
            self._requests,
            self._connections,
            config.limits,
            self._metrics,
            {},
            forwardedFor=config.forwardedFor == "append",
            via=config.via,
        )

    def _addServices(self) -> None:
        config, reactor = self._config, self._reactor
        services: list[Any] = [
            ProcessTuning(reactor),
            StateDirectory(config.state, config.manifests),
            self._requests,
            self._connections,
        ]
        if self._accessLog is not None:
            services.append(self._accessLog)
        services += [self._source, ReloadOnHangup(reactor, self.reload)]
        self._listeners: list[Listener] = []
        services += [self._transportServer(name) for name in self._protocols]
        recognition = self._recognition(self._mesh, self._protocols)
        listeners = [
            Listener(
                f"{one.service or 'proxy'} ({one.listen})",
                endpointAt(reactor, one.listen, f"listeners[{index}].listen"),
                recognition,
                partial(self._table.keyOf, one.service, config.namespace),
                one.proxy,
            )
            for index, one in enumerate(config.listeners)
        ]
        self._listeners += listeners
        services += listeners
        self.view = NodeView(
            config.node,
            __version__,
            self._source,
            self._table,
            self._outbound,
            self._inbound,
            self._listeners,
            self._metrics,
            lambda: self._mesh.draining,
            reactor.seconds,
            self._rereading,
        )
        admin = endpointAt(reactor, config.admin, "admin")
        services.append(AdminServer(admin, self.view, reactor))
        for service in services:
            service.setServiceParent(self)

    def _recognition(self, mesh: Mesh, protocols: dict[str, IMeshProtocol]) -> Recognition:
        return Recognition(mesh, self._reactor, protocols, self._table.protocolOf)

    def _transportServer(self, name: str) -> TransportServer:
        """One protocol's incoming end, with a listener where an address is configured."""
        where = self._config.transportServers.get(name)
        listener = None
        if where is not None:
            recognition = self._recognition(self._delivery, {name: self._protocols[name]})
            endpoint = endpointAt(self._reactor, where, f"transportServers.{name}")
            listener = Listener(f"transport server {name} ({where})", endpoint, recognition)
            self._listeners.append(listener)
        return TransportServer(name, self._inbound, listener)

    # -- changes ----------------------------------------------------------------

    def _changed(self, metadata: Metadata) -> None:
        """Metadata changed: the very next call sees it."""
        try:
            self._apply(metadata)
        except Exception:
            # A stranger's handler may fail to compose; calls go on as before.
            self.log.failure("generation {n} is not in force", n=metadata.generation)
            line = f"generation {metadata.generation} is not in force; see the log"
            self._rereading.refuse("metadata", line)
        else:
            self._rereading.accept("metadata")
            self.log.info(
                "generation {n} in force: {services} services, {endpoints} endpoints",
                n=metadata.generation,
                services=len(metadata.services),
                endpoints=sum(map(len, metadata.endpoints.values())),
            )

    def _apply(self, metadata: Metadata) -> None:
        chains = (self._outbound, self._deliver, self._inbound)
        enforce(metadata, partial(policyFor, self._config.policies), self._table, chains)
        for path in (self._outboundPath, self._deliveryPath):
            path.retain(self._table.routes)
        known = list(self._table.liveEndpoints())
        for client in self._mesh.clients.values():
            client.retain(known)

    def reload(self) -> None:
        """Read configuration and metadata again; what is wrong changes nothing."""
        try:
            wanted = self._reread()
            config = withLiveKeys(self._config, wanted)
            outbound, inbound = self._handlers(config)
        except ConfigurationError as mistake:
            self.log.warn("not reloaded: {mistake}", mistake=mistake)
            self._rereading.refuse("configuration", str(mistake))
            return
        self._rereading.accept("configuration")
        for key in sorted(changedKeys(config, wanted)):
            self.log.warn("{key} has changed: this needs a restart", key=key)
        self._outbound.useHandlers(outbound)
        self._inbound.useHandlers(inbound)
        self._deliver.useHandlers(_delivering(outbound))
        self._config = config
        if self._accessLog is not None:
            self._accessLog.reopen()
        self._source.reload()
        self._changed(self._source.metadata())
        if not self._rereading.mistakes:
            self.log.info("reloaded")

    # -- start and stop ---------------------------------------------------------

    def startService(self) -> None:
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except (CannotListenError, ConfigurationError, OSError) as error:
            # Before the reactor runs nothing else would end the program.
            raise SystemExit(f"edgemesh: {error}") from None
        for mistake in self._rereading.mistakes.values():
            raise SystemExit(f"edgemesh: {mistake}")

    def stopService(self) -> Deferred[Any]:
        """Stop accepting, let calls in flight end, then stop everything."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        mesh = self._mesh
        mesh.draining = self._delivery.draining = True
        await gatherResults([one.stopService() for one in self._listeners])
        await drain(mesh.live, self._reactor, self._config.limits.grace)
        for listener in self._listeners:
            listener.recognition.stop()
        for client in mesh.clients.values():
            client.close()
        # The aborted transports end at the reactor's next turn and report their calls.
        await deferLater(self._reactor, 0)
        await super().stopService()  # type: ignore[no-untyped-call]


def makeNode(config: Config, reactor: Any, reread: Callable[[], Config]) -> Node:
    """
    :raise ConfigurationError: a plugin is missing or broken, or an address impossible.
    """
    return Node(config, reactor, reread)


def _sweep(reactor: Any, name: str, interval: float) -> Sweep:
    sweep = Sweep(reactor, interval)
    sweep.setName(name)  # type: ignore[no-untyped-call]
    return sweep


def _configured(handler: IHandler, config: Config) -> IHandler:
    if isinstance(handler, RouterHandler):
        return handler.configured(config.namespace, config.clusterDomain)
    return handler


def _delivering(outbound: list[IHandler]) -> list[IHandler]:
    """Of the outbound handlers the one that picks an endpoint here; the router is shared."""
    return [handler for handler in outbound if handler.name == "loadbalance"]
