# -*- test-case-name: tests.test_reload -*-
"""
SIGHUP: read the configuration and the metadata again, without dropping a call.

The handler is our own, since twistd has none.  A signal handler may run between
any two bytecodes, so it only asks the reactor to do the work.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger


@dataclass(slots=True)
class Rereading:
    """
    How taking in what changed went.

    :ivar refused: how many times it could not be taken in.
    :ivar mistakes: why it cannot, by what: ``configuration`` or ``metadata``.
    """

    refused: int = 0
    mistakes: dict[str, str] = field(default_factory=dict)

    def refuse(self, what: str, mistake: str) -> None:
        """It was wrong; what was in force before still is."""
        self.refused += 1
        self.mistakes[what] = mistake

    def accept(self, what: str) -> None:
        """It is in force."""
        self.mistakes.pop(what, None)


class ReloadOnHangup(Service):
    """
    Call ``reload`` in the reactor's thread at each SIGHUP.

    :param install: ``signal.signal``, or a test's.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        reload: Callable[[], None],
        install: Callable[[int, Any], Any] = signal.signal,
    ) -> None:
        self._reactor = reactor
        self._reload = reload
        self._install = install
        self._former: Any = None
        self.setName("reload")  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        try:
            self._former = self._install(signal.SIGHUP, self._caught)
        except ValueError:
            self.log.warn("not in the main thread: SIGHUP does not reload")

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._former is not None:
            self._install(signal.SIGHUP, self._former)
            self._former = None

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._reload)
