"""
metamanager against what KubeEdge's own did: every Message in, every Message out.

What differs on purpose, and is not compared:

* ids that are made anew, and times;
* newer KubeEdge pushes everything to ``edged``, since no mesh is in its edge_core; the
  kinds that the mesh routes by go to ``edgemesh`` here, as up to 1.7;
* the order of an acknowledgement and a push, which go different ways;
* 1.6 stores of a Service the fields that it knows; here an object is stored as it came:
  what 1.6 answers must be in it;
* newer KubeEdge keeps a list of Services as one row, here each has its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message
from edgemesh.beehive.names import (
    CLOUD_CONNECTED,
    CONNECT,
    EDGEHUB,
    EDGEMESH,
    META_GROUP,
    METAMANAGER,
    METAMANAGER_OLD,
    QUERY,
)
from edgemesh.beehive.resource import CONNECTION
from edgemesh.edgecore.decisions import Send
from edgemesh.edgecore.metamanager import MetaManager
from edgemesh.edgecore.rows import ObjectRow, Row, Upsert
from edgemesh.edgecore.store import MetaStore
from tests.conformance.captures import VARIABLE, Capture, captures
from tests.edgecore.fakes import MemoryRows, asked, maker

#: What came to metamanager, by the end of a file's name; all else it sent.
_CAME = ("in", "query", "cloud_answer")


@dataclass(frozen=True, slots=True)
class Step:
    """
    One Message that came, and what KubeEdge sent for it.

    :ivar name: of the file.
    """

    name: str
    came: Message
    sent: list[Message] = field(default_factory=list)


def steps(prefix: str) -> list[Step]:
    """A captured conversation."""
    conversation: list[Step] = []
    for capture in captures(prefix):
        message = decode(capture.data)
        if _ending(capture) in _CAME:
            conversation.append(Step(capture.name, message))
        else:
            conversation[-1].sent.append(message)
    return conversation


def _ending(capture: Capture) -> str:
    return capture.name.removesuffix(".json").split("_", 2)[2]


def plain(message: Message) -> dict[str, Any]:
    """A Message without what is made anew each time; texts in its content as values."""
    value = message.value()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = [json.loads(item) for item in value]
    header = message.header
    return {
        "parent": header.parent_msg_id,
        "sync": header.sync,
        "resourceversion": header.resourceversion,
        "route": message.route,
        "content": value,
    }


def connected() -> Message:
    """What edgehub says when the cloud can be asked."""
    message = maker("edgehub").newMessage().buildRouter(EDGEHUB, META_GROUP, CONNECTION, CONNECT)
    return message.fillBody(CLOUD_CONNECTED)


def dump(name: str) -> str:
    """What was in the database afterwards."""
    return Path(os.environ[VARIABLE], "kubeedge", name).read_text()


def within(part: object, whole: object) -> bool:
    """Whether everything in a value is in the other one."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return part == whole


