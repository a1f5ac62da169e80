# -*- test-case-name: tests.beehive.test_message -*-
"""
The Message of KubeEdge's beehive: a header, a route and any content.

::

    {"header": {"msg_id": ..., "timestamp": ...},
     "route": {"source": "edgemesh", "group": "meta", "operation": "query",
               "resource": "default/service/b"},
     "content": null}

The names of fields, and of what makes Messages, are KubeEdge's.  Messages do not
change: what sets something returns a copy.  The content stays JSON until somebody asks
for it as what they expect; the accessors say no with
:class:`~edgemesh.errors.RemoteProtocolError`, since it was a peer who filled it.

Must not know a transport, a clock or where ids come from; :class:`Messages` is given both.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Annotated, Self

from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from edgemesh.beehive import gojson
from edgemesh.beehive.names import ERROR, RESPONSE
from edgemesh.errors import BAD_REQUEST, RemoteProtocolError

#: Milliseconds since 1970, as long as Go's int64.
Milliseconds = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

#: A content that was never filled; as an answer, a miss.
NULL = Raw(b"null")


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    Who this is, and whom it answers.

    :ivar parent_msg_id: the id of the Message that this one answers.
    :ivar resourceversion: of the object in the content.
    :ivar sync: its sender waits for the answer.
    :ivar type: the transport between modules: empty, ``channel`` or ``unixpacket``.
    """

    msg_id: str
    parent_msg_id: str = ""
    timestamp: Milliseconds
    resourceversion: str = ""
    sync: bool = False
    type: str = ""


class Route(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    From whom, to whom, and what about.

    :ivar destination: a module; only sockets use it.
    :ivar resource: see :mod:`edgemesh.beehive.resource`.
    """

    source: str = ""
    destination: str = ""
    group: str = ""
    operation: str = ""
    resource: str = ""


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """One Message; :mod:`edgemesh.beehive.codec` turns it to bytes and back."""

    header: Header
    route: Route = Route()
    content: Raw = NULL

    def __repr__(self) -> str:
        # Without the content: it may hold a Secret, and logs show this.
        return (
            f"<Message {self.header.msg_id} {self.route.operation} {self.route.resource!r}"
            f" source={self.route.source!r} parent={self.header.parent_msg_id!r}"
            f" content={len(bytes(self.content))} bytes>"
        )

    def buildRouter(self, source: str, group: str, resource: str, operation: str) -> Self:
        """From whom, and what about, in one step."""
        return self.setRoute(source, group).setResourceOperation(resource, operation)

    def setRoute(self, source: str, group: str) -> Self:
        """From this module, in this group."""
        return replace(self, route=replace(self.route, source=source, group=group))

    def setResourceOperation(self, resource: str, operation: str) -> Self:
        """About this resource."""
        return replace(self, route=replace(self.route, resource=resource, operation=operation))

    def setDestination(self, destination: str) -> Self:
        """To this module; a socket needs it."""
        return replace(self, route=replace(self.route, destination=destination))

    def setType(self, type: str) -> Self:
        """By this transport between modules."""
        return replace(self, header=replace(self.header, type=type))

    def setSync(self, sync: bool) -> Self:
        """Whether its sender waits for the answer."""
        return replace(self, header=replace(self.header, sync=sync))

    def setResourceVersion(self, resourceversion: str) -> Self:
        """With the version of the object in the content."""
        return replace(self, header=replace(self.header, resourceversion=resourceversion))

    def fillBody(self, value: object) -> Self:
        """
        With this content; ``bytes`` go out as base64, a ``Raw`` as it is.

        :raise LocalProtocolError: JSON has no such value.
        """
        return replace(self, content=value if isinstance(value, Raw) else Raw(gojson.encode(value)))

    def isError(self) -> bool:
        """Whether this answers with what went wrong."""
        return self.route.operation == ERROR

    def isAnswerTo(self, request: Message) -> bool:
        """
        Whether this answers the request.

        Old peers put the request's parent in the place of its id into an error (up to
        KubeEdge 1.17).  Such an error is taken for the answer to any request
        with that parent and resource: with several of them waiting, ask the oldest first.
        """
        if self.header.parent_msg_id == request.header.msg_id:
            return True
        sameParent = self.header.parent_msg_id == request.header.parent_msg_id
        return self.isError() and sameParent and self.route.resource == request.route.resource

    def isNull(self) -> bool:
        """Whether there is no content; in an answer of metamanager: it has no such thing."""
        return self.content == NULL

    def value(self) -> object:
        """The content as a plain value."""
        return gojson.decode(bytes(self.content))

    def object(self) -> dict[str, object]:
        """The content, which must be an object."""
        value = self.value()
        if not isinstance(value, dict):
            raise self._unexpected("an object")
        return value

    def text(self) -> str:
        """The content, which must be a string."""
        value = self.value()
        if not isinstance(value, str):
            raise self._unexpected("a string")
        return value

    def binary(self) -> bytes:
        """The content, which must be what Go's ``[]byte`` becomes: base64, or null for none."""
        if self.isNull():
            return b""
        try:
            plain = self.text().replace("\r", "").replace("\n", "")
            return binascii.a2b_base64(plain, strict_mode=True)
        except ValueError:
            raise self._unexpected("base64") from None

    def data(self) -> bytes:
        """
        The content as Go's ``GetContentData`` hands it on, and metamanager stores it.

        A string without its quotes, base64 not decoded; all else as JSON, keys sorted.
        """
        value = self.value()
        if isinstance(value, str):
            return value.encode()
        return gojson.encode(value)

    def documents(self) -> tuple[bytes, ...]:
        """
        The JSON texts in an answer to a query, none for a miss.

        metamanager answers from its database with a list of strings, each a JSON text,
        and from the cloud with the object itself.  A text in its turn may hold a list.
        """
        value = self.value()
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(item.encode() for item in value)
        return (value.encode(),) if isinstance(value, str) else (bytes(self.content),)

    def _unexpected(self, expected: str) -> RemoteProtocolError:
        what = f"{self.route.operation} {self.route.resource!r} of {self.route.source!r}"
        return RemoteProtocolError(BAD_REQUEST, f"{what}: the content is not {expected}")


