"""metamanager at work: stored first, then told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Message
from edgemesh.edgecore.decisions import Decision, Outcome, Purpose, Send
from edgemesh.edgecore.faults import StoreFull
from edgemesh.edgecore.feeding import Feeder
from edgemesh.edgecore.metamanager import MetaManager
from edgemesh.edgecore.module import PATIENCE, MetaModule
from edgemesh.edgecore.rows import Write
from tests.edgecore.fakes import MemoryRows, asked, fromCloud, maker, service

WEB = "default/service/web"


class MemoryStorage(MemoryRows):
    """Does jobs when the test says so; on a full disk none that writes."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.jobs: list[tuple[Callable[[Any], Any], Deferred[Any]]] = []

    def run(self, work: Callable[[Any], Any]) -> Deferred[Any]:
        """Keep a job."""
        told: Deferred[Any] = Deferred()
        self.jobs.append((work, told))
        return told

    def put(self, writes: Iterable[Write]) -> None:
        """Write, if there is room."""
        writes = list(writes)
        if writes and self.full:
            raise StoreFull("no space")
        self.apply(writes)

    def work(self) -> None:
        """Do every job."""
        while self.jobs:
            work, told = self.jobs.pop(0)
            try:
                result = work(self)
            except Exception:
                result = Failure()  # type: ignore[no-untyped-call]
            told.callback(result)


class ModuleTests(SynchronousTestCase):
    """One module, its store in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.storage = MemoryStorage()
        self.sent: list[Send] = []
        self.module = MetaModule(
            self.clock,
            self.storage,  # type: ignore[arg-type]
            MetaManager(maker("ours")),
            Feeder(maker("fed"), lambda: "uid"),
            self.sent.append,
        )

    def take(self, message: Message) -> Decision:
        """Take a Message and store what is to be stored."""
        told = self.module.take(message)
        self.storage.work()
        decision: Decision = self.successResultOf(told)
        return decision

    def connect(self) -> None:
        """The cloud can be asked."""
        message = maker().newMessage()
        message = message.buildRouter("edgehub", "meta", "node/connection", "connect")
        self.take(message.fillBody("cloud_connected"))

    def purposes(self) -> list[Purpose]:
        """Why what was sent was sent; then forget it."""
        found = [send.purpose for send in self.sent]
        self.sent.clear()
        return found

    def test_storedFirst(self) -> None:
        """Nobody is told of a change before it is stored."""
        told = self.module.take(fromCloud("insert", WEB, service(version=5)))
        self.assertEqual(self.sent, [])
        self.storage.work()
        self.assertEqual(self.successResultOf(told).outcome, Outcome.APPLIED)
        self.assertEqual(self.purposes(), [Purpose.ACKNOWLEDGE, Purpose.PUSH])

    def test_answer(self) -> None:
        """An answer comes with the request that it answers."""
        request = asked("query", WEB)
        self.take(request)
        self.assertEqual([send.request for send in self.sent], [request])

    def test_full(self) -> None:
        """On a full disk nothing is acknowledged, modules are told why, and queries work."""
        self.take(fromCloud("insert", WEB, service(version=5)))
        self.purposes()
        self.storage.full = True
        decision = self.take(fromCloud("update", WEB, service(version=6)))
        self.assertEqual((decision.outcome, self.purposes()), (Outcome.REFUSED, []))
        self.take(asked("insert", "default/listener/default.web", "9.251.0.1"))
        self.assertEqual(self.sent.pop().message.text(), "no space")
        self.assertEqual(self.take(asked("query", WEB)).outcome, Outcome.FOUND)

    def test_defect(self) -> None:
        """A defect is logged, and costs only the Message that showed it."""
        self.patch(self.storage, "value", lambda key: 1 / 0)
        self.assertEqual(self.take(asked("query", WEB)).outcome, Outcome.REFUSED)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.sent[0].message.isError())

    def test_noAnswer(self) -> None:
        """A cloud that does not answer in time is an error for who asked."""
        self.connect()
        self.take(asked("query", "default/endpoints/web"))
        self.assertEqual(self.purposes(), [Purpose.ASK])
        self.clock.advance(PATIENCE)
        self.assertTrue(self.sent[0].message.isError())
        self.assertEqual(self.purposes(), [Purpose.ANSWER])

    def test_answered(self) -> None:
        """When the cloud has answered nobody waits any more."""
        self.connect()
        self.take(asked("query", "default/endpoints/web"))
        question = self.sent[0].message.header.msg_id
        answer = maker("cloud").newMessage(question)
        self.take(
            answer.buildRouter(
                "edgecontroller", "resource", "default/endpoints/web", "response"
            ).fillBody({})
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.purposes(), [Purpose.ASK, Purpose.ACKNOWLEDGE, Purpose.ANSWER])

    def test_stop(self) -> None:
        """After the end nothing is waited for."""
        self.connect()
        self.take(asked("query", "default/endpoints/web"))
        self.module.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_feed(self) -> None:
        """A folder is stored as a whole and pushed to the mesh; nobody acknowledges it."""
        told = self.module.feed([service("a"), service("b")])
        self.storage.work()
        self.assertEqual(self.successResultOf(told).problems, {})
        self.assertEqual(self.purposes(), [Purpose.PUSH, Purpose.PUSH])
        self.assertEqual(len(self.storage.rows), 2)

    def test_feedFull(self) -> None:
        """A folder that cannot be stored fails, to be given again."""
        self.storage.full = True
        told = self.module.feed([service("a")])
        self.storage.work()
        self.failureResultOf(told, StoreFull)
        self.assertEqual(self.sent, [])
