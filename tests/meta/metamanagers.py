"""A metamanager and the link to it, in memory; it answers in whichever way it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.resource import parse
from edgemesh.link.moduleclient import ErrorAnswer, ModuleUser
from edgemesh.link.modules import Directory
from edgemesh.link.pages import Row, page, pageWish
from edgemesh.link.pending import Unanswered
from edgemesh.meta.client import MetaManagerClient

HERE = Directory(("metamanager",), {"meta": ("metamanager",)})
CLOUD = "edgecontroller"


def messages(prefix: str) -> Messages:
    """Makes Messages with ids of their own."""
    ids = count(1)
    return Messages(lambda: f"{prefix}-{next(ids)}", lambda: 1_700_000_000_000)


class FakeMetaManager:
    """
    Has rows, answers queries from them, and pushes what changes.

    :ivar rows: JSON texts by key.
    :ivar asked: the resource string of every query.
    :ivar isOld: it does not know of pages.
    :ivar errors: types and keys that are answered with an error.
    :ivar silent: types that are not answered.
    :ivar waiting: answers are kept back here while this is a list.
    """

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.asked: list[str] = []
        self.isOld = False
        self.errors: set[str] = set()
        self.silent: set[str] = set()
        self.waiting: list[tuple[Message, Deferred[Message]]] | None = None
        self.running = False
        self.clock = Clock()
        self.messages = messages("m")
        self.client = MetaManagerClient(self.clock, messages("c"), self._newLink, lambda: 0.5)

    def _newLink(self, user: ModuleUser) -> FakeMetaManager:
        self.user = user
        return self

    # As the client's link.

    def startService(self) -> None:
        self.running = True

    def stopService(self) -> Deferred[None]:
        self.running = False
        return succeed(None)

    def ask(self, message: Message, module: str) -> Deferred[Message]:
        resource = message.route.resource
        self.asked.append(resource)
        if resource in self.errors or parse(resource).type in self.errors:
            return fail(ErrorAnswer("Error to query meta in DB"))
        if parse(resource).type in self.silent:
            return fail(Unanswered("no answer in 10 seconds"))
        if self.waiting is not None:
            answered: Deferred[Message] = Deferred()
            self.waiting.append((message, answered))
            return answered
        return succeed(self.answer(message))

    # As a metamanager.

    def answer(self, query: Message) -> Message:
        """What a query is answered with, now."""
        return self.messages.newRespByMessage(query, self._content(query))

    def _content(self, query: Message) -> object:
        resource = parse(query.route.resource)
        if resource.name:
            found = self.rows.get(str(resource))
            return None if found is None else [found]
        rows = [
            Row(key, self.rows[key])
            for key in sorted(self.rows)
            if parse(key).type == resource.type
        ]
        wish = pageWish(query)
        if wish is None or self.isOld:
            return [row.text for row in rows] or None
        return page((row for row in rows if row.key > wish.after), wish)

    def release(self) -> None:
        """Answer the oldest query that waits, with what is known now."""
        assert self.waiting is not None
        query, answered = self.waiting.pop(0)
        answered.callback(self.answer(query))

    def link(self) -> None:
        """The link is up."""
        if not self.client.running:
            self.client.startService()
        self.user.linked(HERE)

    def store(self, *objects: dict[str, Any]) -> None:
        """Have these, without a word."""
        for one in objects:
            self.rows[keyOf(one)] = json.dumps(one)

    def push(
        self, operation: str, resource: str, content: object = None, source: str = CLOUD
    ) -> None:
        """Say something that was not asked for."""
        message = self.messages.newMessage().buildRouter(source, "resource", resource, operation)
        self.user.pushed(message.fillBody(content))

    def update(self, *objects: dict[str, Any], source: str = CLOUD) -> None:
        """Have these, and push them."""
        for one in objects:
            self.store(one)
            self.push("update", keyOf(one), one, source)

    def delete(self, one: dict[str, Any]) -> None:
        """Have this no more, and push that."""
        del self.rows[keyOf(one)]
        self.push("delete", keyOf(one), one)


_VERSIONS = count(100)


def keyOf(one: dict[str, Any]) -> str:
    """Where metamanager has an object."""
    about = one["metadata"]
    return f"{about.get('namespace', 'null')}/{one['kind'].lower()}/{about['name']}"


def _object(kind: str, name: str, version: int, api: str = "v1", **parts: Any) -> dict[str, Any]:
    about = {
        "name": name,
        "namespace": "default",
        "uid": f"uid of {kind} {name}",
        "resourceVersion": str(version or next(_VERSIONS)),
    }
    about.update(parts.pop("metadata", {}))
    return {"kind": kind, "apiVersion": api, "metadata": about, **parts}


def service(name: str, port: int = 80, version: int = 0, **spec: Any) -> dict[str, Any]:
    """A Service with one port."""
    return _object("Service", name, version, spec={"ports": [{"port": port}], **spec})


def endpoints(name: str, *addresses: str, version: int = 0, **about: Any) -> dict[str, Any]:
    """The Endpoints of a Service, at port 8080."""
    subset = {"addresses": [{"ip": ip} for ip in addresses], "ports": [{"port": 8080}]}
    return _object("Endpoints", name, version, subsets=[subset], metadata=about)


def slice_(name: str, behind: str, *addresses: str, version: int = 0) -> dict[str, Any]:
    """A slice of a Service, at port 8080."""
    return _object(
        "EndpointSlice",
        name,
        version,
        "discovery.k8s.io/v1",
        metadata={"labels": {"kubernetes.io/service-name": behind}},
        endpoints=[{"addresses": list(addresses)}],
        ports=[{"port": 8080}],
    )


def pod(name: str, address: str, version: int = 0, **labels: str) -> dict[str, Any]:
    """A Pod."""
    return _object("Pod", name, version, metadata={"labels": labels}, status={"podIP": address})


def addresses(client: MetaManagerClient, key: str) -> list[str]:
    """Who is behind a service port."""
    return [one.address for one in client.metadata().endpoints.get(key, ())]


def everyWay(one: dict[str, Any]) -> Iterator[object]:
    """The contents in which an object may come."""
    text = json.dumps(one)
    yield one
    yield text
    yield [text]
    yield [one]
    yield [json.dumps([one])]
    yield {"kind": f"{one['kind']}List", "apiVersion": "v1", "metadata": {}, "items": [one]}
