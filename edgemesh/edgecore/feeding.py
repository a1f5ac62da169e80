# -*- test-case-name: tests.edgecore.test_feeding -*-
"""
A folder of manifests -> Messages for metamanager, as if a cloud had sent them.

An object gets what an API server would give it: a uid, new for each time it appears,
and a resourceVersion, higher for each change of anything in the folder.  What did not
change keeps both and makes no Message.  Pure: what is stored already comes in as rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edgemesh.beehive import gojson, names
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.resource import NO_NAMESPACE, Resource
from edgemesh.edgecore.rows import MANIFESTS, Row
from edgemesh.errors import LocalProtocolError

#: Kinds that belong to no namespace.
_CLUSTER_SCOPED = frozenset({"Node"})
#: What only an API server, or its stand-in here, fills in.
_GIVEN = frozenset({"uid", "resourceVersion"})


@dataclass(frozen=True, slots=True)
class Feed:
    """
    What changed.

    :ivar messages: in the order in which metamanager is to take them.
    :ivar problems: what of the folder has no effect: an object's title to one line.
    """

    messages: list[Message]
    problems: dict[str, str]


class Feeder:
    """
    Compares a folder with what is stored of it.

    :param messages: makes new Messages.
    :param newUID: the text of a random UUID.
    """

    def __init__(self, messages: Messages, newUID: Callable[[], str]) -> None:
        self._messages = messages
        self._newUID = newUID

    def feed(
        self, stored: Iterable[Row], version: int, objects: Iterable[Mapping[str, Any]]
    ) -> Feed:
        """
        The Messages that make what is stored what is in the folder.

        :param stored: the rows whose origin is :data:`MANIFESTS`.
        :param version: the counter of that name: the highest resourceVersion given.
        :param objects: every object in the folder, as JSON values.
        """
        feed = Feed([], {})
        wanted = _byKey(objects, feed.problems)
        known = {row.key: row.value for row in stored}
        for key, value in known.items():
            if key not in wanted:
                version += 1
                feed.messages.append(
                    self._message(key, names.DELETE, version, msgspec.Raw(value.encode()))
                )
        for key, item in wanted.items():
            former = _plain(known.get(key))
            if former is not None and gojson.encode(_bare(former)) == gojson.encode(item):
                continue
            version += 1
            uid = former["metadata"].get("uid") if former is not None else None
            given = {"uid": uid or self._newUID(), "resourceVersion": str(version)}
            whole = {**item, "metadata": {**item["metadata"], **given}}
            operation = names.INSERT if former is None else names.UPDATE
            feed.messages.append(self._message(key, operation, version, whole))
        return feed

    def _message(self, key: str, operation: str, version: int, content: object) -> Message:
        message = self._messages.newMessage().setResourceVersion(str(version))
        return message.buildRouter(MANIFESTS, names.META_GROUP, key, operation).fillBody(content)


def _byKey(
    objects: Iterable[Mapping[str, Any]], problems: dict[str, str]
) -> dict[str, dict[str, Any]]:
    wanted: dict[str, dict[str, Any]] = {}
    for item in objects:
        about = item.get("metadata")
        kind, name = item.get("kind"), about.get("name") if isinstance(about, dict) else None
        if not (isinstance(about, dict) and isinstance(kind, str) and isinstance(name, str)):
            problems[str(kind)] = "it has no kind or no name"
            continue
        scoped = kind not in _CLUSTER_SCOPED
        namespace = str(about.get("namespace") or "default") if scoped else ""
        title = f"{kind} {name}.{namespace}" if scoped else f"{kind} {name}"
        key = str(Resource(namespace or NO_NAMESPACE, kind.lower(), name))
        bare = _bare(item)
        if scoped:
            bare["metadata"]["namespace"] = namespace
        try:
            gojson.encode(bare)
        except LocalProtocolError as error:
            problems[title] = str(error.args[0])
            continue
        if key.count("/") != 2 or not (kind and name):
            problems[title] = "its kind, namespace or name has a slash, or is empty"
        elif key in wanted:
            problems[title] = "it is there twice; the first one counts"
        else:
            wanted[key] = bare
    return wanted


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what is given to it here."""
    about = {name: value for name, value in item["metadata"].items() if name not in _GIVEN}
    return {**item, "metadata": about}


def _plain(value: str | None) -> dict[str, Any] | None:
    """A stored object; None for none, and for what is none."""
    if value is None:
        return None
    found = msgspec.json.decode(value)
    return found if isinstance(found, dict) and isinstance(found.get("metadata"), dict) else None
