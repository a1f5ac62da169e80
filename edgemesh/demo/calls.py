# -*- test-case-name: tests.demo.test_calls -*-
"""
App ``a`` of the demo: it calls by name through a proxy and writes down what came.

A plain HTTP/1.1 client on the standard library, so that nothing of the mesh is on
the calling side.  It also asks the node's admin pages.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from edgemesh.demo.processes import Trouble

_HOST = "127.0.0.1"
#: Seconds that an answer may take.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What one call brought.

    :ivar identity: the call's ``X-Request-ID``.
    :ivar reason: why the mesh itself answered (``x-edgemesh-reason``), or empty.
    :ivar retryAfter: the ``Retry-After`` of the answer, or empty.
    :ivar app: the instance that says it answered, or empty.
    :ivar via: what the request had as ``Via`` when the instance got it.
    :ivar ended: clock reading when the whole answer was there, seconds.
    """

    identity: str
    status: int
    reason: str
    retryAfter: str
    app: str
    via: str
    milliseconds: float
    ended: float


class Caller:
    """
    App ``a``: one connection to the proxy, kept open from call to call.

    :param proxy: the port of the proxy listener.
    """

    def __init__(self, proxy: int) -> None:
        self._connection = http.client.HTTPConnection(_HOST, proxy, timeout=_PATIENCE)

    def get(self, url: str, identity: str) -> Answer:
        """
        Call ``url`` by name.

        :raise Trouble: there was no answer at all.
        """
        began = time.monotonic()
        try:
            self._connection.request("GET", url, headers={"X-Request-ID": identity})
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f"no answer to {url}: {error!r}") from error
        ended = time.monotonic()
        content = contentOf(response.getheader("Content-Type", ""), body)
        return Answer(
            identity=identity,
            status=response.status,
            reason=response.getheader("x-edgemesh-reason", ""),
            retryAfter=response.getheader("Retry-After", ""),
            app=content.get("app", ""),
            via=content.get("via", ""),
            milliseconds=(ended - began) * 1000,
            ended=ended,
        )

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def contentOf(contentType: str, body: bytes) -> dict[str, str]:
    """What an instance says of itself; the mesh's own answers are plain text."""
    if contentType != "application/json":
        return {}
    found = json.loads(body)
    return found if isinstance(found, dict) else {}


def ask(port: int, path: str) -> Any:
    """
    Get a page of the admin or of an instance, as JSON.

    :raise Trouble: it does not answer, or not with 200.
    """
    return json.loads(_exchange("GET", port, path))


def tell(port: int, path: str) -> None:
    """
    POST to an instance.

    :raise Trouble: it does not answer, or not with 200.
    """
    _exchange("POST", port, path)


def ready(port: int) -> bool | None:
    """Whether the node takes calls; None while it does not."""
    try:
        _exchange("GET", port, "/readyz")
    except Trouble:
        return None
    return True


def _exchange(method: str, port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"no answer from {_HOST}:{port}{path}: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        said = body.decode("utf-8", "replace").strip()
        raise Trouble(f"{_HOST}:{port}{path} answered {response.status}: {said}")
    return body
