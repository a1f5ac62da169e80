# -*- test-case-name: tests.link.test_pending -*-
"""
Requests that wait for their answers, by the id of their Message.

An answer that comes too late, or twice, or that nobody asked for is counted and
thrown away; which of the three it is, is known for the last so many requests.
Bounded both ways.  Knows Messages; no clock and no transport.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgemesh.beehive.message import Message
from edgemesh.errors import MeshError

_W = TypeVar("_W")

#: Requests that may wait at a time.
MOST = 1024
#: Requests that are remembered after they have ended.
REMEMBERED = 1024


class Unanswered(MeshError):
    """A request got no answer; the text names it and says why."""


@dataclass(slots=True)
class AnswerCounts:
    """
    Answers, by what became of them.

    :ivar taken: given to who asked.
    :ivar late: to a request that had been given up.
    :ivar duplicate: to a request that had been answered.
    :ivar unknown: to no request that is known.
    """

    taken: int = 0
    late: int = 0
    duplicate: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Waiting(Generic[_W]):
    """One request, and who waits for its answer."""

    request: Message
    waiter: _W


class Pending(Generic[_W]):
    """
    The requests of one end of a link.

    :ivar counts: what became of the answers.
    """

    def __init__(self) -> None:
        self.counts = AnswerCounts()
        self._waiting: dict[str, Waiting[_W]] = {}
        #: Ids of ended requests, to whether they were answered.
        self._ended: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<Pending {len(self)} requests, {self.counts!r}>"

    def add(self, request: Message, waiter: _W) -> None:
        """
        Wait for the answer; to be called before the request is sent.

        :raise Unanswered: too many wait already.
        """
        if len(self._waiting) >= MOST:
            raise Unanswered(f"{request!r}: {MOST} requests wait already")
        self._waiting[request.header.msg_id] = Waiting(request, waiter)

    def take(self, answer: Message) -> _W | None:
        """Who waits for this answer, and no longer; None when nobody does."""
        found = self._find(answer)
        if found is not None:
            self.counts.taken += 1
            self._end(found.request.header.msg_id, True)
            return found.waiter
        match self._ended.get(answer.header.parent_msg_id):
            case True:
                self.counts.duplicate += 1
            case False:
                self.counts.late += 1
            case None:
                self.counts.unknown += 1
        return None

    def _find(self, answer: Message) -> Waiting[_W] | None:
        found = self._waiting.get(answer.header.parent_msg_id)
        if found is not None or not answer.isError():
            return found
        # Old peers put another id into errors: only a look at the requests can tell.
        return next((w for w in self._waiting.values() if answer.isAnswerTo(w.request)), None)

    def giveUp(self, msg_id: str) -> _W | None:
        """Wait no longer for the answer to this; None when nobody did."""
        found = self._waiting.get(msg_id)
        if found is None:
            return None
        self._end(msg_id, False)
        return found.waiter

    def giveUpAll(self) -> list[Waiting[_W]]:
        """Wait no longer for anything: the link is lost."""
        gone = list(self._waiting.values())
        for waiting in gone:
            self._end(waiting.request.header.msg_id, False)
        return gone

    def _end(self, msg_id: str, answered: bool) -> None:
        del self._waiting[msg_id]
        self._ended[msg_id] = answered
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
