# -*- test-case-name: tests.interceptor.test_listener -*-
"""
Where callers come in: one listening address as a named service.

Opens in ``startService`` only, and has closed when the Deferred of
``stopService`` fires.  Connections that were accepted live on; the node drains
them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason

from edgemesh.interceptor.connection import Intercepted
from edgemesh.interceptor.recognition import Recognition


class InterceptedFactory(Factory):
    """
    Makes the first protocol of every accepted connection.

    :param asked: the key of the service port that the listener stands for; or
        what finds it at accept time; empty for a proxy.
    """

    noisy = False

    def __init__(
        self, recognition: Recognition, asked: str | Callable[[], str], proxy: bool
    ) -> None:
        self._recognition = recognition
        self._asked = asked
        self._proxy = proxy

    def buildProtocol(self, addr: IAddress | None) -> Any:
        asked = self._asked
        key = asked if isinstance(asked, str) else asked()
        return Intercepted(self._recognition, key, self._proxy, _callerAt(addr))


class Listener(Service):
    """
    One listening address.

    :ivar address: where it listens, for people; empty while it does not.
    :ivar recognition: what recognises its connections.
    :param name: of this service.
    :param listenAt: Twisted's endpoint.
    :param asked: see :class:`InterceptedFactory`.
    :param proxy: callers use it as an explicit HTTP proxy.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        listenAt: IStreamServerEndpoint,
        recognition: Recognition,
        asked: str | Callable[[], str] = "",
        proxy: bool = False,
    ) -> None:
        self.setName(name)  # type: ignore[no-untyped-call]
        self.address = ""
        self.recognition = recognition
        self._listenAt = listenAt
        self._factory = InterceptedFactory(recognition, asked, proxy)
        self._opening: Deferred[IListeningPort | None] | None = None

    def startService(self) -> None:
        """
        Begin to listen.

        :raise CannotListenError: the address is not to be had.
        """
        super().startService()  # type: ignore[no-untyped-call]
        opening: Deferred[Any] = self._listenAt.listen(self._factory)
        self._opening = opening.addCallback(self._listening)
        if opening.called and isinstance(opening.result, Reason):
            reason = opening.result
            opening.addErrback(lambda _: None)
            reason.raiseException()
        # From here on there is nobody to raise it to.
        opening.addErrback(self._failed)

    def stopService(self) -> Deferred[None]:
        """
        Listen no more.

        :return: fires when the port is closed.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        opening, self._opening = self._opening, None
        self.address = ""
        if opening is None:
            return succeed(None)
        opening.cancel()
        closed: Deferred[Any] = opening.addCallback(_stopListening)
        return closed

    def _listening(self, port: IListeningPort) -> IListeningPort:
        where: Any = port.getHost()
        self.address = _readable(where)
        self.log.info("{name} listens on {address}", name=self.name, address=self.address)
        return port

    def _failed(self, reason: Reason) -> None:
        if reason.check(CancelledError):  # type: ignore[no-untyped-call]
            return
        self.log.failure("{name} cannot listen", failure=reason, name=self.name)


def _stopListening(port: IListeningPort | None) -> Any:
    return None if port is None else port.stopListening()


def _callerAt(address: Any) -> str:
    """The caller's IP address; empty when it has none, as at a unix socket."""
    host: str = getattr(address, "host", "")
    # How a socket for both versions of IP writes an IPv4 address.  Policies and apps
    # must not take it for somebody else.
    return host.removeprefix("::ffff:") if "." in host else host


def _readable(where: Any) -> str:
    host = getattr(where, "host", None)
    if host is None:
        name = getattr(where, "name", None)
        return str(where) if name is None else os.fsdecode(name)
    return f"[{host}]:{where.port}" if ":" in host else f"{host}:{where.port}"
