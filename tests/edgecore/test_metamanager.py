"""What a Message means to metamanager."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Message
from edgemesh.edgecore import metamanager as module
from edgemesh.edgecore.decisions import Decision, Outcome, Purpose, Send
from edgemesh.edgecore.metamanager import MetaManager
from tests.edgecore.fakes import MemoryRows, asked, fromCloud, maker, service

WEB = "default/service/web"


def short(send: Send) -> str:
    """A Message that is sent, in short."""
    content = bytes(send.message.content).decode()
    content = content if len(content) < 30 else "..."
    return f"{send.purpose.name} {send.module}: {send.message.route.operation} {content}"


class Case(SynchronousTestCase):
    """A metamanager and its rows."""

    def setUp(self) -> None:
        self.rows = MemoryRows()
        self.metamanager = MetaManager(maker())

    def take(self, message: Message) -> Decision:
        """Decide and do it."""
        decision = self.metamanager.take(message, self.rows)
        self.rows.apply(decision.writes)
        self.metamanager.settle(decision)
        return decision

    def sends(self, message: Message) -> list[str]:
        """What is sent."""
        return [short(send) for send in self.take(message).sends]

    def query(self, resource: str, content: object = None) -> object:
        """What a module is answered."""
        decision = self.take(asked("query", resource, content))
        self.assertEqual([send.purpose for send in decision.sends], [Purpose.ANSWER])
        return decision.sends[0].message.value()

    def connect(self, state: str = "cloud_connected") -> Decision:
        """What edgehub says when the link comes or goes."""
        message = maker().newMessage()
        message = message.buildRouter("edgehub", "meta", "node/connection", "connect")
        return self.take(message.fillBody(state))


class ChangeTests(Case):
    """Inserts, updates and deletes."""

    def test_cloud(self) -> None:
        """What the cloud sends is stored, acknowledged and handed to the mesh unchanged."""
        for operation in ("insert", "update"):
            message = fromCloud(operation, WEB, service(version=5), "5")
            decision = self.take(message)
            self.assertEqual(decision.outcome, Outcome.APPLIED)
            self.assertEqual(
                [short(send) for send in decision.sends],
                ['ACKNOWLEDGE websocket: response "OK"', f"PUSH edgemesh: {operation} ..."],
            )
            self.assertIs(decision.sends[1].message, message)
        self.assertEqual(self.query(WEB), [self.rows.value(WEB)])

    def test_acknowledgement(self) -> None:
        """An acknowledgement says what it is for."""
        message = fromCloud("insert", WEB, service())
        answer = self.take(message).sends[0].message
        self.assertEqual(answer.header.parent_msg_id, message.header.msg_id)
        route = answer.route
        self.assertEqual((route.source, route.group), ("edgecontroller", "resource"))
        self.assertEqual((route.resource, route.operation), (WEB, "response"))

    def test_delete(self) -> None:
        """A deleted object is not found any more."""
        self.take(fromCloud("insert", WEB, service(version=5)))
        self.assertEqual(
            self.sends(fromCloud("delete", WEB, service(version=5), "6")),
            ['ACKNOWLEDGE websocket: response "OK"', "PUSH edgemesh: delete ..."],
        )
        self.assertIsNone(self.query(WEB))

    def test_obsolete(self) -> None:
        """What is older than what is stored is acknowledged, and nothing else."""
        self.take(fromCloud("insert", WEB, service(version=5)))
        late = fromCloud("update", WEB, service(version=4))
        self.assertEqual(self.sends(late), ['ACKNOWLEDGE websocket: response "OK"'])
        self.assertEqual(self.metamanager.counts[Outcome.OBSOLETE], 1)
        self.assertIn('"5"', str(self.query(WEB)))

    def test_twice(self) -> None:
        """The same Message again writes nothing and is acknowledged again."""
        message = fromCloud("insert", WEB, service(version=5))
        self.take(message)
        again = self.metamanager.take(message, self.rows)
        self.assertEqual((again.outcome, again.writes), (Outcome.APPLIED, ()))
        self.assertEqual(len(again.sends), 2)

    def test_pushed(self) -> None:
        """The mesh hears of what it routes by; all else is edged's."""
        kinds = {"endpoints": "edgemesh", "endpointslice": "edgemesh", "pod": "edgemesh"}
        kinds |= {"podlist": "edgemesh", "node": "edgemesh", "configmap": "edged"}
        for kind, consumer in kinds.items():
            decision = self.take(fromCloud("update", f"default/{kind}/x", {}))
            self.assertEqual([send.module for send in decision.sends], ["websocket", consumer])

    def test_byModule(self) -> None:
        """A module that inserts something is answered itself, not the cloud."""
        self.assertEqual(
            self.sends(asked("insert", "default/rule/r", {})),
            ['ANSWER edgemesh: response "OK"', "PUSH edged: insert {}"],
        )

    def test_list(self) -> None:
        """A list of Services becomes a row for each; the list goes to the mesh."""
        content = [service("a", 5), service("b", 6)]
        sends = self.sends(fromCloud("update", "namespace/servicelist/service", content))
        self.assertEqual(
            sends, ['ACKNOWLEDGE websocket: response "OK"', "PUSH edgemesh: update ..."]
        )
        self.assertEqual(len(list(self.query("all/service") or ())), 2)  # type: ignore[call-overload]
        self.assertIsNone(self.query("namespace/servicelist/service"))

    def test_listPartlyObsolete(self) -> None:
        """The mesh is not handed what is older than what it has."""
        self.take(fromCloud("insert", "default/service/a", service("a", 9)))
        content = [service("a", 5), service("b", 6)]
        decision = self.take(fromCloud("update", "namespace/servicelist/service", content))
        self.assertEqual(decision.sends[1].message.value(), [service("b", 6)])
        self.assertIn('"9"', str(self.query("default/service/a")))

    def test_nameless(self) -> None:
        """What has no name, or no type, cannot be stored; the sender hears why."""
        for resource in ("default/service", "x", "", "a/b/c/d", "default//x"):
            decision = self.take(fromCloud("insert", resource, {}))
            self.assertEqual(decision.outcome, Outcome.REFUSED)
            self.assertEqual([send.module for send in decision.sends], ["websocket"])
            self.assertTrue(decision.sends[0].message.isError())
        self.assertEqual(self.rows.rows, {})


