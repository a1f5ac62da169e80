"""HTTP/1 as a plugin: the promises of every protocol, and what requests get inserted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.http.plugin import HTTP
from edgemesh.protocols.mesh import Accepted
from edgemesh.testing import Conversation, Ladder, protocolTests
from edgemesh.testing.ladder import KEY

REQUEST = b"GET /r HTTP/1.1\r\nHost: b\r\n\r\n"
SIZE = b"Content-Length: 1000000000\r\n\r\n"
TALK = Conversation(
    opening=REQUEST,
    upload=b"POST /r HTTP/1.1\r\nHost: b\r\n" + SIZE,
    answer=b"HTTP/1.1 200 OK\r\n" + SIZE,
    foreign=(b"\x16\x03\x01\x02\x00\x01", b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n"),
    # A FIN looks like a caller that has gone away, and is taken for one.
    halfClose=False,
)


class HTTPTests(protocolTests(HTTP, TALK)):  # type: ignore[misc]
    """HTTP keeps the promises of every protocol."""


class InsertedFieldsTests(SynchronousTestCase):
    """What the mesh says of itself in every request."""

    def heard(self, forwardedFor: bool, via: bool, request: bytes = REQUEST) -> bytes:
        """What an endpoint gets."""
        ladder = Ladder(HTTP, forwardedFor=forwardedFor, via=via)
        ladder.say(ladder.caller(), request)
        return ladder.hear(ladder.accepts())

    def test_nothing(self) -> None:
        """Without either, a head arrives byte for byte as it was sent."""
        self.assertEqual(self.heard(False, False), REQUEST)

    def test_forwardedFor(self) -> None:
        """The endpoint learns the caller's address."""
        self.assertEqual(
            self.heard(True, False), REQUEST[:-2] + b"X-Forwarded-For: 10.0.0.9\r\n\r\n"
        )

    def test_unixCaller(self) -> None:
        """A caller without an address adds no empty one."""
        ladder = Ladder(HTTP, forwardedFor=True)
        server = HTTP.server(Accepted(ladder.mesh, KEY, False, ""))
        ladder.say(ladder.loop.accept(server, ""), REQUEST)
        self.assertEqual(ladder.hear(ladder.accepts()), REQUEST)

    def test_via(self) -> None:
        """The endpoint learns that the mesh is in between, and which version the caller speaks."""
        self.assertEqual(self.heard(False, True), REQUEST[:-2] + b"Via: 1.1 edgemesh\r\n\r\n")
        old = self.heard(False, True, REQUEST.replace(b"1.1", b"1.0"))
        self.assertEqual(old, REQUEST[:-2] + b"Via: 1.0 edgemesh\r\n\r\n")

    def test_both(self) -> None:
        """What earlier proxies said stays, in order."""
        said = REQUEST[:-2] + b"X-Forwarded-For: 192.0.2.1\r\n\r\n"
        self.assertEqual(
            self.heard(True, True, said),
            said[:-2] + b"X-Forwarded-For: 10.0.0.9\r\nVia: 1.1 edgemesh\r\n\r\n",
        )
