"""Tests for :mod:`edgemesh.link.modules`."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.codec import decode, encodeRecord
from edgemesh.beehive.message import Message
from edgemesh.errors import LocalProtocolError, RemoteProtocolError
from edgemesh.link.modules import (
    Answered,
    ClientEnd,
    Delivered,
    Directory,
    Dropped,
    Introduced,
    ServerEnd,
    answerTo,
    errorInstead,
    push,
    recordOf,
)
from tests.link.samples import DIRECTORY, SERVICE, GoReceiver, messages, query


class EndsMixin:
    """A server's and a client's end."""

    def setUp(self) -> None:
        self.theirs, self.ours = messages("s"), messages("c")
        self.server = ServerEnd(self.theirs, {"edgemesh"}, DIRECTORY)
        self.client = ClientEnd(self.ours, "edgemesh")

    def introduce(self) -> None:
        """Both ends know each other."""
        answer = self.server.receive(recordOf(self.client.greeting)).answer
        self.client.receive(recordOf(answer))

    def asked(self, message: Message | None = None) -> bytes:
        """The record of a request."""
        asking = message or query(self.ours)
        return recordOf(self.client.request(asking, "metamanager"))


class IntroductionTests(EndsMixin, SynchronousTestCase):
    """The first record each way."""

    def test_greeting(self) -> None:
        """The client says which module it is, as KubeEdge's does."""
        said = json.loads(recordOf(self.client.greeting))
        self.assertEqual(said["header"]["type"], "unixpacket")
        self.assertIs(said["header"]["sync"], True)
        self.assertEqual(said["content"], "")
        route = {name: value for name, value in said["route"].items() if value}
        self.assertEqual(route, {"source": "edgemesh", "operation": "add", "resource": "module"})

    def test_answer(self) -> None:
        """The server answers with the modules and groups that can be reached."""
        introduced = self.server.receive(recordOf(self.client.greeting))
        answer = introduced.answer
        self.assertEqual(answer.header.parent_msg_id, self.client.greeting.header.msg_id)
        self.assertEqual((answer.route.source, answer.route.destination), ("edgemesh",) * 2)
        self.assertEqual((answer.route.operation, answer.route.resource), ("response", "module"))
        self.assertEqual(answer.header.type, "unixpacket")
        self.assertEqual(
            answer.value(),
            {"modules": ["socketserver", "metamanager"], "groups": {"meta": ["metamanager"]}},
        )
        self.assertIn("AFTER 'edgemesh'", repr(self.server))

    def test_understood(self) -> None:
        """The client learns who can be reached."""
        self.assertIn("BEFORE", repr(self.client))
        answer = self.server.receive(recordOf(self.client.greeting)).answer
        self.assertEqual(self.client.receive(recordOf(answer)), Introduced(DIRECTORY))
        self.assertIn("AFTER", repr(self.client))

    def test_nobody(self) -> None:
        """A server without modules is understood, also where Go writes null."""
        for content in ({"modules": None, "groups": None}, {}):
            client = ClientEnd(self.ours, "edgemesh")
            answer = self.theirs.newRespByMessage(client.greeting, content)
            self.assertEqual(client.receive(recordOf(answer)), Introduced(Directory((), {})))

    def test_stranger(self) -> None:
        """A module that is not in the configuration is not let in."""
        for name in ("edged", ""):
            greeting = ClientEnd(self.ours, name).greeting
            error = self.assertRaises(RemoteProtocolError, self.server.receive, recordOf(greeting))
            self.assertIn(repr(name), error.detail)
        self.assertIn("BEFORE", repr(self.server))

    def test_notIntroduced(self) -> None:
        """Whatever comes before an introduction ends the link."""
        for record in (encodeRecord(query(self.ours)), b"GET / HTTP/1.1\r\n\r\n", b"\0", b"{}"):
            self.assertRaises(RemoteProtocolError, self.server.receive, record)

    def test_strangeAnswer(self) -> None:
        """A server that answers an introduction with anything else is none."""
        greeting = self.client.greeting
        whole = self.theirs.newRespByMessage(greeting, {"modules": [], "groups": {}})
        for answer in (
            self.theirs.newErrorMessage(greeting, "no"),
            self.theirs.newRespByMessage(query(self.ours), {"modules": [], "groups": {}}),
            self.theirs.newRespByMessage(greeting, {"modules": "metamanager"}),
            self.theirs.newRespByMessage(greeting, {"groups": {"meta": [1]}}),
            self.theirs.newRespByMessage(greeting, {"groups": ["meta"]}),
            self.theirs.newRespByMessage(greeting, None),
            whole.setResourceOperation("module", "update"),
        ):
            self.assertRaises(RemoteProtocolError, self.client.receive, recordOf(answer))
        self.assertIn("BEFORE", repr(self.client))

    def test_tooEarly(self) -> None:
        """Nothing is asked before the introduction."""
        self.assertRaises(LocalProtocolError, self.asked)