class ListenerTests(Case):
    """Virtual addresses, which the mesh keeps here."""

    KEY = "default/listener/default.web"

    def test_life(self) -> None:
        """Kept, found with its quotes, deleted; nobody else hears of it."""
        insert = asked("insert", self.KEY, "9.251.0.1")
        self.assertEqual(self.sends(insert), ["ANSWER edgemesh: response null"])
        self.assertEqual(self.query(self.KEY), ['"9.251.0.1"'])
        self.assertEqual(self.sends(asked("delete", self.KEY)), ['ANSWER edgemesh: response "OK"'])
        self.assertIsNone(self.query(self.KEY))


class QueryTests(Case):
    """Questions of modules."""

    def test_found(self) -> None:
        """An answer is a list of JSON texts, from metamanager."""
        self.take(fromCloud("insert", WEB, service()))
        request = asked("query", WEB)
        decision = self.take(request)
        answer = decision.sends[0].message
        self.assertEqual(decision.outcome, Outcome.FOUND)
        self.assertEqual([json.loads(each) for each in answer.documents()], [service()])
        self.assertEqual(answer.header.parent_msg_id, request.header.msg_id)
        self.assertEqual((answer.route.source, answer.route.group), ("metamanager", "meta"))

    def test_miss(self) -> None:
        """What is not there is answered null, not with an error."""
        self.assertIsNone(self.query(WEB))
        self.assertIsNone(self.query("all/service"))
        self.assertEqual(self.metamanager.counts[Outcome.MISSED], 2)

    def test_oldName(self) -> None:
        """The name in its answers is the one that a peer expects."""
        self.metamanager = MetaManager(maker(), "metaManager")
        answer = self.take(asked("query", WEB)).sends[0].message
        self.assertEqual(answer.route.source, "metaManager")

    def test_page(self) -> None:
        """A part of a type can be asked for."""
        for name in "abc":
            self.take(fromCloud("insert", f"default/service/{name}", service(name)))
        page = self.query("all/service", {"limit": 1, "after": "default/service/a"})
        self.assertEqual(
            page, {"items": [self.rows.value("default/service/b")], "next": "default/service/b"}
        )

    def test_nonsense(self) -> None:
        """A question about nothing is an error, to who asks."""
        decision = self.take(asked("query", "a/b/c/d"))
        send = decision.sends[0]
        self.assertEqual((send.purpose, send.module), (Purpose.ANSWER, "edgemesh"))
        self.assertIn("a/b/c/d", send.message.text())