class MetaManagerTests(SynchronousTestCase):
    """Conversations that were captured, played again."""

    def setUp(self) -> None:
        self.rows = MemoryRows()
        #: KubeEdge's questions to the cloud -> ours.
        self.questions: dict[str, str] = {}

    def play(self, prefix: str, name: str) -> None:
        """Take what came, and compare what is sent."""
        self.metamanager = MetaManager(maker("ours"), name)
        conversation = steps(prefix)
        for step in conversation:
            if "listener" in step.came.route.resource:
                # How this row was made was not captured.
                self.take(asked("insert", step.came.route.resource, "9.251.0.1"))
            if any(each.route.operation == QUERY for each in step.sent):
                # Newer captures do not have the Message that says so.
                self.take(connected())
            came = step.came
            parent = self.questions.get(came.header.parent_msg_id, "")
            header = replace(came.header, parent_msg_id=parent)
            sent = self.take(replace(came, header=header))
            self.compare(step, sent)
        self.assertGreater(len(conversation), 10)

    def take(self, message: Message) -> tuple[Send, ...]:
        """Decide and do it."""
        decision = self.metamanager.take(message, self.rows)
        self.rows.apply(decision.writes)
        self.metamanager.settle(decision)
        return decision.sends

    def compare(self, step: Step, sends: tuple[Send, ...]) -> None:
        """As many were sent as KubeEdge sent, and each is the same."""
        left = list(sends)
        for wanted in step.sent:
            matching = [
                send
                for send in left
                if send.message.route == wanted.route and send.message.isNull() == wanted.isNull()
            ]
            self.assertTrue(matching, f"{step.name}: {wanted!r} is not among {left!r}")
            left.remove(matching[0])
            self.compareOne(step.name, wanted, matching[0])
        self.assertEqual(left, [], step.name)

    def compareOne(self, name: str, wanted: Message, send: Send) -> None:
        """Field by field, and to whom."""
        found, expected = plain(send.message), plain(wanted)
        if wanted.route.operation == QUERY:
            self.questions[wanted.header.msg_id] = send.message.header.msg_id
        if isinstance(expected["content"], list) and isinstance(found["content"], list):
            self.assertTrue(within(expected.pop("content"), found.pop("content")), name)
        self.assertEqual(found, expected, name)
        cloud = wanted.route.operation == QUERY or expected.get("content") == "OK"
        self.assertEqual(send.module, "websocket" if cloud else EDGEMESH, name)

    def compareRows(self, dump: str, missing: set[str], more: set[str]) -> None:
        """What is stored is what KubeEdge stored, but for these keys."""
        with closing(sqlite3.connect(":memory:")) as theirs:
            theirs.executescript(dump)
            rows = {key: (kind, value) for key, kind, value in theirs.execute("SELECT * FROM meta")}
        ours = {key: (row.type, row.value) for key, row in self.rows.rows.items()}
        self.assertEqual((set(rows) - set(ours), set(ours) - set(rows)), (missing, more))
        for key in set(rows) & set(ours):
            self.assertEqual(rows[key][0], ours[key][0])
            self.assertEqual(json.loads(rows[key][1]), json.loads(ours[key][1]), key)

    def test_old(self) -> None:
        """1.6.2, the one that knows the mesh."""
        self.play("meta_", METAMANAGER_OLD)
        # Nor was it captured how the listener's row was deleted.
        more = {"default/listener/default.hostname-svc"}
        self.compareRows(dump("metamanager_v1.6.2.sql"), set(), more)

    def test_new(self) -> None:
        """The current one."""
        self.play("metamaster_", METAMANAGER)
        self.compareRows(dump("metamanager_master.sql"), {"namespace/servicelist/service"}, set())


class FileTests(SynchronousTestCase):
    """Database files of KubeEdge's own, of both generations."""

    def test_opened(self) -> None:
        """What KubeEdge stored is found, and its own table of objects is kept up to date."""
        for name, column in (
            ("metamanager_v1.6.2.sql", "resourceversion"),
            ("metamanager_master.sql", "resource_version"),
        ):
            captures("meta_01")
            path = os.path.abspath(self.mktemp())
            with closing(sqlite3.connect(path)) as theirs:
                theirs.executescript(dump(name))
                before = theirs.execute("SELECT key, value FROM meta ORDER BY key").fetchall()
            store = MetaStore(path)
            self.addCleanup(store.close)
            self.assertEqual([(row.key, row.value) for row in store.rows()], before)
            key = "/core/v1/endpoints/default/hostname-svc"
            about = ObjectRow(key, "/v1, Resource=endpoints", "default", "hostname-svc", 50_000)
            row = Row("default/endpoints/hostname-svc", "endpoints", "{}")
            store.apply([Upsert(row, object=about)])
            with closing(sqlite3.connect(path)) as theirs:
                query = f"SELECT {column}, value FROM meta_v2 WHERE key = ?"
                self.assertEqual(theirs.execute(query, (key,)).fetchall(), [(50_000, "{}")])
