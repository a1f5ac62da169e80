# -*- test-case-name: tests.edgecore.test_module -*-
"""
metamanager at work: Messages in, through the store's thread, Messages out.

Each Message is decided about where the rows are, and what follows from it happens here
after the commit, in the order in which Messages came.  Knows time only to stop waiting
for the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from edgemesh.beehive.message import Message
from edgemesh.edgecore.decisions import Decision, Outcome, Send
from edgemesh.edgecore.faults import StoreError
from edgemesh.edgecore.feeding import Feed, Feeder
from edgemesh.edgecore.metamanager import MetaManager
from edgemesh.edgecore.rows import MANIFESTS
from edgemesh.edgecore.storage import Storage
from edgemesh.edgecore.store import MetaStore

#: Seconds to wait for the cloud's answer; some clouds do not answer for what is not there.
PATIENCE = 10.0


class MetaModule:
    """
    Takes Messages for metamanager.

    :param clock: for the time-out of questions to the cloud.
    :param send: gets every Message to send, in order.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        storage: Storage,
        metamanager: MetaManager,
        feeder: Feeder,
        send: Callable[[Send], None],
    ) -> None:
        self.metamanager = metamanager
        self._clock = clock
        self._storage = storage
        self._feeder = feeder
        self._send = send
        self._waiting: dict[str, IDelayedCall] = {}

    def take(self, message: Message) -> Deferred[Decision]:
        """
        Do what a Message means.

        :return: what was decided, after it is stored and sent; never fails.
        """

        def decide(store: MetaStore) -> Decision:
            decision = self.metamanager.take(message, store)
            store.put(decision.writes)
            return decision

        told = self._storage.run(decide).addErrback(self._unstored, message)
        return told.addCallback(self._follow)

    def feed(self, objects: Iterable[Mapping[str, Any]]) -> Deferred[Feed]:
        """
        Make what is stored of a folder of manifests what is in it now.

        :param objects: every object in the folder, as JSON values.
        :return: fails with a :class:`~edgemesh.edgecore.faults.StoreError` if it cannot
            be stored; then nothing of it is, and all of it is to be given again.
        """
        wanted = list(objects)

        def decide(store: MetaStore) -> tuple[Feed, list[Decision]]:
            counter = store.counter(MANIFESTS)
            feed = self._feeder.feed(store.fedBy(MANIFESTS), counter, wanted)
            decisions = []
            for message in feed.messages:
                decision = self.metamanager.take(message, store)
                store.put(decision.writes)
                decisions.append(decision)
            return feed, decisions

        def follow(decided: tuple[Feed, list[Decision]]) -> Feed:
            feed, decisions = decided
            for decision in decisions:
                self._follow(decision)
            return feed

        return self._storage.run(decide).addCallback(follow)

    def stop(self) -> None:
        """Wait for no answer any more."""
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()

    def _unstored(self, failure: Failure, message: Message) -> Decision:
        if failure.check(StoreError) is None:  # type: ignore[no-untyped-call]
            self.log.failure("{message!r} could not be taken", failure, message=message)
        else:
            reason = failure.getErrorMessage()
            self.log.error("{message!r} is not stored: {why}", message=message, why=reason)
        return self.metamanager.unstored(message, failure.getErrorMessage())

    def _follow(self, decision: Decision) -> Decision:
        """Do what is to be done when the writes are committed."""
        self.metamanager.settle(decision)
        for question in decision.questions:
            if decision.outcome is Outcome.ASKED:
                later = self._clock.callLater(PATIENCE, self._expire, question)
                self._waiting[question] = later
            elif question in self._waiting:
                self._waiting.pop(question).cancel()
        for send in decision.sends:
            self._send(send)
        return decision

    def _expire(self, question: str) -> None:
        del self._waiting[question]
        self._follow(self.metamanager.expire(question))
