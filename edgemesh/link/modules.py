# -*- test-case-name: tests.link.test_modules -*-
"""
KubeEdge's protocol between modules of one node, for either end of a link.

Theory of operation
===================

One record is one Message.  The first one introduces the client; the server answers
with the modules and groups that can be reached, or hangs up::

    -> source edgemesh, operation add, resource module, content ""
    <- source edgemesh, destination edgemesh, operation response, resource module,
       content {"modules":["metamanager"],"groups":{"meta":["metamanager"]}}
    -> source edgemesh, destination metamanager, operation query, sync
    <- source edgemesh, destination edgemesh, operation response, parent_msg_id
    <- source edgecontroller, destination edgemesh, operation update       (a push)

The server delivers by ``destination``.  An answer has the *asker* as its source, not
who answers: KubeEdge's server finds the connection by it.  Every field of header and
route is written even when it is empty, since a Go receiver would take over
what the record before had there.

::

    server  NEW ----- add module -----> BOUND      client  GREETING -- answer --> READY
             |                                                |
             +-- anything else: RemoteProtocolError           +-- the same

Sans-IO: records in, values out.  Knows Messages; no clock, no transport.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeGuard

from msgspec import Struct

from edgemesh.beehive.codec import Form, decode, encodeRecord
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.names import ADD, ERROR, RESPONSE, UNIXPACKET
from edgemesh.beehive.resource import MODULE
from edgemesh.errors import BAD_REQUEST, LocalProtocolError, RemoteProtocolError


class Directory(Struct, frozen=True):
    """
    Who can be reached through a link: the content of an introduction's answer.

    :ivar modules: by name.
    :ivar groups: names of modules by group.
    """

    modules: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Introduced:
    """
    The other end said who it is.

    :ivar answer: what the client is to be sent; None at the client's end.
    """

    directory: Directory
    answer: Message | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A Message for a module at this end: a request at the server's, a push at the client's."""

    message: Message


@dataclass(frozen=True, slots=True)
class Answered:
    """A Message that answers one of this end's requests, or claims to."""

    message: Message


@dataclass(frozen=True, slots=True)
class Dropped:
    """
    A record that is for nobody here.

    :ivar answer: what to tell its sender, who waits; or None.
    """

    why: str
    answer: Message | None = None


class Phase(Enum):
    """How far the introduction has come."""

    BEFORE = "nobody has been introduced"
    AFTER = "Messages go both ways"


class ServerEnd:
    """
    The server's end of one link.

    :ivar name: the client's module; empty before it said so.
    :param enabled: modules that may connect.
    :param directory: what they can reach.
    """

    def __init__(self, messages: Messages, enabled: Collection[str], directory: Directory) -> None:
        self.name = ""
        self._messages = messages
        self._enabled = enabled
        self._directory = directory

    @property
    def phase(self) -> Phase:
        """How far the introduction has come."""
        return Phase.AFTER if self.name else Phase.BEFORE

    def __repr__(self) -> str:
        return f"<ServerEnd {self.phase.name} {self.name!r}>"

    def receive(self, record: bytes) -> Introduced | Delivered | Dropped:
        """
        Understand one record.

        :raise RemoteProtocolError: the client is none that may stay.
        """
        if self.phase is Phase.BEFORE:
            return self._introduced(decode(record))
        try:
            message = decode(record)
        except RemoteProtocolError as error:
            # The next record begins where this one ends; the link can go on.
            return Dropped(error.detail)
        return self._delivered(message)

    def _introduced(self, message: Message) -> Introduced:
        route = message.route
        if route.operation != ADD or route.resource != MODULE:
            raise RemoteProtocolError(BAD_REQUEST, f"{message!r} came before an introduction")
        if not route.source or route.source not in self._enabled:
            raise RemoteProtocolError(BAD_REQUEST, f"no module {route.source!r} may connect")
        self.name = route.source
        answer = self._messages.newRespByMessage(message, self._directory)
        return Introduced(self._directory, answerTo(message, answer))

    def _delivered(self, message: Message) -> Delivered | Dropped:
        route = message.route
        if route.source != self.name:
            return self._dropped(message, f"this is the link of {self.name!r}")
        if route.destination not in self._directory.modules:
            return self._dropped(message, f"no module {route.destination!r}")
        return Delivered(message)

    def _dropped(self, message: Message, why: str) -> Dropped:
        if not message.header.sync:
            return Dropped(why)
        # A Go server says nothing here; its client waits until its time is up.
        return Dropped(why, answerTo(message, self._messages.newErrorMessage(message, why)))