class RemoteTests(Case):
    """Questions that are asked of the cloud on a module's behalf."""

    RESOURCE = "default/endpoints/web"

    def ask(self) -> tuple[Message, Message]:
        """A module asks; its request, and the question to the cloud."""
        request = asked("query", self.RESOURCE)
        decision = self.take(request)
        self.assertEqual([short(send) for send in decision.sends], ["ASK websocket: query null"])
        return request, decision.sends[0].message

    def answer(self, question: Message, content: object, operation: str = "response") -> Decision:
        """The cloud answers."""
        answer = fromCloud(operation, self.RESOURCE, content, "7")
        header = type(answer.header)(
            msg_id="cloud", parent_msg_id=question.header.msg_id, timestamp=5
        )
        return self.take(Message(header, answer.route, answer.content))

    def test_offline(self) -> None:
        """Without the cloud nobody waits for it."""
        self.assertIsNone(self.query(self.RESOURCE))

    def test_known(self) -> None:
        """What is in the database is answered from there."""
        self.take(fromCloud("insert", self.RESOURCE, {}))
        self.connect()
        self.assertEqual(self.query(self.RESOURCE), ["{}"])

    def test_question(self) -> None:
        """The cloud is asked the same under an id of its own."""
        self.connect()
        request, question = self.ask()
        self.assertNotEqual(question.header.msg_id, request.header.msg_id)
        self.assertEqual(question.route, request.route)
        self.assertTrue(question.header.sync)

    def test_answer(self) -> None:
        """The answer is stored, acknowledged and passed on as the answer to the request."""
        self.connect()
        request, question = self.ask()
        decision = self.answer(question, {"subsets": []})
        self.assertEqual(
            [short(send) for send in decision.sends],
            [
                'ACKNOWLEDGE websocket: response "OK"',
                'ANSWER edgemesh: response {"subsets":[]}',
            ],
        )
        passed = decision.sends[1].message
        self.assertEqual(passed.header.parent_msg_id, request.header.msg_id)
        self.assertEqual(passed.route.source, "edgecontroller")
        self.assertEqual(self.query(self.RESOURCE), ['{"subsets":[]}'])

    def test_once(self) -> None:
        """A second answer to the same question is dropped without an answer."""
        self.connect()
        _, question = self.ask()
        self.answer(question, {})
        decision = self.answer(question, {}, "error")
        self.assertEqual((decision.outcome, decision.sends), (Outcome.REFUSED, ()))

    def test_nothing(self) -> None:
        """That the cloud has no such thing, or an error, is passed on and not stored."""
        self.connect()
        for content, operation in ((None, "response"), ("not found", "error")):
            _, question = self.ask()
            decision = self.answer(question, content, operation)
            self.assertEqual([send.module for send in decision.sends], ["edgemesh"])
            self.assertEqual(decision.sends[0].message.value(), content)
        self.assertEqual(self.rows.rows, {})

    def test_late(self) -> None:
        """A cloud that does not answer is an error for the module, once."""
        self.connect()
        _, question = self.ask()
        for expected in (1, 0):
            decision = self.metamanager.expire(question.header.msg_id)
            self.metamanager.settle(decision)
            self.assertEqual(len(decision.sends), expected)
        self.assertIn("0 questions", repr(self.metamanager))

    def test_linkLost(self) -> None:
        """When the link goes, whoever waits is told so at once."""
        self.connect()
        request, _ = self.ask()
        decision = self.connect("cloud_disconnected")
        error = decision.sends[0].message
        self.assertTrue(error.isError())
        self.assertEqual(error.header.parent_msg_id, request.header.msg_id)
        self.assertFalse(self.metamanager.connected)

    def test_bounded(self) -> None:
        """Too many open questions are refused."""
        self.patch(module, "MAX_ASKED", 1)
        self.connect()
        self.ask()
        decision = self.take(asked("query", "default/secret/x"))
        self.assertEqual(decision.outcome, Outcome.REFUSED)
        self.assertTrue(decision.sends[0].message.isError())

    def test_fresh(self) -> None:
        """A Node is asked for every time, except one of this node's own manifests."""
        self.take(fromCloud("insert", "null/node/n1", {}))
        self.connect()
        decision = self.take(asked("query", "null/node/n1"))
        self.assertEqual(decision.outcome, Outcome.ASKED)
        self.rows.origins["null/node/n1"] = "manifests"
        self.assertEqual(self.query("null/node/n1"), ["{}"])

    def test_unsolicited(self) -> None:
        """An answer of the cloud's that nobody asked for is stored and handed on."""
        response = fromCloud("response", self.RESOURCE, {"subsets": []})
        self.assertEqual(self.sends(response), ['PUSH edgemesh: response {"subsets":[]}'])
        self.assertEqual(self.query(self.RESOURCE), ['{"subsets":[]}'])


