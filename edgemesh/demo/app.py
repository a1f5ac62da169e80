# -*- test-case-name: tests.demo.test_app -*-
"""
The sample app of the demo: one instance of service ``b``.

A plain HTTP/1.1 server that knows nothing of any mesh.  It says which instance
answered, and does as it is told by ``POST /behave``: fail with a status, answer
late.  Run it with ``python -m edgemesh.demo.app NAME [PORT]``; port 0 takes any free
one, and the first line it prints says which.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    How an instance answers.

    :ivar status: of every answer; 500 is an app that fails.
    :ivar delay: seconds before every answer.
    """

    status: int = 200
    delay: float = 0.0


def behaviourFrom(query: str) -> Behaviour:
    """
    Read ``status=500&delay=0.2``; what is not said is as usual.

    :raise ValueError: a value is no number, or not one an answer can have.
    """
    given = parse_qs(query)
    status = int(given.get("status", ["200"])[0])
    delay = float(given.get("delay", ["0"])[0])
    if not 200 <= status <= 599 or not 0 <= delay <= 60:
        raise ValueError(query)
    return Behaviour(status, delay)


def contentOf(name: str, target: str, via: str, behaviour: Behaviour) -> dict[str, str]:
    """
    What an instance says when it is asked for ``target``.

    :param via: the request's ``Via``, so that a caller sees which way it came.
    """
    content = {"app": name, "resource": urlsplit(target).path, "via": via}
    if behaviour.status >= 500:
        content["error"] = "told to fail"
    return content


class App(ThreadingHTTPServer):
    """
    One instance.

    :ivar name: which one.
    :ivar behaviour: how it answers at present.
    """

    daemon_threads = True

    def __init__(self, name: str, port: int) -> None:
        super().__init__((ADDRESS, port), Answering)
        self.name = name
        self.behaviour = Behaviour()


class Answering(BaseHTTPRequestHandler):
    """One caller's connection."""

    server: App
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece: a body waiting for the acknowledgement of
    # its head would cost 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer any path, in the way of the moment."""
        behaviour = self.server.behaviour
        time.sleep(behaviour.delay)
        via = self.headers.get("Via", "")
        self._answer(behaviour.status, contentOf(self.server.name, self.path, via, behaviour))

    def do_POST(self) -> None:
        """Take ``POST /behave?status=500``; there is nothing else to post."""
        target = urlsplit(self.path)
        # A body would be taken for the next request.
        self.close_connection = True
        if target.path != "/behave":
            self._answer(404, {"error": "POST /behave?status=...&delay=..."})
            return
        try:
            self.server.behaviour = behaviourFrom(target.query)
        except ValueError:
            self._answer(400, {"error": "expected status=200..599 and delay=0..60"})
            return
        self._answer(200, {"app": self.server.name})

    def _answer(self, status: int, content: dict[str, str]) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str]) -> int:
    """Serve until somebody ends the process."""
    name, port = arguments[0], int(arguments[1]) if len(arguments) > 1 else 0
    with App(name, port) as app:
        print(f"{name} listens on {ADDRESS}:{app.server_address[1]}", flush=True)
        try:
            app.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
