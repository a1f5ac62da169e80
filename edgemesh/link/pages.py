# -*- test-case-name: tests.link.test_pages -*-
"""
Long lists in pages, so that no record is larger than a unix socket carries.

This is edgemesh's own addition to metamanager's queries.  A query for all of a type
may say, in its content, after which key to go on and how many objects to send at most::

    -> query all/service, content {"after":"","limit":500}
    <- response, content {"items":["{...}","{...}"],"next":"default/service/b"}
    -> query all/service, content {"after":"default/service/b","limit":500}
    <- response, content {"items":["{...}"],"next":""}

Items are JSON texts in the order of their keys, as many as fit into
:data:`PAGE` bytes, but at least one; ``next`` is the key of the last one, empty
when none is left.  A stock metamanager does not look at the content of a query: it
answers with a list of all JSON texts, or null, and is understood too.

An object that changes between two pages is pushed on the same link, in order: who
applies pushes as they come misses nothing.

Knows Messages' contents; no clock and no transport.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgemesh.beehive import gojson
from edgemesh.beehive.message import Message
from edgemesh.errors import BAD_REQUEST, RemoteProtocolError

#: Bytes of a record with a page: 128 KiB.
PAGE = 131_072
#: Of these, for header, route and the frame of the content.
ENVELOPE = 4_096
#: Objects of a page, unless the asker wants fewer.
LIMIT = 500


@dataclass(frozen=True, slots=True)
class PageWish:
    """
    Which part of a list is asked for.

    :ivar after: the key after which it begins; empty for the beginning.
    :ivar limit: objects at most.
    """

    after: str = ""
    limit: int = LIMIT

    def content(self) -> dict[str, object]:
        """As the content of a query."""
        return {"after": self.after, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class Row:
    """One object: its key and its JSON text."""

    key: str
    text: str


def pageWish(query: Message) -> PageWish | None:
    """What a query wants; None when it wants the whole list, as KubeEdge's own do."""
    try:
        content = query.value()
    except RemoteProtocolError:
        # Nobody else looks at the content of a query either.
        return None
    if not isinstance(content, dict):
        return None
    after, limit = content.get("after"), content.get("limit")
    # bool is an int.
    if not isinstance(after, str) or type(limit) is not int or limit < 1:
        return None
    return PageWish(after, min(limit, LIMIT))


def page(rows: Iterable[Row], wish: PageWish) -> dict[str, object]:
    """
    The content of the answer.

    :param rows: all that have a key greater than ``wish.after``, in order; no more of
        them are taken than needed.
    """
    items: list[str] = []
    room = PAGE - ENVELOPE
    last = ""
    for row in rows:
        room -= len(gojson.encode(row.text)) + 1
        if items and (room < 0 or len(items) == wish.limit):
            return {"items": items, "next": last}
        items.append(row.text)
        last = row.key
    return {"items": items, "next": ""}


class Pages:
    """
    Collects a list, page by page.

    ::

        ASKING --- an answer with "next" ---> ASKING
           |
           +--- any other answer ---> complete

    :ivar wish: what to ask for next; None when the list is complete.
    :ivar texts: the JSON texts so far.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.wish: PageWish | None = PageWish(limit=limit)
        self.texts: list[bytes] = []

    def __repr__(self) -> str:
        state = "complete" if self.wish is None else f"asking after {self.wish.after!r}"
        return f"<Pages {state}, {len(self.texts)} texts>"

    def take(self, answer: Message) -> None:
        """
        Add the answer to what was asked last.

        :raise RemoteProtocolError: it is neither a page nor a list, or goes in circles.
        """
        assert self.wish is not None
        content = answer.value()
        if not isinstance(content, dict):
            self.texts += answer.documents()
            self.wish = None
            return
        items, following = content.get("items"), content.get("next")
        if not isinstance(following, str) or not isinstance(items, list):
            raise RemoteProtocolError(BAD_REQUEST, f"{answer!r} is no page")
        if not all(isinstance(item, str) for item in items):
            raise RemoteProtocolError(BAD_REQUEST, f"{answer!r} has items that are no texts")
        if following and not (items and following > self.wish.after):
            raise RemoteProtocolError(BAD_REQUEST, f"{answer!r} does not go on")
        self.texts += (item.encode() for item in items)
        self.wish = PageWish(following, self.wish.limit) if following else None
