# -*- test-case-name: tests.dns.test_respond -*-
"""
From the bytes of a query to the bytes of a reply: refuse, answer, or ask elsewhere.

::

    bytes -> readQuery -> refused at once
                       -> Directory: a name of the mesh, answered from memory
                       -> Forwarder: every other name

Knows no transport: a query comes as bytes and its reply goes to a callable, perhaps
before :meth:`Responder.take` returns.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger
from twisted.python.failure import Failure

from edgemesh.dns.answers import Answer
from edgemesh.dns.forward import Forwarder, Found
from edgemesh.dns.names import Directory
from edgemesh.dns.packets import LARGEST_STREAMED, SERVER_FAILURE, Malformed
from edgemesh.dns.queries import Query, readQuery, refuse

#: How a reply goes back.
Send = Callable[[bytes], None]


class Counts:
    """
    What the name server has seen, as plain cells.

    :ivar malformed: packets that were no queries; they got no reply.
    :ivar refused: queries that nobody has a business to ask.
    :ivar local: answered from what the mesh knows.
    :ivar asked: forwarded and answered by an upstream server.
    :ivar cached: answered with what an upstream server said before.
    :ivar stale: the same, beyond its time.
    :ivar failed: answered SERVFAIL.
    :ivar truncated: replies that left records out.
    :ivar crowded: not taken, because too many were in flight.
    :ivar unsent: replies that the system would not send.
    """

    __slots__ = (
        "asked", "cached", "crowded", "failed", "local", "malformed", "refused", "stale",
        "truncated", "unsent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.malformed = self.refused = self.local = self.asked = self.cached = 0
        self.stale = self.failed = self.truncated = self.crowded = self.unsent = 0

    def __repr__(self) -> str:
        cells = ", ".join(f"{name} {getattr(self, name)}" for name in self.__slots__)
        return f"<Counts {cells}>"


class Responder:
    """
    Answers queries.

    :ivar directory: the mesh's names now; whoever knows better replaces it.
    :ivar waiting: callers that wait for an upstream server.
    :param mostWaiting: callers beyond this get SERVFAIL at once.
    """

    log = Logger()

    def __init__(
        self, directory: Directory, forwarder: Forwarder, mostWaiting: int = 4_096
    ) -> None:
        self.directory = directory
        self.counts = Counts()
        self.waiting = 0
        self._forwarder = forwarder
        self._most = mostWaiting
        self._turn = 0

    def take(self, data: bytes, caller: str, streamed: bool, send: Send) -> None:
        """
        Answer one query.

        :param caller: its IP address; decides bare names when it is a pod's.
        :param streamed: it came over TCP, where a reply of any size fits.
        :raise Malformed: these bytes deserve no reply; they are counted.
        """
        try:
            query = readQuery(data)
        except Malformed:
            self.counts.malformed += 1
            raise
        limit = LARGEST_STREAMED if streamed else query.size
        if query.refusal:
            self.counts.refused += 1
            send(refuse(query, query.refusal))
            return
        directory = self.directory
        self._turn += 1
        answer = directory.answer(query, directory.namespaceOf(caller), self._turn)
        if answer is None:
            self._forward(query, limit, send)
        elif answer.code == SERVER_FAILURE:
            self.counts.failed += 1
            send(refuse(query, SERVER_FAILURE))
        else:
            self.counts.local += 1
            self._send(query, Found(answer), limit, send)

    def _forward(self, query: Query, limit: int, send: Send) -> None:
        if self.waiting >= self._most:
            self.counts.crowded += 1
            send(refuse(query, SERVER_FAILURE))
            return
        self.waiting += 1
        found = self._forwarder.find(query.ask)
        found.addBoth(self._over)
        found.addCallback(self._found, query, limit, send)
        found.addErrback(self._broken)

    def _over(self, found: Found | Failure) -> Found | Failure:
        self.waiting -= 1
        return found

    def _found(self, found: Found, query: Query, limit: int, send: Send) -> None:
        counts = self.counts
        if found.answer is None:
            counts.failed += 1
            send(refuse(query, SERVER_FAILURE))
            return
        if found.stale:
            counts.stale += 1
        elif found.cached:
            counts.cached += 1
        else:
            counts.asked += 1
        self._send(query, found, limit, send)

    def _send(self, query: Query, found: Found, limit: int, send: Send) -> None:
        answer: Answer | None = found.answer
        assert answer is not None
        reply = answer.reply(query, limit, found.age, found.stale)
        if reply[2] & 0x02:
            self.counts.truncated += 1
        send(reply)

    def _broken(self, reason: Failure) -> None:
        self.log.failure("a name was not answered", failure=reason)
