"""Messages as modules send them, and Go's receiver as far as it matters."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from msgspec.structs import replace

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.names import EDGEMESH, META_GROUP, QUERY
from edgemesh.link.modules import Directory

SERVICE = "default/service/b"
DIRECTORY = Directory(("socketserver", "metamanager"), {"meta": ("metamanager",)})


def messages(prefix: str) -> Messages:
    """Makes Messages with ids ``prefix-1``, ``prefix-2`` and so on."""
    ids, times = count(1), count(1_700_000_000_000)
    return Messages(lambda: f"{prefix}-{next(ids)}", lambda: next(times))


def query(maker: Messages, resource: str = SERVICE, content: object = None) -> Message:
    """A question to metamanager, not yet on its way."""
    return maker.newMessage().buildRouter(EDGEMESH, META_GROUP, resource, QUERY).fillBody(content)


class GoReceiver:
    """
    Reads records as a Go client of KubeEdge does.

    Its one struct is filled again and again: what a record leaves out keeps the value of
    the record before.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {"header": {}, "route": {}}

    def receive(self, record: bytes) -> Message:
        """The Message that its program gets to see."""
        read = json.loads(record)
        for part, kept in self._kept.items():
            kept.update(read[part])
        kept = decode(json.dumps(self._kept).encode())
        return replace(kept, content=decode(record).content)
