# -*- test-case-name: tests.link.test_moduleclient -*-
"""
One module of this process, linked to the modules of another.

Composes a :class:`~edgemesh.link.dialling.Redialler` with one
:class:`~edgemesh.link.modules.ClientEnd` for each link.  A request ends in an answer,
or fails within its time; it is never sent again by itself, since only the asker knows
whether that is right.  Must not know what Messages are about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.names import META_GROUP, QUERY
from edgemesh.errors import MeshError, RemoteProtocolError
from edgemesh.link.dialling import Backoff, Redialler
from edgemesh.link.modulelink import ModuleLink
from edgemesh.link.modules import (
    Answered,
    ClientEnd,
    Delivered,
    Directory,
    Dropped,
    Introduced,
    recordOf,
)
from edgemesh.link.pages import Pages
from edgemesh.link.pending import Pending, Unanswered
from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import RecordLimits, Unsent

#: Seconds for the answer to a request.
PATIENCE = 10.0


class ErrorAnswer(MeshError):
    """The other module answered with an error; the text is its own."""


class ModuleUser(Protocol):
    """Whose module it is."""

    def linked(self, directory: Directory) -> None:
        """The link is up, and these can be asked; what was known may be outdated."""

    def pushed(self, message: Message) -> None:
        """A Message came that nobody here had asked for."""

    def unlinked(self) -> None:
        """The link is lost; another one is being tried."""


class ModuleClient(Service):
    """
    Keeps a module linked while it runs.

    :ivar redialler: the connection, with counts of its own.
    :ivar pending: the requests that wait, and what became of answers.
    :ivar dropped: records that were no Messages, or too large.
    :param name: the module of this process.
    :param random: gives a number from 0 up to 1.
    """

    def __init__(
        self,
        reactor: LinkReactor,
        path: str,
        messages: Messages,
        name: str,
        user: ModuleUser,
        limits: RecordLimits,
        backoff: Backoff,
        random: Callable[[], float],
    ) -> None:
        self.redialler = Redialler(reactor, path, self._newLink, limits, backoff, random)
        self.pending: Pending[_Asker] = Pending()
        self.dropped = 0
        self.reactor = reactor
        self.messages = messages
        self.user = user
        self._name = name
        self._link: ClientLink | None = None

    def startService(self) -> None:
        """Connect, and again whenever the link is lost."""
        super().startService()  # type: ignore[no-untyped-call]
        self.redialler.startService()

    def stopService(self) -> Deferred[None]:
        """Close the link; fires when it is closed, and nobody waits any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self.redialler.stopService()

    def ask(self, message: Message, module: str, patience: float = PATIENCE) -> Deferred[Message]:
        """
        Send a request to a module at the other end.

        :param message: with group, resource, operation and content; the rest is set here.
        :return: fires with the answer.  Fails with :class:`ErrorAnswer`, or with
            :class:`~edgemesh.link.pending.Unanswered` after ``patience`` seconds, or when
            there is no link, or it is lost.  May be cancelled.
        """
        link = self._link
        answered: Deferred[Message] = Deferred(lambda _: self._giveUp(msg_id))
        msg_id = message.header.msg_id
        if link is None:
            answered.errback(Unanswered(f"{message!r}: no link"))
            return answered
        request = link.end.request(message, module)
        late = Unanswered(f"{request!r}: no answer in {patience:g} seconds")
        try:
            # Before it is sent: an answer may come at once.
            self.pending.add(request, asker := _Asker(answered))
        except Unanswered as error:
            answered.errback(error)
            return answered
        asker.timeout = self.reactor.callLater(patience, self._fail, msg_id, late)
        link.transport.sendRecord(recordOf(request))
        return answered

    async def everything(self, resource: str, module: str) -> list[bytes]:
        """
        All JSON texts of a type, asked for in pages.

        :param resource: ``all/service``, for example.
        :raise MeshError: a page was not to be had.
        """
        pages = Pages()
        while pages.wish is not None:
            query = self.messages.newMessage().buildRouter(self._name, META_GROUP, resource, QUERY)
            pages.take(await self.ask(query.fillBody(pages.wish.content()), module))
        return pages.texts

    def _giveUp(self, msg_id: str) -> None:
        """The asker has cancelled."""
        asker = self.pending.giveUp(msg_id)
        if asker is not None:
            asker.calm()

    def _fail(self, msg_id: str, why: MeshError) -> None:
        asker = self.pending.giveUp(msg_id)
        if asker is not None:
            asker.fail(why)

    # For the links.

    def _newLink(self) -> ClientLink:
        return ClientLink(self, ClientEnd(self.messages, self._name))

    def introduced(self, link: ClientLink, directory: Directory) -> None:
        """The server has let this module in."""
        self._link = link
        self.redialler.settled()
        self.user.linked(directory)

    def answered(self, answer: Message) -> None:
        """An answer came, to whatever it may be."""
        asker = self.pending.take(answer)
        if asker is None:
            return
        if answer.isError():
            asker.fail(ErrorAnswer(_textOf(answer)))
        else:
            asker.succeed(answer)

    def unsent(self, record: bytes, why: Unsent) -> None:
        """A request did not go out; only the rare record that fails is looked at again."""
        self._fail(decode(record).header.msg_id, why)

    def left(self, link: ClientLink) -> None:
        """The link is lost."""
        if self._link is not link:
            return
        self._link = None
        for waiting in self.pending.giveUpAll():
            waiting.waiter.fail(Unanswered(f"{waiting.request!r}: the link was lost"))
        self.user.unlinked()


class _Asker:
    """Who waits for one answer, and how long yet."""

    def __init__(self, answered: Deferred[Message]) -> None:
        self.timeout: IDelayedCall | None = None
        self._answered = answered

    def calm(self) -> None:
        """Watch the time no longer."""
        if self.timeout is not None and self.timeout.active():
            self.timeout.cancel()

    def fail(self, why: MeshError) -> None:
        """There is no answer."""
        self.calm()
        self._answered.errback(why)

    def succeed(self, answer: Message) -> None:
        """Here is the answer."""
        self.calm()
        self._answered.callback(answer)


class ClientLink(ModuleLink):
    """
    One link to the server.

    :ivar end: how far the introduction has come.
    """

    def __init__(self, client: ModuleClient, end: ClientEnd) -> None:
        super().__init__(client.reactor, end)
        self.end = end
        self._client = client

    def connectionMade(self) -> None:
        self.awaitIntroduction("the introduction was not answered")
        self.transport.sendRecord(recordOf(self.end.greeting))

    def understood(self, meaning: object) -> None:
        match meaning:
            case Answered(message):
                self._client.answered(message)
            case Delivered(message):
                self._client.user.pushed(message)
            case Introduced(directory):
                self.introductionMade()
                self._client.introduced(self, directory)
            case Dropped(why):
                self.dropped(why)

    def dropped(self, why: str) -> None:
        self._client.dropped += 1
        super().dropped(why)

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        self._client.unsent(record, why)

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._client.left(self)


def _textOf(answer: Message) -> str:
    """What an error says; old peers send the fields of some object instead of a text."""
    try:
        return answer.data().decode()
    except RemoteProtocolError as error:
        return f"an error that cannot be read ({error.detail})"
