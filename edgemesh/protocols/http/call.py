# -*- test-case-name: tests.protocols.http.test_call -*-
"""
What every call of an HTTP caller goes through: decide, connect, try again, report.

A call may go to another endpoint once, when it never left or when repeating it
does no harm, while nothing of an answer has been forwarded.  When a kept connection
turns out to be dead, a fresh one to the same endpoint comes first; that is no second
try, because the endpoint may never have seen the request.  So nothing is sent more
than three times.  Whatever happens, the path learns of the end exactly once.

Knows no answer's bytes; those are its subclasses' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol
from zope.interface import implementer

from edgemesh.errors import Failure, Refused
from edgemesh.handlers.path import failed
from edgemesh.interfaces import IUpstreamWaiter
from edgemesh.invocation import Invocation, Outcome
from edgemesh.protocols.http.answers import CLOSE, KEEP_ALIVE, localAnswer
from edgemesh.protocols.mesh import TCPStream
from edgemesh.wire.http1 import RequestHead

if TYPE_CHECKING:
    from edgemesh.protocols.http.server import HTTPServer

#: Over a kept connection, over a fresh one, to another endpoint.
MOST_SENDS = 3


@implementer(IUpstreamWaiter)
class Call:
    """
    One call.

    :ivar answering: the answer's head has been forwarded.
    :ivar wantsPayload: the caller knows no chunks (HTTP/1.0).
    """

    __slots__ = (
        "_answerAt",
        "_bodyWhole",
        "_head",
        "_keepAlive",
        "_received",
        "_sends",
        "_sent",
        "_server",
        "_status",
        "answering",
        "invocation",
        "wantsPayload",
    )

    def __init__(
        self,
        server: HTTPServer,
        head: RequestHead,
        invocation: Invocation,
    ) -> None:
        self._server = server
        self._head = head
        self.invocation = invocation
        self._bodyWhole = False
        self._sends = 0
        self._status = 0
        self._received = head.end
        self._sent = 0
        self._answerAt = 0.0
        self._keepAlive = head.keepAlive
        self.answering = False
        self.wantsPayload = head.minor == 0

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} {self.invocation!r} sent {self._sends}x status {self._status}>"

    # -- for the server ---------------------------------------------------------

    def begin(self, body: bytes, whole: bool) -> None:
        """
        Decide the call and send it.

        :param body: the part of the request's body that is here.
        :param whole: that is all of it.
        """
        raise NotImplementedError

    def bodyReceived(self, data: bytes, last: bool) -> None:
        """More of the request's body came; it may end with this."""
        raise NotImplementedError

    def holdAnswer(self) -> None:
        """The caller takes no more of the answer for now."""

    def sendAnswer(self) -> None:
        """The caller takes more of it again."""

    def malformed(self, failure: Failure) -> None:
        """The body's framing is broken; the call was not decided yet."""
        self._fail(failure)

    def giveUp(self, failure: Failure, detail: str) -> None:
        """End a call whose endpoint may still be working on it."""
        self._drop()
        if self.answering:
            self.cutShort(failure)
        else:
            self._failed(failure, detail)

    def cutShort(self, failure: Failure) -> None:
        """Part of the answer is out: end so that the caller can see that it is cut off."""
        self._drop()
        self._report(failure, self._status, self._server.mesh.seconds())
        self._server.breakOff()

    def abandon(self, failure: Failure) -> None:
        """Nobody is left to answer: free the endpoint."""
        self._drop()
        self._report(failure, self._status or failure.http, self._server.mesh.seconds())

    # -- for the transport client -----------------------------------------------

    def opened(self, upstream: IProtocol) -> None:
        """A connection to the endpoint is there."""
        raise NotImplementedError

    def openFailed(self, failure: Failure, detail: str) -> None:
        """The endpoint could not be reached; no byte was sent."""
        if self._server.exchange is self:
            self._tryAgain(failure, detail)

    # -- trying again ----------------------------------------------------------

    def _setDeadline(self, now: float) -> None:
        route = self.invocation.route
        assert route is not None
        timeouts = route.policy.timeouts
        if self._bodyWhole and not self.answering:
            self._server.deadline = now + timeouts.response
        else:
            self._server.deadline = now + timeouts.idle

    def _open(self) -> None:
        """Get a connection to the endpoint that was picked."""
        raise NotImplementedError

    def _tryAgain(self, failure: Failure, detail: str) -> None:
        """Nothing of an answer was forwarded: send once more where that is safe."""
        if self._sends == 0 or (self._sends < MOST_SENDS and self._head.retryable):
            refusal = self._pickAnother(failure)
            if refusal is None:
                self._open()
                return
            detail += refusal
        self._failed(failure, detail)

    def _pickAnother(self, failure: Failure) -> str | None:
        """Pick another endpoint; say why not when there is no second try."""
        path = self._server.mesh.path
        invocation = self.invocation
        now = self._server.mesh.seconds()
        if not path.mayRetry(invocation, now):
            return ""
        try:
            path.retry(invocation, failed(failure, invocation, now), now)
        except Refused as refusal:
            return f"; {refusal.detail}"
        return None

    # -- the end ----------------------------------------------------------------

    def _drop(self) -> None:
        """Let go of the endpoint's connection, if there is one."""

    def _refuse(self, refusal: Refused) -> None:
        self._fail(refusal.failure, refusal.status, refusal.retryAfter)

    def _failed(self, failure: Failure, detail: str) -> None:
        """The endpoint did not answer; the log says why."""
        self._server.mesh.refusals.failed(self.invocation, failure, detail)
        self._fail(failure)

    def _fail(self, failure: Failure, status: int = 0, retryAfter: float | None = None) -> None:
        """Answer in the mesh's own name; keep the connection if the request is wholly read."""
        server = self._server
        keep = self._keepAlive and self._bodyWhole and not server.mesh.draining
        if keep:
            connection = KEEP_ALIVE if self.wantsPayload else b""
        else:
            connection = CLOSE
        bodyless = self._head.method == b"HEAD"
        self._write(localAnswer(failure, connection, status, retryAfter, bodyless))
        now = server.mesh.seconds()
        self._report(failure, status or failure.http, now)
        if keep:
            server.next(now)
        else:
            server.end()

    def _write(self, data: bytes) -> None:
        self._sent += len(data)
        self._server.transport.write(data)

    def _report(self, failure: Failure | None, status: int, now: float) -> None:
        invocation = self.invocation
        latency = (self._answerAt or now) - invocation.started
        outcome = Outcome(status, failure, latency, self._received, self._sent)
        self._server.mesh.path.finish(invocation, outcome, now)

    def _becomeTunnel(self, endpoint: TCPStream, said: bytes, answered: bool) -> None:
        """
        Join the two transports; HTTP is out of the path for good.

        :param answered: the endpoint itself has agreed, and the path knows.
        """
        server = self._server
        pending = server.takePending()
        server.tunnel(
            server.mesh,
            self.invocation,
            server.transport,
            endpoint,
            pending,
            said,
            counted=Outcome(self._status, None, 0.0, self._received, self._sent),
            answered=answered,
        )
