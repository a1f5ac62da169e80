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
from edgemesh.edgecore.objects import identify
from edgemesh.edgecore.rows import MANIFESTS, Row
from edgemesh.errors import LocalProtocolError

#: Kinds that belong to no namespace.
_CLUSTER_SCOPED = frozenset({"Node"})


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
        known = {row.key: row.value for row in stored}
        wanted = _byKey(objects, known, feed.problems)
        for key, value in known.items():
            if key not in wanted:
                version += 1
                last = msgspec.Raw(value.encode())
                feed.messages.append(self._message(key, names.DELETE, version, last))
        for key, item in wanted.items():
            if item.unchanged:
                continue
            version += 1
            operation = names.UPDATE if item.uid else names.INSERT
            content = item.given(item.uid or self._newUID(), str(version))
            feed.messages.append(self._message(key, operation, version, content))
        return feed

    def _message(self, key: str, operation: str, version: int, content: object) -> Message:
        message = self._messages.newMessage().setResourceVersion(str(version))
        return message.buildRouter(MANIFESTS, names.META_GROUP, key, operation).fillBody(content)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """
    An object of the folder.

    :ivar uid: of the stored object of its name, or empty.
    :ivar unchanged: whether it is stored just so.
    """

    value: Mapping[str, Any]
    about: Mapping[str, Any]
    uid: str
    unchanged: bool

    def given(self, uid: str, version: str) -> dict[str, Any]:
        """With what an API server would give it."""
        return _given(self.value, self.about, uid, version)


def _byKey(
    objects: Iterable[Mapping[str, Any]], known: Mapping[str, str], problems: dict[str, str]
) -> dict[str, _Wanted]:
    wanted: dict[str, _Wanted] = {}
    for item in objects:
        about = item.get("metadata")
        kind, name = item.get("kind"), about.get("name") if isinstance(about, dict) else None
        if not (isinstance(about, dict) and isinstance(kind, str) and isinstance(name, str)):
            problems[str(kind)] = "it has no kind or no name"
            continue
        if kind not in _CLUSTER_SCOPED:
            about = {**about, "namespace": about.get("namespace") or "default"}
        namespace = about.get("namespace")
        title = f"{kind} {name}.{namespace}" if namespace else f"{kind} {name}"
        key = str(Resource(str(namespace or NO_NAMESPACE), kind.lower(), name))
        try:
            if key.count("/") != 2 or not (kind and name):
                problems[title] = "its kind, namespace or name has a slash, or is empty"
            elif key in wanted:
                problems[title] = "it is there twice; the first one counts"
            else:
                wanted[key] = _compared(item, about, known.get(key, ""))
        except LocalProtocolError as error:
            problems[title] = str(error.args[0])
    return wanted


def _compared(item: Mapping[str, Any], about: Mapping[str, Any], stored: str) -> _Wanted:
    """
    Compare an object with what is stored under its name.

    :raise LocalProtocolError: it has a value that JSON does not have.
    """
    former = identify(stored)
    uid, version = (former.uid, str(former.version)) if former is not None else ("", "")
    text = gojson.encode(_given(item, about, uid, version)).decode()
    return _Wanted(item, about, uid, text == stored)


def _given(
    item: Mapping[str, Any], about: Mapping[str, Any], uid: str, version: str
) -> dict[str, Any]:
    # What another API server gave it is not taken over.
    return {**item, "metadata": {**about, "uid": uid, "resourceVersion": version}}
