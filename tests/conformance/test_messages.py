"""Messages as KubeEdge writes them: read, and written again to the same bytes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive import gojson
from edgemesh.beehive.codec import Form, Unpacker, decode, encode, pack
from edgemesh.beehive.message import Header, Message, Messages, Route
from edgemesh.beehive.names import METAMANAGER, METAMANAGER_OLD, OK
from tests.conformance.captures import Capture, captures

_VECTORS = Path(__file__).parent / "vectors" / "messages"
_FORMS = {"sparse": Form.SPARSE, "old": Form.OLD, "full": Form.FULL}
#: Files that hold a conversation, in order.
_CONVERSATIONS = ("sockcap_", "meta_", "metamaster_")
#: Files that hold one Message each.
_PLAIN = ("msg_", "v1.1_", "sock_module_", "sock_raw_", *_CONVERSATIONS)


@dataclass(frozen=True, slots=True)
class Vector:
    """One record of our own making, and what it means."""

    name: str
    record: bytes
    form: Form
    message: Message
    again: bytes = field(repr=False)


@cache
def vectors() -> tuple[Vector, ...]:
    """All of them."""
    return tuple(
        _vector(path.stem, **entry)
        for path in sorted(_VECTORS.glob("*.json"))
        for entry in json.loads(path.read_text("ascii"))
    )


def _vector(
    category: str,
    name: str,
    record: str,
    header: dict[str, Any],
    route: dict[str, Any],
    content: object,
    form: str = "sparse",
    again: str | None = None,
) -> Vector:
    # As the json module spells it: which spelling is right is not decided here.
    message = Message(Header(**header), Route(**route), Raw(json.dumps(content).encode()))
    expected = record if again is None else again
    return Vector(f"{category}: {name}", record.encode(), _FORMS[form], message, expected.encode())


def formOf(capture: Capture) -> Form:
    """Which empty fields its writer writes."""
    return Form.OLD if capture.name.startswith("v1.1_") else Form.SPARSE


def written(message: Message, original: bytes, form: Form = Form.SPARSE) -> bytes:
    """The message as a record, or without a newline if the original has none."""
    return encode(message, form) + original[len(original.rstrip(b"\n")) :]


def maker(like: Message) -> Messages:
    """Makes Messages with the id and the time of this one."""
    return Messages(lambda: like.header.msg_id, lambda: like.header.timestamp)


def answered(messages: Iterable[Message]) -> list[tuple[Message, Message]]:
    """Requests and their answers, of Messages in the order of their time."""
    asked: dict[str, Message] = {}
    pairs = []
    for message in messages:
        if message.header.parent_msg_id in asked:
            pairs.append((asked[message.header.parent_msg_id], message))
        asked[message.header.msg_id] = message
    return pairs


def rebuilt(request: Message, answer: Message) -> Message:
    """The answer, made as its module made it: by a constructor and what modules add to it."""
    make = maker(answer)
    if answer.isError():
        made = make.newErrorMessage(request, answer.text()).setType(answer.header.type)
    else:
        made = make.newRespByMessage(request, answer.content)
    # metamanager's own name, as it answers; a socket's destination.
    made = made.setRoute(answer.route.source, answer.route.group)
    return made.setDestination(answer.route.destination)


class VectorTests(SynchronousTestCase):
    """Messages of our own making, from the description of the format."""

    def test_corpus(self) -> None:
        """There is a vector for every shape, each of them once."""
        names = [vector.name for vector in vectors()]
        self.assertGreaterEqual(len(set(names)), 35)
        self.assertEqual(len(set(names)), len(names))

    def test_read(self) -> None:
        """Each means what its description says."""
        for vector in vectors():
            message = decode(vector.record)
            self.assertEqual(message.header, vector.message.header, vector.name)
            self.assertEqual(message.route, vector.message.route, vector.name)
            self.assertEqual(message.value(), vector.message.value(), vector.name)

    def test_written(self) -> None:
        """Each is written again to the same bytes, a lenient one to those that Go would write."""
        for vector in vectors():
            again = written(decode(vector.record), vector.again, vector.form)
            self.assertEqual(again, vector.again, vector.name)

    def test_fromValues(self) -> None:
        """A content that is made of plain values is written to the same bytes as well."""
        kept = [v for v in vectors() if not isinstance(v.message.value(), dict)]
        for vector in kept:
            made = vector.message.fillBody(vector.message.value())
            self.assertEqual(written(made, vector.again, vector.form), vector.again, vector.name)

    def test_packed(self) -> None:
        """Each survives the frame for byte streams."""
        stream = b"".join(pack(vector.record.rstrip()) for vector in vectors())
        self.assertEqual(Unpacker().feed(stream), [v.record.rstrip() for v in vectors()])


class CaptureTests(SynchronousTestCase):
    """What real KubeEdge wrote."""

    def test_written(self) -> None:
        """Every Message of every version is written again to the same bytes."""
        for capture in captures(*_PLAIN):
            again = written(decode(capture.data), capture.data, formOf(capture))
            self.assertEqual(again, capture.data, capture.name)

    def test_bareContent(self) -> None:
        """
        The content made anew from plain values has the same bytes too.

        Except where Go had a struct: its fields come in their own order, which plain
        values do not know.  Those have the same bytes once their keys are sorted.
        """
        exceptions = []
        for capture in captures(*_PLAIN):
            content = decode(capture.data).content
            made = gojson.encode(gojson.decode(bytes(content)))
            if made != bytes(content):
                self.assertEqual(sorted(made), sorted(bytes(content)), capture.name)
                exceptions.append(capture)
        generic = ("map[string]interface {}", "[]interface {}", "[]string", "string", "<nil>")
        self.assertEqual([c.name for c in exceptions if c.goType in generic], [])

    def test_objects(self) -> None:
        """Kubernetes objects pass through a Message unchanged, whatever the order of their keys."""
        for capture in captures("k8s_"):
            carried = Message(Header(msg_id="", timestamp=0)).fillBody(Raw(capture.data))
            self.assertEqual(bytes(decode(encode(carried)).content), capture.data, capture.name)

    def test_sortedObjects(self) -> None:
        """Written from plain values they are what Go made of them on the way to a node."""
        objects = {c.name: gojson.encode(gojson.decode(c.data)) for c in captures("k8s_")}
        pushed = {bytes(decode(c.data).content) for c in captures("meta_") if "_in" in c.name}
        for name in ("k8s_service.json", "k8s_endpoints.json", "k8s_podlist_array.json"):
            self.assertIn(objects[name], pushed, name)

    def test_pack(self) -> None:
        """The frame for byte streams is KubeEdge's."""
        for capture in captures("sock_packer_"):
            payloads = Unpacker().feed(capture.data)
            self.assertEqual([pack(payload) for payload in payloads], [capture.data])
            self.assertEqual(encode(decode(payloads[0])), payloads[0])

    def test_oldAndNew(self) -> None:
        """A Message of KubeEdge 1.1 is the same Message in the new form."""
        for capture in captures("v1.1_"):
            message = decode(capture.data)
            self.assertEqual(decode(encode(message)), message, capture.name)


