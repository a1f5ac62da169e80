# -*- test-case-name: tests.admin.test_pages -*-
"""
What the admin answers, as values: a path and its query in, an :class:`Answer` out.

Read only: nothing here changes the node.  Knows no transport; the HTTP around it
is :mod:`edgemesh.admin.server`'s.

A browser on the same machine could be made to ask by a page from elsewhere whose
name is made to mean 127.0.0.1 (DNS rebinding).  Such a request still carries that
name as its Host, so a Host is answered only when it is an IP address, a name of
this machine, or configured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from edgemesh.admin.exposition import Exposition
from edgemesh.admin.health import readiness, ready, report
from edgemesh.admin.readout import chain, matching, services
from edgemesh.admin.view import NodeView

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

_INDEX = """edgemesh {version}, node {node}

/healthz              the process answers (also /livez)
/readyz?verbose       whether it can take calls, and what stands in the way
/metrics              Prometheus text, or OpenMetrics
/services             every service port, its endpoints and policies
/chain?service=NAME   what a call to web, web.default or web.default:80 would meet, and why

for example: curl 'http://{host}/chain?service=web'
"""


@dataclass(frozen=True, slots=True)
class Question:
    """
    One request to the admin.

    :ivar query: the first value of each parameter.
    :ivar host: the Host header; empty when there is none.
    :ivar accept: the Accept header.
    """

    method: str
    path: str
    query: Mapping[str, str]
    host: str = ""
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; ``allow`` is for 405."""

    status: int
    contentType: str
    body: bytes
    allow: str = ""


class Pages:
    """
    Every page of the admin.

    :param view: the node.
    :param hosts: names, besides those of the loopback, that the admin may be
        called by.
    """

    def __init__(self, view: NodeView, hosts: Collection[str] = ()) -> None:
        self._view = view
        self._hosts = frozenset(host.lower() for host in hosts)
        self._exposition = Exposition(view)
        self._pages: dict[str, Callable[[Question], Answer]] = {
            "/": self._index,
            "/healthz": self._alive,
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/services": self._services,
            "/chain": self._chain,
        }

    def answer(self, question: Question) -> Answer:
        """Answer one request."""
        if not self._known(question.host):
            return _error(403, "this Host is not one of the admin's names")
        page = self._pages.get(question.path)
        if page is None:
            return _error(404, "no such page", pages=sorted(self._pages))
        if question.method not in ("GET", "HEAD"):
            refusal = _error(405, "the admin only answers GET and HEAD")
            return Answer(405, JSON, refusal.body, allow="GET, HEAD")
        return page(question)

    def _known(self, host: str) -> bool:
        name = _withoutPort(host).lower().rstrip(".")
        if name in ("", "localhost") or name.endswith(".localhost") or name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _index(self, question: Question) -> Answer:
        view = self._view
        host = question.host or "127.0.0.1"
        return _text(200, _INDEX.format(version=view.version, node=view.node, host=host))

    def _alive(self, question: Question) -> Answer:
        return _text(200, "ok\n")

    def _ready(self, question: Question) -> Answer:
        checks = readiness(self._view)
        good = ready(checks)
        if good and "verbose" not in question.query:
            return _text(200, "ok\n")
        return _text(200 if good else 503, report("readyz", checks))

    def _metrics(self, question: Question) -> Answer:
        body, contentType = self._exposition.render(question.accept)
        return Answer(200, contentType, body)

    def _services(self, question: Question) -> Answer:
        return _json(200, services(self._view))

    def _chain(self, question: Question) -> Answer:
        asked = question.query.get("service", "")
        known = sorted(self._view.table.routes)
        if not asked:
            return _error(400, "say which: /chain?service=NAME", services=known)
        found = matching(self._view, asked)
        if not found:
            return _error(404, f"no known Service has this name and port: {asked}", services=known)
        if len(found) > 1:
            keys = [route.key for route in found]
            return _error(400, f"this can mean more than one: {asked}", services=keys)
        return _json(200, chain(self._view, found[0]))


def _withoutPort(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _text(status: int, text: str) -> Answer:
    return Answer(status, TEXT, text.encode("utf-8", "backslashreplace"))


def _json(status: int, value: object) -> Answer:
    return Answer(status, JSON, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _error(status: int, text: str, **more: list[str]) -> Answer:
    return _json(status, {"error": text, **more})
