"""HTTP conversations through a node in memory: who says what, and who hears it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.policy import Policy, Timeouts
from edgemesh.protocols.http.plugin import HTTP
from edgemesh.testing import Ladder, Wire

GET = b"GET /r HTTP/1.1\r\nHost: b\r\n\r\n"
HEAD = b"HEAD /r HTTP/1.1\r\nHost: b\r\n\r\n"
POST = b"POST /r HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody"
BEGUN = b"POST /r HTTP/1.1\r\nHost: b\r\nContent-Length: 8\r\n\r\nbody"
OLD = b"GET /r HTTP/1.0\r\nHost: b\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#: Limits of time that tests can wait for.
QUICK = Policy(timeouts=Timeouts(connect=1.5, response=3.0, idle=5.0))


class Talk(SynchronousTestCase):
    """A ladder and the shortest words for what happens on it."""

    def setUp(self) -> None:
        self.use()

    def use(self, **settings: Any) -> None:
        """Another ladder, and a caller on it."""
        settings.setdefault("endpoints", 1)
        settings.setdefault("policy", QUICK)
        self.ladder = Ladder(HTTP, **settings)
        self.say, self.hear = self.ladder.say, self.ladder.hear
        self.app = self.ladder.caller()

    def sent(self, *data: bytes) -> Wire:
        """The caller says this, a new endpoint's connection hears it: the endpoint."""
        self.say(self.app, *data)
        return self.ladder.accepts()

    def status(self) -> int:
        """The status of the answer that the caller hears now."""
        heard = self.hear(self.app)
        self.assertEqual(heard[:9], b"HTTP/1.1 ", heard)
        return int(heard[9:12])

    def assertAnswered(self, failure: str, status: int) -> bytes:
        """The mesh answers in its own name; return the head."""
        heard = self.hear(self.app)
        head, _, body = heard.partition(b"\r\n\r\n")
        self.assertEqual(int(head[9:12]), status, heard)
        self.assertIn(b"x-edgemesh-reason: %s\r\n" % failure.encode(), head + b"\r\n")
        self.assertNotIn(b"HTTP/1.1", body)
        self.assertEqual(self.ladder.reasons[-1], failure)
        return head

    def assertOnce(self, *reasons: str) -> None:
        """So many calls were made, ended so, and left nothing in flight."""
        self.assertEqual(self.ladder.reasons, list(reasons))
        self.assertEqual(self.ladder.inFlight, 0)
        self.assertEqual(self.ladder.mesh.requests.watched, {})

    def assertKept(self) -> None:
        """The caller's connection is good for another request."""
        self.hear(self.app)
        self.say(self.app, b"BAD\r\n")
        self.assertEqual(self.status(), 400)

    def assertClosed(self, wire: Wire | None = None) -> None:
        """The connection is gone, by FIN."""
        fake = (wire or self.app).fake
        self.assertEqual((fake.closed, fake.reset), (True, False))

    def assertReset(self, wire: Wire | None = None) -> None:
        """The connection is gone, by RST."""
        fake = (wire or self.app).fake
        self.assertEqual((fake.closed, fake.reset), (True, True))