class ClientEnd:
    """
    The client's end of one link.

    :param name: this end's module.
    """

    def __init__(self, messages: Messages, name: str) -> None:
        self._name = name
        opening = messages.newMessage().buildRouter(name, "", MODULE, ADD).fillBody("")
        #: What introduces this end; to be sent first.
        self.greeting = opening.setSync(True).setType(UNIXPACKET)
        self.phase = Phase.BEFORE

    def __repr__(self) -> str:
        return f"<ClientEnd {self.phase.name} {self._name!r}>"

    def receive(self, record: bytes) -> Introduced | Delivered | Answered | Dropped:
        """
        Understand one record.

        :raise RemoteProtocolError: the server does not let this module in.
        """
        if self.phase is Phase.BEFORE:
            directory = _introduction(self.greeting, decode(record))
            self.phase = Phase.AFTER
            return Introduced(directory)
        try:
            message = decode(record)
        except RemoteProtocolError as error:
            return Dropped(error.detail)
        if not message.route.operation:
            return Dropped("a Message without an operation")
        isError = message.route.operation == ERROR
        isResponse = message.route.operation == RESPONSE and message.header.parent_msg_id
        # What answers nothing may still be news: metamanager pushes those as well.
        return Answered(message) if isError or isResponse else Delivered(message)

    def request(self, message: Message, destination: str) -> Message:
        """The Message as it goes to a module at the other end, which is to answer."""
        if self.phase is Phase.BEFORE:
            raise LocalProtocolError(f"{self!r} cannot ask {message!r}")
        routed = message.setRoute(self._name, message.route.group).setDestination(destination)
        return routed.setSync(True).setType(UNIXPACKET)


def _introduction(greeting: Message, message: Message) -> Directory:
    if message.route.operation != RESPONSE or not message.isAnswerTo(greeting):
        raise RemoteProtocolError(BAD_REQUEST, f"{message!r} does not answer the introduction")
    content = message.object()
    # Go writes null for a list or map that was never filled.
    modules, groups = content.get("modules") or [], content.get("groups") or {}
    if not (_isTexts(modules) and isinstance(groups, dict) and all(map(_isTexts, groups.values()))):
        raise RemoteProtocolError(BAD_REQUEST, f"{message!r} has no modules and groups")
    return Directory(tuple(modules), {name: tuple(group) for name, group in groups.items()})


def _isTexts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def answerTo(request: Message, answer: Message) -> Message:
    """
    The answer as the asker's server routes it: from the asker, to the asker.

    :param answer: its source, group and destination are replaced.
    """
    route = request.route
    routed = answer.setRoute(route.source, route.group).setDestination(route.source)
    return routed.setType(UNIXPACKET).setSync(False)


def errorInstead(messages: Messages, answer: Message, text: str) -> Message:
    """What an asker gets in the place of an answer that cannot be sent."""
    route = answer.route
    error = messages.newMessage(answer.header.parent_msg_id)
    routed = error.buildRouter(route.source, route.group, route.resource, ERROR)
    return routed.setDestination(route.destination).setType(UNIXPACKET).fillBody(text)


def push(message: Message, module: str) -> Message:
    """The Message as it goes to a client that did not ask; its source stays."""
    return message.setDestination(module).setType(UNIXPACKET).setSync(False)


def recordOf(message: Message) -> bytes:
    """The record that carries a Message to any peer."""
    return encodeRecord(message, Form.FULL)
