# -*- test-case-name: tests.edgecore.test_contents -*-
"""
What metamanager reads of a Message's content: JSON texts, lists, pages, wrappings.

A content that is not what its Message says raises
:class:`~edgemesh.errors.RemoteProtocolError`: a peer filled it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgemesh.beehive import gojson
from edgemesh.beehive.message import Message
from edgemesh.beehive.resource import Resource
from edgemesh.edgecore.objects import identify
from edgemesh.edgecore.rows import IRows, Row
from edgemesh.errors import BAD_REQUEST, RemoteProtocolError
from edgemesh.link import pages

#: Lists that are kept as rows of another type.
LISTS = {"servicelist": "service", "endpointslist": "endpoints"}


@dataclass(frozen=True, slots=True)
class Found:
    """
    The cloud's answer without its wrapping.

    :ivar stored: whether it holds an object to store.
    """

    message: Message
    stored: bool


class _Wrapped(msgspec.Struct, frozen=True, rename="pascal"):
    """How newer clouds wrap some objects."""

    object: msgspec.Raw
    err: msgspec.Raw


_asList = msgspec.json.Decoder(list[msgspec.Raw])
_asWrapped = msgspec.json.Decoder(_Wrapped)


def malformed(detail: str) -> RemoteProtocolError:
    """The error to raise for a Message that makes no sense."""
    return RemoteProtocolError(BAD_REQUEST, detail)


def text(message: Message) -> str:
    """The content as it is stored: its JSON text on one line."""
    return gojson.compact(gojson.legible(bytes(message.content))).decode()


def items(message: Message, type: str) -> list[Row]:
    """
    The rows in a list.

    :param type: of the list: ``servicelist``.
    """
    kind = LISTS[type]
    try:
        values = [bytes(item).decode() for item in _asList.decode(text(message))]
    except msgspec.MsgspecError:
        raise malformed(f"the content of a {type} is no list") from None
    rows = []
    for value in values:
        found = identify(value)
        if found is None or not found.name:
            raise malformed(f"a {type} with something in it that is no {kind}")
        rows.append(Row(f"{found.namespace or 'default'}/{kind}/{found.name}", kind, value))
    return rows


def answer(rows: IRows, about: Resource, query: Message) -> object:
    """
    The content of the answer to a query: a list of JSON texts, or null for a miss.

    Who asks for a page of a type gets a page.
    """
    if about.name:
        value = rows.value(str(about))
        return None if value is None else [value]
    wish = pages.pageWish(query)
    if wish is None:
        return [row.value for row in rows.ofType(about.type)] or None
    # One more than wanted tells whether it goes on.
    found = rows.ofType(about.type, wish.after, wish.limit + 1)
    return pages.page((pages.Row(row.key, row.value) for row in found), wish)


def unwrapped(message: Message) -> Found:
    """The cloud's answer, plainly; an error in the wrapping stays as it is."""
    if message.isError() or message.isNull():
        return Found(message, False)
    try:
        wrapped = _asWrapped.decode(text(message))
    except msgspec.MsgspecError:
        return Found(message, True)
    if bytes(wrapped.err) != b"null" or bytes(wrapped.object) == b"null":
        return Found(message, False)
    return Found(message.fillBody(wrapped.object), True)