class Messages:
    """
    Makes new Messages, as Go's functions of the same names do.

    :param newID: an id that was never used before: the text of a random UUID.
    :param milliseconds: since 1970.
    """

    def __init__(self, newID: Callable[[], str], milliseconds: Callable[[], int]) -> None:
        self._newID = newID
        self._milliseconds = milliseconds

    def newMessage(self, parent: str = "") -> Message:
        """An empty one; ``parent`` is the id of the Message that it answers."""
        return Message(
            Header(msg_id=self._newID(), parent_msg_id=parent, timestamp=self._milliseconds())
        )

    def newRespByMessage(self, request: Message, value: object) -> Message:
        """
        The answer: source, group, resource and type are the request's.

        That source is the asker's, not ours: on a socket answers are delivered by it.
        """
        route = request.route
        answer = self.newMessage(request.header.msg_id).setType(request.header.type)
        routed = answer.buildRouter(route.source, route.group, route.resource, RESPONSE)
        return routed.fillBody(value)

    def newErrorMessage(self, request: Message, text: str, *, oldParent: bool = False) -> Message:
        """
        The answer that something went wrong; without source and group.

        :param oldParent: answer the request's parent, as KubeEdge did up to 1.17, for a
            peer that looks for it there.
        """
        parent = request.header.parent_msg_id if oldParent else request.header.msg_id
        answer = self.newMessage(parent).setResourceOperation(request.route.resource, ERROR)
        return answer.fillBody(text)

    def clone(self, message: Message) -> Message:
        """The same under a new id; without destination, resourceversion, sync and type."""
        header, route = message.header, message.route
        copy = self.newMessage(header.parent_msg_id)
        copy = replace(copy, header=replace(copy.header, timestamp=header.timestamp))
        routed = copy.buildRouter(route.source, route.group, route.resource, route.operation)
        return routed.fillBody(message.content)

    def updateID(self, message: Message) -> Message:
        """The same with another id and nothing else changed, to be asked on somebody's behalf."""
        return replace(message, header=replace(message.header, msg_id=self._newID()))


def unquoted(document: bytes) -> bytes:
    """
    A stored string without JSON's quotes.

    Up to KubeEdge 1.7 metamanager stores the string ``9.251.0.1`` with quotes, later
    without them.

    :raise RemoteProtocolError: it begins like a quoted string and is none.
    """
    if not document.startswith(b'"'):
        return document
    value = gojson.decode(document)
    return str(value).encode()