class OddTests(Case):
    """What makes no sense."""

    def test_operation(self) -> None:
        """An unknown operation is an error for who sent it, and counted."""
        decision = self.take(asked("frobnicate", WEB))
        self.assertIn("frobnicate", decision.sends[0].message.text())
        self.assertEqual(self.metamanager.counts[Outcome.REFUSED], 1)

    def test_link(self) -> None:
        """Of the link only two things can be said."""
        self.assertEqual(self.connect("cloud_wobbly").outcome, Outcome.REFUSED)
        self.assertFalse(self.metamanager.connected)

    def test_unstored(self) -> None:
        """What could not be stored is an error for a module; the cloud sends it again."""
        refused = self.metamanager.unstored(asked("insert", WEB), "no space")
        self.assertEqual([short(send) for send in refused.sends],
                         ['ANSWER edgemesh: error "no space"'])  # fmt: skip
        silent = self.metamanager.unstored(fromCloud("insert", WEB, {}), "no space")
        self.assertEqual(silent.sends, ())

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(
        st.sampled_from(
            ["insert", "update", "delete", "query", "response", "error", "connect", ""]
        ),
        st.sampled_from([WEB, "namespace/servicelist/service", "all/service", "null/node/n", "x"])
        | st.text(max_size=8),
        st.sampled_from(["resource", "meta", ""]),
        st.recursive(
            st.none() | st.integers(0, 9) | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["metadata", "name", "uid", "x"]), inner, max_size=3
                )
            ),
            max_leaves=6,
        ),
    )
    def test_anything(self, operation: str, resource: str, group: str, content: object) -> None:
        """Whatever comes is decided about, once and again; no answer is answered with an error."""
        message = maker().newMessage("id9").buildRouter("edgemesh", group, resource, operation)
        decision = self.take(message.fillBody(content))
        if operation in ("response", "error"):
            self.assertFalse(any(send.message.isError() for send in decision.sends))
        before = dict(self.rows.rows)
        self.take(message.fillBody(content))
        self.assertEqual(self.rows.rows, before)
