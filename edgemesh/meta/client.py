# -*- test-case-name: tests.meta.test_client -*-
"""
Metadata from a metamanager, by a link to its socket.

Theory of operation: once linked, everything is asked for in pages, kind by kind, and
put in force when the last page is there; from then on metamanager pushes what changes.
A push is in force when this returns to the reactor.  When the link is lost, what is
known stays in force and that it may be old is a problem to be told; the next link
begins with lists again, and what is on none of them is gone.  A kind that could not
be listed stays as it is, is a problem too, and is tried again after a pause.

A metamanager without pages answers with one list.  Where that is more than a record
carries, each object that is known by name is asked for.

Nothing on the way of a call asks: it reads what is in memory.  Knows Messages and a
link; nothing of sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.names import (
    DELETE,
    EDGEMESH,
    INSERT,
    META_GROUP,
    METAMANAGER,
    QUERY,
    RESPONSE,
    UPDATE,
)
from edgemesh.beehive.resource import NO_NAMESPACE, Resource, parse
from edgemesh.errors import MeshError, RemoteProtocolError
from edgemesh.interfaces import IMetaSource
from edgemesh.link.dialling import Backoff
from edgemesh.link.moduleclient import ErrorAnswer, ModuleUser
from edgemesh.link.modules import Directory
from edgemesh.link.pages import Pages
from edgemesh.meta.holding import Holding
from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Metadata
from edgemesh.meta.objects import (
    ENDPOINTS,
    KIND_OF,
    KINDS,
    MANIFESTS,
    NODE,
    POD,
    POD_LIST,
    SERVICE,
    Kind,
)

#: The name of what is said about metamanager itself.
_PROBLEM = "metamanager"
_PAUSE = Backoff(first=1.0, most=60.0)


class Link(Protocol):
    """The way to metamanager: a :class:`~edgemesh.link.moduleclient.ModuleClient`."""

    def startService(self) -> None: ...
    def stopService(self) -> Deferred[None]: ...
    def ask(self, message: Message, module: str) -> Deferred[Message]: ...


@implementer(IMetaSource)
class MetaManagerClient(Service):
    """
    Services, Endpoints, EndpointSlices, Pods and Nodes from a metamanager.

    :ivar pushes: Messages that came without being asked for.
    :ivar ignored: those of them that are about something else.
    :param clock: for pauses.
    :param makeLink: makes the link; its user is told of links and pushes.
    :param random: gives a number from 0 up to 1.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        messages: Messages,
        makeLink: Callable[[ModuleUser], Link],
        random: Callable[[], float],
    ) -> None:
        self.pushes = self.ignored = 0
        self._clock = clock
        self._messages = messages
        self._random = random
        self._holding = Holding()
        self._memory = MemoryMetaSource()
        #: Why it is not listened to: the link, or a kind that could not be listed.
        self._silence: dict[str, str] = {}
        self._task: Deferred[None] | None = None
        self._pause: IDelayedCall | None = None
        self._failures = 0
        self._isLinked = False
        self._link = makeLink(self)
        self.setName(_PROBLEM)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        state = "listing" if self._task else "linked" if self._isLinked else "away"
        return f"<MetaManagerClient {state} {self._memory!r}>"

    @property
    def applied(self) -> int:
        return self._memory.applied

    @property
    def rejected(self) -> int:
        return self._holding.rejected

    def metadata(self) -> Metadata:
        return self._memory.metadata()

    def subscribe(self, changed: Callable[[Metadata], None]) -> None:
        self._memory.subscribe(changed)

    def problems(self) -> Mapping[str, str]:
        return self._holding.problems() | self._silence

    def ready(self) -> bool:
        return self._memory.ready()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._silence = {_PROBLEM: "not linked yet"}
        self._link.startService()

    def stopService(self) -> Deferred[None]:
        """Fires when the link is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._calm()
        return self._link.stopService()

    def reload(self) -> None:
        """Ask for everything again, now."""
        if self._isLinked:
            self._beginLists()

    # -- the link --------------------------------------------------------------------

    def linked(self, directory: Directory) -> None:
        """Ask for everything: what was known may be old."""
        self._isLinked = True
        self._failures = 0
        self._silence = {}
        self._beginLists()

    def unlinked(self) -> None:
        """Go on with what is known."""
        self._isLinked = False
        self._calm()
        self._silence = {_PROBLEM: "the link is lost; what it said last stays in force"}

    def pushed(self, message: Message) -> None:
        """Take what changed; in force at once, except before the first lists are complete."""
        self.pushes += 1
        resource, operation = parse(message.route.resource), message.route.operation
        if resource.type not in KIND_OF or operation not in (INSERT, UPDATE, DELETE, RESPONSE):
            self.ignored += 1
            return
        if operation == DELETE:
            self._holding.delete(resource)
        elif not (operation == RESPONSE and message.isNull()):
            # Only metamanager's own feeder may say that an object is this node's own.
            self._put(resource, message, message.route.source == MANIFESTS)
        if self._memory.ready():
            self._enforce()

    def _put(self, resource: Resource, message: Message, isOwn: bool) -> None:
        try:
            content = message.value()
        except RemoteProtocolError as error:
            self._holding.refuse(resource, error.detail)
        else:
            self._holding.put(resource, content, isOwn)

    def _enforce(self) -> None:
        """What is held is in force."""
        metadata = self._holding.commit()
        if metadata.generation != self._memory.metadata().generation or not self._memory.ready():
            self._memory.put(metadata)

    # -- lists -----------------------------------------------------------------------

    def _beginLists(self) -> None:
        self._calm()
        self._task = Deferred.fromCoroutine(self._list())
        self._task.addBoth(self._listed)

    def _calm(self) -> None:
        """Ask no more, and do not try again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        pause, self._pause = self._pause, None
        if pause is not None and pause.active():
            pause.cancel()

    def _listed(self, result: Failure | None) -> None:
        self._task = None
        if result is not None and not isinstance(result.value, CancelledError):
            self.log.failure("{client!r} could not list", result, client=self)
            self._silence = {_PROBLEM: "its lists could not be read; see the log"}

    async def _list(self) -> None:
        """One round of lists, and another one later if any kind is missing."""
        self._holding.beginLists()
        complete: set[Kind] = set()
        silence: dict[str, str] = {}
        for kind in KINDS:
            try:
                await self._listKind(kind)
            except MeshError as error:
                silence[f"{_PROBLEM} {_everything(kind.type)}"] = f"not listed: {error}"
            else:
                complete.add(kind)
        self._holding.completeLists(complete)
        self._silence = silence
        if SERVICE in complete or self._memory.ready():
            self._enforce()
        if not silence:
            self._failures = 0
            return
        self._failures += 1
        if self._failures == 1:
            self.log.warn("{silence}", silence="; ".join(map(": ".join, silence.items())))
        pause = _PAUSE.delay(self._failures, self._random)
        self._pause = self._clock.callLater(pause, self._beginLists)

    async def _listKind(self, kind: Kind) -> None:
        """
        All objects of a kind.

        :raise MeshError: they are not to be had.
        """
        for type_ in (kind.type, POD_LIST) if kind is POD else (kind.type,):
            try:
                await self._listPages(type_)
            except MeshError as error:
                await self._listEach(kind, error)
                return

    async def _listPages(self, type_: str) -> None:
        pages = Pages()
        resource = parse(_everything(type_))
        while pages.wish is not None:
            pages.take(await self._ask(resource, pages.wish.content()))
            for text in pages.texts:
                self._holding.put(resource, text, True)
            # What was taken need not be kept: only a page at a time is in memory twice.
            pages.texts.clear()

    async def _listEach(self, kind: Kind, error: MeshError) -> None:
        """Ask for each object that is known by name, since there is no list of them."""
        places = dict.fromkeys(self._holding.names(kind))
        if kind is ENDPOINTS:
            places |= dict.fromkeys(self._holding.names(SERVICE))
        refused = None if places else error
        for namespace, name in places:
            resource = Resource(NO_NAMESPACE if kind is NODE else namespace, kind.type, name)
            try:
                answer = await self._ask(resource, None)
            except ErrorAnswer as answered:
                refused = answered
                continue
            if answer.isNull():
                self._holding.delete(resource)
            else:
                self._put(resource, answer, True)
        if refused is not None:
            raise refused

    def _ask(self, resource: Resource, content: object) -> Deferred[Message]:
        query = self._messages.newMessage()
        query = query.buildRouter(EDGEMESH, META_GROUP, str(resource), QUERY).fillBody(content)
        return self._link.ask(query, METAMANAGER)


def _everything(type_: str) -> str:
    """The resource string of everything of a type."""
    return str(Resource("all", type_))
