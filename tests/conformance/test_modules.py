"""
Conversations between modules of KubeEdge, with one end and then the other played by us.

Our own are in ``vectors/modules``; those of KubeEdge's own programs come from the
captures.  Ids and times differ with every conversation; all else must be the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.codec import decode, encodeRecord
from edgemesh.beehive.message import Header, Message
from edgemesh.link.modules import (
    Answered,
    ClientEnd,
    Delivered,
    Directory,
    Dropped,
    Introduced,
    ServerEnd,
    answerTo,
    push,
    recordOf,
)
from edgemesh.link.pages import Pages, pageWish
from tests.conformance.captures import captures
from tests.link.samples import GoReceiver, messages

_VECTORS = Path(__file__).parent / "vectors" / "modules"


@dataclass(frozen=True, slots=True)
class Said:
    """One record of a conversation."""

    byClient: bool
    record: bytes

    @property
    def message(self) -> Message:
        """What it says."""
        return decode(self.record)


def vector(name: str) -> list[Said]:
    """A conversation of our own making."""
    entries = json.loads((_VECTORS / f"{name}.json").read_text("ascii"))
    return [Said(entry["from"] == "client", entry["record"].encode()) for entry in entries]


def captured(prefix: str) -> list[Said]:
    """A conversation of KubeEdge's programs, in order."""
    files = [file for file in captures(prefix) if file.name.endswith(".bin")]
    return [Said("_c2s" in file.name, file.data) for file in files]


def lasting(message: Message) -> Message:
    """The Message without what differs each time."""
    header = replace(message.header, msg_id="", parent_msg_id="", timestamp=0)
    return replace(message, header=header)


class Conversation:
    """Plays one end of a conversation and compares with what was said."""

    def __init__(self, case: SynchronousTestCase, said: list[Said]) -> None:
        self._case = case
        self._said = said
        self._introduction = said[1].message
        content = self._introduction.object()
        groups = {name: tuple(group) for name, group in content["groups"].items()}
        self._directory = Directory(tuple(content["modules"]), groups)

    def asServer(self) -> None:
        """We are the server: everything recorded of it must come from us too."""
        server = ServerEnd(messages("s"), {"edgemesh"}, self._directory)
        ours, go = messages("s"), GoReceiver()
        requests: dict[str, Message] = {}
        for said in self._said:
            if said.byClient:
                got = server.receive(said.record)
                requests[said.message.header.msg_id] = said.message
                if isinstance(got, Introduced):
                    self._same(go.receive(recordOf(got.answer)), self._introduction)
                else:
                    self._case.assertIsInstance(got, Delivered)
            elif said.message.route.resource != "module":
                request = requests.get(said.message.header.parent_msg_id)
                self._same(go.receive(self._sent(ours, said.message, request)), said.message)

    def _sent(self, ours, expected: Message, request: Message | None) -> bytes:  # type: ignore[no-untyped-def]
        """What our server sends where KubeEdge's sent this."""
        if request is None:
            unsent = replace(expected, header=replace(expected.header, type=""))
            return recordOf(push(unsent.setDestination(""), "edgemesh"))
        if expected.isError():
            given = ours.newErrorMessage(request, expected.text())
        else:
            given = ours.newRespByMessage(request, expected.content)
        answer = answerTo(request, given.setRoute("metamanager", "meta"))
        self._case.assertEqual(answer.header.parent_msg_id, request.header.msg_id)
        return recordOf(answer)

    def asClient(self) -> list[Message]:
        """We are the client: we say what was said, and understand every answer."""
        client = ClientEnd(messages("c"), "edgemesh")
        ids: dict[str, str] = {}
        got = []
        for said in self._said:
            if said.byClient:
                sent = self._asked(client, said.message)
                self._same(decode(recordOf(sent)), said.message)
                ids[said.message.header.msg_id] = sent.header.msg_id
            else:
                got.append(self._understood(client, said, ids))
        return got

    def _asked(self, client: ClientEnd, expected: Message) -> Message:
        if expected.route.resource == "module":
            return client.greeting
        route = expected.route
        plain = Message(Header(msg_id=f"our-{expected.header.msg_id}", timestamp=1))
        plain = plain.buildRouter("", route.group, route.resource, route.operation)
        return client.request(plain.fillBody(expected.content), route.destination)

    def _understood(self, client: ClientEnd, said: Said, ids: dict[str, str]) -> Message:
        """The record, but as an answer to what we have asked."""
        theirs = said.message.header
        parent = ids.get(theirs.parent_msg_id, "")
        record = said.record.replace(theirs.parent_msg_id.encode() or b"\0", parent.encode())
        got = client.receive(record)
        if said.message == self._introduction:
            self._case.assertEqual(got, Introduced(self._directory))
            return self._introduction
        self._case.assertIsInstance(got, Answered if parent else Delivered)
        assert not isinstance(got, Dropped | Introduced)
        self._case.assertEqual(got.message.header.parent_msg_id, parent)
        self._same(got.message, said.message)
        return got.message

    def _same(self, ours: Message, theirs: Message) -> None:
        self._case.assertEqual(lasting(ours), lasting(theirs))
        self._case.assertEqual(bytes(ours.content), bytes(theirs.content))


class OwnTests(SynchronousTestCase):
    """Conversations of our own making, from the description of the protocol."""

    def test_server(self) -> None:
        """As the server we answer and push what KubeEdge's server would."""
        for name in ("metamanager", "pages"):
            Conversation(self, vector(name)).asServer()

    def test_client(self) -> None:
        """As the client we ask as KubeEdge's would, and understand both shapes of answers."""
        got = Conversation(self, vector("metamanager")).asClient()
        counts = [len(m.documents()) for m in got if m.route.operation == "response"][1:]
        self.assertEqual(counts, [1, 0, 1, 2, 1, 0, 1, 1])

    def test_pages(self) -> None:
        """Our own extension: a long list in pages."""
        said = vector("pages")
        pages = Pages(limit=2)
        for asked, answered in zip(said[2::2], said[3::2], strict=True):
            self.assertEqual(pageWish(asked.message), pages.wish)
            pages.take(answered.message)
        self.assertEqual(
            [json.loads(t)["metadata"]["name"] for t in pages.texts], ["cart", "post", "till"]
        )
        self.assertIsNone(pages.wish)


class CapturedTests(SynchronousTestCase):
    """Conversations of KubeEdge's own programs."""

    def test_server(self) -> None:
        """As the server we answer and push what KubeEdge's server did."""
        for prefix in ("sockcap_broker_", "sockcap_ctx_"):
            Conversation(self, captured(prefix)).asServer()

    def test_client(self) -> None:
        """As the client we ask as KubeEdge's client did, and understand every answer."""
        for prefix in ("sockcap_broker_", "sockcap_ctx_"):
            got = Conversation(self, captured(prefix)).asClient()
            self.assertTrue(got)

    def test_generated(self) -> None:
        """The introduction as Go's encoder writes it, with and without a newline."""
        files = {file.name: file.data for file in captures("sock_module_")}
        greeting, answer = files["sock_module_add.json"], files["sock_module_resp.json"]
        Conversation(self, [Said(True, greeting), Said(False, answer)]).asServer()
        self.assertEqual(encodeRecord(decode(greeting)), greeting + b"\n")
        Conversation(self, [Said(True, greeting + b"\n"), Said(False, answer + b"\n")]).asClient()