class RoutingTests(EndsMixin, SynchronousTestCase):
    """Records after the introduction."""

    def setUp(self) -> None:
        super().setUp()
        self.introduce()

    def test_request(self) -> None:
        """A request says from whom it is, to whom, and that somebody waits."""
        delivered = self.server.receive(self.asked())
        self.assertIsInstance(delivered, Delivered)
        message = delivered.message
        self.assertEqual(message.route.source, "edgemesh")
        self.assertEqual(message.route.destination, "metamanager")
        self.assertEqual(message.route.group, "meta")
        self.assertEqual((message.header.sync, message.header.type), (True, "unixpacket"))

    def test_answer(self) -> None:
        """An answer keeps the asker as its source, whoever gave it."""
        request = decode(self.asked())
        given = self.theirs.newRespByMessage(request, None).setRoute("metamanager", "meta")
        got = self.client.receive(recordOf(answerTo(request, given)))
        self.assertIsInstance(got, Answered)
        self.assertEqual(got.message.route.source, "edgemesh")
        self.assertEqual(got.message.route.destination, "edgemesh")
        self.assertEqual(got.message.header.parent_msg_id, request.header.msg_id)
        self.assertIs(got.message.header.sync, False)

    def test_error(self) -> None:
        """An error is addressed like an answer; on its own it has no source."""
        request = decode(self.asked())
        error = answerTo(request, self.theirs.newErrorMessage(request, "boom"))
        route = error.route
        self.assertEqual(
            (route.source, route.destination, route.group), ("edgemesh", "edgemesh", "meta")
        )
        self.assertIsInstance(self.client.receive(recordOf(error)), Answered)

    def test_errorInstead(self) -> None:
        """An answer that cannot be sent becomes an error for the same asker."""
        request = decode(self.asked())
        answer = answerTo(request, self.theirs.newRespByMessage(request, "x" * 1000))
        error = errorInstead(self.theirs, answer, "too large")
        self.assertTrue(error.isAnswerTo(request))
        self.assertEqual(error.text(), "too large")
        expected = answerTo(request, self.theirs.newErrorMessage(request, "too large"))
        self.assertEqual(error.route, expected.route)
        self.assertEqual(error.header.type, expected.header.type)

    def test_push(self) -> None:
        """A push keeps its source and gets a destination."""
        news = self.theirs.newMessage().buildRouter("edgecontroller", "resource", SERVICE, "update")
        got = self.client.receive(recordOf(push(news.setSync(True), "edgemesh")))
        self.assertIsInstance(got, Delivered)
        self.assertEqual(got.message.route.source, "edgecontroller")
        self.assertEqual(got.message.route.destination, "edgemesh")
        self.assertIs(got.message.header.sync, False)

    def test_unsolicited(self) -> None:
        """An answer from the cloud that answers nothing here is news."""
        news = self.theirs.newMessage().buildRouter(
            "edgecontroller", "resource", SERVICE, "response"
        )
        self.assertIsInstance(self.client.receive(recordOf(news)), Delivered)

    def test_noSuchModule(self) -> None:
        """Who asks a module that is not there is told so; who only tells is not."""
        request = self.client.request(query(self.ours), "edged")
        dropped = self.server.receive(recordOf(request))
        self.assertIsInstance(dropped, Dropped)
        self.assertIn("'edged'", dropped.answer.text())
        self.assertTrue(dropped.answer.isAnswerTo(request))
        self.assertIsNone(self.server.receive(recordOf(request.setSync(False))).answer)

    def test_falseSource(self) -> None:
        """A module cannot speak for another one."""
        forged = decode(self.asked()).setRoute("edged", "meta")
        dropped = self.server.receive(recordOf(forged))
        self.assertIsInstance(dropped, Dropped)
        self.assertIn("'edgemesh'", dropped.why)

    def test_garbage(self) -> None:
        """One bad record is dropped, and the next one is understood."""
        for end in (self.server, self.client):
            self.assertIsInstance(end.receive(b"{"), Dropped)
        self.assertIsInstance(self.server.receive(self.asked()), Delivered)

    def test_everyField(self) -> None:
        """A Go receiver, which keeps what a record leaves out, understands every record right."""
        go = GoReceiver()
        request = decode(self.asked())
        news = self.theirs.newMessage().buildRouter("edgecontroller", "resource", SERVICE, "update")
        full = answerTo(request, self.theirs.newRespByMessage(request, None))
        for message in (full.setResourceVersion("7"), push(news, "edgemesh"), request, full):
            self.assertEqual(go.receive(recordOf(message)), message)

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.binary(min_size=1, max_size=300))
    def test_hostile(self, record: bytes) -> None:
        """Whatever a peer sends ends its link or is dropped; nothing else happens."""
        self.assertIsInstance(self.server.receive(record), Dropped)
        self.assertIsInstance(self.client.receive(record), Dropped)
        fresh = ServerEnd(self.theirs, {"edgemesh"}, DIRECTORY)
        self.assertRaises(RemoteProtocolError, fresh.receive, record)