class ConstructorTests(SynchronousTestCase):
    """The constructors make what KubeEdge's made."""

    def pairs(self, *prefixes: str) -> list[tuple[Message, Message]]:
        """Requests and answers in the captured conversations."""
        pairs: list[tuple[Message, Message]] = []
        for prefix in prefixes:
            pairs += answered(decode(capture.data) for capture in captures(prefix))
        return pairs

    def test_answers(self) -> None:
        """Every answer is its request's NewRespByMessage or NewErrorMessage, byte for byte."""
        # An answer of the cloud, passed on by metamanager, carries the object's version,
        # which neither constructor sets.
        own = [pair for pair in self.pairs(*_CONVERSATIONS) if not pair[1].header.resourceversion]
        self.assertGreaterEqual(len(own), 35)
        for request, answer in own:
            self.assertEqual(encode(rebuilt(request, answer)), encode(answer))
            self.assertTrue(answer.isAnswerTo(request))

    def test_acknowledgements(self) -> None:
        """An OK to the cloud needs nothing but the constructor."""
        pairs = [p for p in self.pairs("meta_", "metamaster_") if p[1].content == Raw(b'"OK"')]
        self.assertGreaterEqual(len(pairs), 12)
        for request, answer in pairs:
            self.assertEqual(maker(answer).newRespByMessage(request, OK), answer)

    def test_fromTheCloud(self) -> None:
        """What the cloud answered belongs to the question that was asked on somebody's behalf."""
        passed = [p for p in self.pairs("meta_", "metamaster_") if p[1].header.resourceversion]
        self.assertGreaterEqual(len(passed), 4)
        for request, answer in passed:
            self.assertEqual(answer.route.resource, request.route.resource)
            self.assertEqual(answer.documents(), (bytes(answer.content),))

    def test_askedOnBehalf(self) -> None:
        """What metamanager asks the cloud is the question it was asked, under another id."""
        for prefix in ("meta_", "metamaster_"):
            messages = [decode(capture.data) for capture in captures(prefix)]
            asked = [m for m in messages if m.route.operation == "query"]
            passed = [m for m in asked if m.header.sync]
            self.assertTrue(passed)
            for message in passed:
                again = [maker(message).updateID(m).setSync(True) for m in asked if m != message]
                self.assertIn(message, again)

    def test_oldError(self) -> None:
        """An error of KubeEdge 1.1 finds its request by the request's parent."""
        for capture in captures("v1.1_msg_error_parent_bug"):
            error = decode(capture.data)
            parent = error.header.parent_msg_id
            asked = Message(
                Header(msg_id="asked", parent_msg_id=parent, timestamp=1),
                Route("edgemesh", "", "meta", "query", error.route.resource),
            )
            made = maker(error).newErrorMessage(asked, error.text(), oldParent=True)
            self.assertEqual(encode(made, Form.OLD), capture.data)
            self.assertTrue(error.isAnswerTo(asked))

    def test_shapesOfAnswers(self) -> None:
        """Every hit in a database is a list of documents; what is missing has none."""
        queries = [p for p in self.pairs("meta_", "metamaster_") if p[0].route.operation == "query"]
        answers = [a for _, a in queries if a.route.source in (METAMANAGER, METAMANAGER_OLD)]
        self.assertEqual({len(a.documents()) for a in answers}, {0, 1})
        for answer in answers:
            self.assertEqual(answer.isNull(), not answer.documents())
            for document in answer.documents():
                gojson.decode(document)
