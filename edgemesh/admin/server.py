# -*- test-case-name: tests.admin.test_server -*-
"""
The admin's listener: :class:`~edgemesh.admin.pages.Pages` behind ``twisted.web``.

Built on :mod:`twisted.web.http` alone: no ``Site``, hence no version banner, no
traceback for the caller and no request log.  Bodies are never kept, whatever
their size: no page takes one.
"""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request, datetimeToString

from edgemesh.admin.pages import JSON, Answer, Pages, Question
from edgemesh.admin.view import NodeView

#: An idle or unfinished connection to the admin lives this long, in seconds.
IDLE = 30


class AdminRequest(Request):
    """One request to the admin."""

    log = Logger()
    pages: Pages

    def gotLength(self, length: int | None) -> None:
        """A body is announced; it will be read and forgotten."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Forget a piece of the body."""

    def process(self) -> None:
        """Answer; a defect of ours is logged and looks like any other 500."""
        try:
            answer = self.pages.answer(self._question())
        except Exception:
            self.log.failure("the admin could not answer {path!r}", path=self.path)
            answer = Answer(500, JSON, b'{"error": "a defect of the mesh; see its log"}\n')
        self._send(answer)

    def _question(self) -> Question:
        target, _, query = self.uri.partition(b"?")
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        return Question(
            method=self.method.decode("latin-1"),
            path=target.decode("latin-1"),
            # The first value of a name wins.
            query=dict(reversed(pairs)),
            host=self._header("host"),
            accept=self._header("accept"),
        )

    def _header(self, name: str) -> str:
        values = self.requestHeaders.getRawHeaders(name)
        return values[0] if values else ""

    def _send(self, answer: Answer) -> None:
        self.setResponseCode(answer.status)
        fields = {
            "date": datetimeToString().decode("ascii"),  # type: ignore[no-untyped-call]
            "content-type": answer.contentType,
            "content-length": str(len(answer.body)),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        if answer.allow:
            fields["allow"] = answer.allow
        for name, value in fields.items():
            self.responseHeaders.setRawHeaders(name, [value])
        self.write(answer.body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]


class AdminFactory(HTTPFactory):
    """Makes the admin's connections."""

    noisy = False

    def __init__(self, pages: Pages, reactor: IReactorTime) -> None:
        super().__init__(timeout=IDLE, reactor=reactor)
        self._requests = type("AdminRequest", (AdminRequest,), {"pages": pages})

    def startFactory(self) -> None:
        """There is no request log to prepare."""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        channel: Any = super().buildProtocol(addr)
        channel.requestFactory = self._requests
        return channel

    def log(self, request: Request) -> None:
        """The admin's own requests are not logged."""


class AdminServer(Service):
    """
    The admin's part of the tree of services.

    :ivar address: where it listens; None while it does not.
    :param listenAt: a Twisted server endpoint.
    :param hosts: names, besides those of the loopback, that it may be called by.
    """

    log = Logger()

    def __init__(
        self,
        listenAt: IStreamServerEndpoint,
        view: NodeView,
        reactor: IReactorTime,
        hosts: Collection[str] = (),
    ) -> None:
        self.name = "admin"
        self._listenAt = listenAt
        # The wrapper knows every open connection, so that stopping can close them.
        factory = AdminFactory(Pages(view, hosts), reactor)
        self._factory = WrappingFactory(factory)  # type: ignore[no-untyped-call]
        self._factory.noisy = False
        self._listening: Deferred[Any] | None = None
        self._port: IListeningPort | None = None

    @property
    def address(self) -> IAddress | None:
        return self._port.getHost() if self._port is not None else None

    def startService(self) -> None:
        """
        Listen.

        :raise twisted.internet.error.CannotListenError: the address is taken.
        """
        refused: list[Failure] = []
        self._listening = self._listenAt.listen(self._factory)
        self._listening.addCallbacks(self._listens, self._refused, errbackArgs=(refused,))
        if refused:
            refused[0].raiseException()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """Stop listening and close every connection; fires when the port is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        for connection in list(self._factory.protocols):
            connection.loseConnection()

    def _listens(self, port: IListeningPort) -> None:
        self._port = port

    def _refused(self, failure: Failure, atStart: list[Failure]) -> None:
        if not self.running:
            atStart.append(failure)
        elif not isinstance(failure.value, CancelledError):
            self.log.failure("the admin cannot listen", failure)
