# -*- test-case-name: tests.link.test_modulelink -*-
"""
What both ends of a module link do alike: read records, wait for the introduction.

::

    connected --introduced in time--> open --lost--> over
        |                               |
        +--not in time, not understood--+--> hangs up

What a record means is for the sans-IO end; what follows from it is for the subclasses
in ``moduleserver`` and ``moduleclient``.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from edgemesh.errors import RemoteProtocolError
from edgemesh.link.reactor import LinkReactor
from edgemesh.link.records import RecordProtocol

#: Seconds for the introduction to be made, and for it to be answered.
INTRODUCTION = 10.0


class End(Protocol):
    """One end, without a transport."""

    def receive(self, record: bytes) -> object:
        """What a record means; raises RemoteProtocolError when the link is no use."""


class ModuleLink(RecordProtocol):
    """
    One end of a link, on its transport.

    :param reactor: keeps the time of the introduction.
    """

    log = Logger()

    def __init__(self, reactor: LinkReactor, end: End) -> None:
        self._reactor = reactor
        self._end = end
        self._patience: IDelayedCall | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._end!r}>"

    def awaitIntroduction(self, otherwise: str) -> None:
        """Hang up, and say this, unless :meth:`introductionMade` comes in time."""
        self._patience = self._reactor.callLater(INTRODUCTION, self.hangUp, otherwise)

    def introductionMade(self) -> None:
        """Nobody waits for it any more."""
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def recordReceived(self, record: bytes) -> None:
        try:
            understood = self._end.receive(record)
        except RemoteProtocolError as error:
            self.hangUp(error.detail)
        else:
            self.understood(understood)

    def recordRefused(self, size: int) -> None:
        self.dropped(f"a record of {size} bytes is too large")

    def understood(self, meaning: object) -> None:
        """Do what a record means."""
        raise NotImplementedError

    def dropped(self, why: str) -> None:
        """A record leads to nothing."""
        self.log.warn("dropped from {link!r}: {why}", link=self, why=why)

    def hangUp(self, why: str) -> None:
        """This link is no use any more."""
        self.log.warn("{link!r} hangs up: {why}", link=self, why=why)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        self.introductionMade()
