# -*- test-case-name: tests.protocols.test_refusals -*-
"""
Say in the log why calls were refused or failed, without filling it.

An opaque connection has no answer that could carry a reason: its caller sees a
reset.  An answer carries the reason word, but not which endpoint it was.  So the log
says it, at most once a second for each reason word and service port, with the number
of calls that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

if TYPE_CHECKING:
    from edgemesh.errors import Failure
    from edgemesh.invocation import Invocation

_EVERY = 1.0
_MOST = 1_024


class RefusalLog:
    """
    Refusals and failures by reason.

    :param seconds: the monotonic clock.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._since: dict[tuple[str, str], float] = {}
        self._unsaid: dict[tuple[str, str], int] = {}

    def refused(self, invocation: Invocation, failure: Failure, detail: str) -> None:
        """A caller was reset."""
        self._say("refused", invocation, failure, detail)

    def failed(self, invocation: Invocation, failure: Failure, detail: str) -> None:
        """A call got no answer of its endpoint, or not the whole of it."""
        self._say("failed", invocation, failure, detail)

    def _say(self, what: str, invocation: Invocation, failure: Failure, detail: str) -> None:
        now = self._seconds()
        service = invocation.route.key if invocation.route is not None else invocation.asked
        kind = (failure.reason, service)
        last = self._since.get(kind)
        if last is not None and now - last < _EVERY:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        if len(self._since) >= _MOST:
            self._since.clear()
            self._unsaid.clear()
        self._since[kind] = now
        self.log.info(
            "{what} {protocol} from {caller} to {service}: {reason}: {detail}"
            " ({count} since last said)",
            what=what,
            protocol=invocation.protocol,
            caller=invocation.caller,
            service=service or "(unknown)",
            reason=failure.reason,
            detail=detail,
            count=1 + self._unsaid.pop(kind, 0),
        )
