# -*- test-case-name: tests.link.test_moduleserver -*-
"""
The modules of this process, reachable by other processes of the node.

Composes a listener with one :class:`~edgemesh.link.modules.ServerEnd` for each link.
The modules here get Messages and give answers and pushes; which link a Message goes
out on is decided here.  Must not know what Messages are about.

A record that the peer could not take is never sent: who asked gets an error that names
the size.  A client that reads too slowly for what is pushed to it is disconnected, since
it would miss something without knowing; it comes back and asks anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message, Messages
from edgemesh.errors import LocalProtocolError
from edgemesh.link.listener import RecordListener
from edgemesh.link.modulelink import ModuleLink
from edgemesh.link.modules import (
    Delivered,
    Directory,
    Dropped,
    Introduced,
    ServerEnd,
    answerTo,
    errorInstead,
    push,
    recordOf,
)
from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import (
    QueueFull,
    RecordLimits,
    TooLarge,
    Unsent,
)

#: Bytes of the largest record to a peer: what KubeEdge's own receivers have room for.
LARGEST = 1_048_576


@dataclass(slots=True)
class ServerCounts:
    """
    What became of Messages.

    :ivar delivered: to a module here.
    :ivar dropped: for nobody here, or no Messages.
    :ivar answered: answers on their way to who asked.
    :ivar pushed: on their way to a client.
    :ivar absent: answers and pushes for a module that has no link.
    :ivar tooLarge: answers that became errors, and pushes that were left out.
    :ivar slow: clients that were disconnected since they read too slowly.
    """

    delivered: int = 0
    dropped: int = 0
    answered: int = 0
    pushed: int = 0
    absent: int = 0
    tooLarge: int = 0
    slow: int = 0


class ModuleServer(Service):
    """
    Lets modules of other processes in, while it runs.

    :ivar counts: what became of Messages.
    :ivar listener: the socket, with counts of its own.
    :param enabled: names of modules that may connect.
    :param most: links at a time.
    """

    log = Logger()

    def __init__(
        self,
        reactor: LinkReactor,
        path: str,
        messages: Messages,
        enabled: Collection[str],
        limits: RecordLimits,
        most: int = 10,
    ) -> None:
        self.counts = ServerCounts()
        self.listener = RecordListener(reactor, path, self._newLink, limits, most)
        self.messages = messages
        self.reactor = reactor
        self._enabled = frozenset(enabled)
        self._here: dict[str, Callable[[Message], None]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._links: dict[str, ServerLink] = {}

    def add(self, module: str, group: str, take: Callable[[Message], None]) -> None:
        """
        Let a module of this process be reached; before the start.

        :param take: gets every Message to this module.
        """
        if self.running or module in self._here:
            raise LocalProtocolError(f"the module {module!r} is there or comes too late")
        self._here[module] = take
        self._groups[group] = (*self._groups.get(group, ()), module)

    def startService(self) -> None:
        """
        Listen.

        :raise ConfigurationError: the path cannot be had.
        """
        self.listener.startService()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """Close everything; fires when it is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self.listener.stopService()

    def linked(self) -> tuple[str, ...]:
        """The modules of other processes that have a link now."""
        return tuple(self._links)

    def answer(self, request: Message, answer: Message) -> None:
        """
        Send the answer to who asked.

        :param answer: with the request's id as its parent; where it goes is set here.
        """
        link = self._linkTo(request.route.source)
        if link is not None:
            self.counts.answered += 1
            link.send(answerTo(request, answer))

    def push(self, module: str, message: Message) -> None:
        """Send a Message to a module that did not ask for it, if it has a link."""
        link = self._linkTo(module)
        if link is not None:
            self.counts.pushed += 1
            link.send(push(message, module))

    def _linkTo(self, module: str) -> ServerLink | None:
        link = self._links.get(module)
        if link is None:
            self.counts.absent += 1
        return link

    # For the links.

    def _newLink(self) -> ServerLink:
        directory = Directory(tuple(self._here), self._groups)
        return ServerLink(self, ServerEnd(self.messages, self._enabled, directory))

    def joined(self, link: ServerLink) -> None:
        """A client has introduced itself; it replaces an older link of the same module."""
        former = self._links.get(link.end.name)
        self._links[link.end.name] = link
        if former is not None:
            former.transport.abortConnection()

    def left(self, link: ServerLink) -> None:
        """A client's link is lost."""
        if self._links.get(link.end.name) is link:
            del self._links[link.end.name]

    def deliver(self, message: Message) -> None:
        """Hand a Message to the module here that it is for."""
        self.counts.delivered += 1
        self._here[message.route.destination](message)


class ServerLink(ModuleLink):
    """
    One client's link.

    :ivar end: what it has said so far.
    """

    def __init__(self, server: ModuleServer, end: ServerEnd) -> None:
        super().__init__(server.reactor, end)
        self.end = end
        self._server = server

    def connectionMade(self) -> None:
        self.awaitIntroduction("it did not introduce itself")
        # What it asks is not read while its answers wait for it to read them.
        self.transport.registerProducer(self.transport, True)

    def understood(self, meaning: object) -> None:
        match meaning:
            case Delivered(message):
                self._server.deliver(message)
            case Introduced(_, answer):
                self.introductionMade()
                self._server.joined(self)
                assert answer is not None
                self.send(answer)
            case Dropped(why, answer):
                self.dropped(why)
                if answer is not None:
                    self.send(answer)

    def dropped(self, why: str) -> None:
        self._server.counts.dropped += 1
        super().dropped(why)

    def send(self, message: Message) -> None:
        """Send a Message; if it is too large for the peer, an error in its place."""
        record = recordOf(message)
        if len(record) > LARGEST:
            self._tooLarge(message, TooLarge(len(record), f"the limit is {LARGEST} bytes"))
        else:
            self.transport.sendRecord(record)

    def _tooLarge(self, message: Message, why: Unsent) -> None:
        self._server.counts.tooLarge += 1
        self.log.error("{message!r}: {why}", message=message, why=str(why))
        # An error that is too large itself would come back here.
        if message.header.parent_msg_id and not message.isError():
            self.send(errorInstead(self._server.messages, message, f"{why}; ask for less"))

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        if isinstance(why, TooLarge):
            self._tooLarge(decode(record), why)
        elif isinstance(why, QueueFull):
            self._server.counts.slow += 1
            # It would go on without what it was to get, and not know.
            self.hangUp(str(why))
        # Otherwise the link is being closed, which tells the client enough.

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._server.left(self)
