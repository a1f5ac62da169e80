"""Messages: made as Go makes them, and read as what one expects."""

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Header, Message, Route, unquoted
from edgemesh.errors import LocalProtocolError, RemoteProtocolError
from tests.beehive.samples import answer, messages, query


class MakingTests(SynchronousTestCase):
    """The constructors."""

    def test_newMessage(self) -> None:
        """A new Message has an id, a time, and nothing else."""
        made = messages().newMessage("parent")
        self.assertEqual(made.header, Header(msg_id="id-1", parent_msg_id="parent", timestamp=1001))
        self.assertEqual((made.route, made.isNull()), (Route(), True))

    def test_buildRouter(self) -> None:
        """A Message is addressed in one step, without losing its destination."""
        made = messages().newMessage().setDestination("metamanager")
        self.assertEqual(
            made.buildRouter("edgemesh", "meta", "a/b/c", "query").route,
            Route("edgemesh", "metamanager", "meta", "query", "a/b/c"),
        )

    def test_unchanged(self) -> None:
        """What is set is set in a copy: whoever holds the Message sees no change."""
        made = messages().newMessage()
        changed = made.setType("unixpacket").setSync(True).setResourceVersion("7").fillBody(1)
        self.assertEqual(made, Message(Header(msg_id="id-1", timestamp=1001)))
        self.assertEqual(
            changed.header,
            Header(
                msg_id="id-1", timestamp=1001, resourceversion="7", sync=True, type="unixpacket"
            ),
        )

    def test_response(self) -> None:
        """An answer goes back to the asker: its source, group, resource and type are kept."""
        request = query().setDestination("metamanager").setType("unixpacket")
        made = messages().newRespByMessage(request, "OK")
        self.assertEqual(
            made.header,
            Header(msg_id="id-1", parent_msg_id="id-1", timestamp=1001, type="unixpacket"),
        )
        self.assertEqual(made.route, Route("edgemesh", "", "meta", "response", "default/service/b"))
        self.assertEqual(made.text(), "OK")

    def test_error(self) -> None:
        """An error says what it is about and what went wrong, and nothing else."""
        made = messages().newErrorMessage(query(), "no disk")
        self.assertEqual(made.header.parent_msg_id, query().header.msg_id)
        self.assertEqual(made.route, Route(operation="error", resource="default/service/b"))
        self.assertEqual((made.text(), made.isError()), ("no disk", True))

    def test_oldError(self) -> None:
        """An old peer finds its error by its request's parent."""
        made = messages().newErrorMessage(query(), "no disk", oldParent=True)
        self.assertEqual(made.header.parent_msg_id, "before")

    def test_clone(self) -> None:
        """A clone is new, and drops what only the original's way was about."""
        original = query().setDestination("x").setType("t").setResourceVersion("7").fillBody([1])
        maker = messages()
        maker.newMessage()
        made = maker.clone(original)
        self.assertEqual(made.header, Header(msg_id="id-2", parent_msg_id="before", timestamp=1001))
        self.assertEqual(made.route, query().route)
        self.assertEqual(made.value(), [1])

    def test_updateID(self) -> None:
        """Another id, so that the question can be asked on behalf of somebody."""
        maker = messages()
        maker.newMessage()
        made = maker.updateID(query())
        self.assertEqual(made.header.msg_id, "id-2")
        self.assertEqual((made.header.parent_msg_id, made.header.sync), ("before", True))

    def test_fillBody(self) -> None:
        """Bytes become base64, JSON that is there stays, and nonsense is our own fault."""
        made = messages().newMessage()
        self.assertEqual(bytes(made.fillBody(b"\x00\xff").content), b'"AP8="')
        self.assertEqual(bytes(made.fillBody(Raw(b"[1.50]")).content), b"[1.50]")
        self.assertRaises(LocalProtocolError, made.fillBody, object())

    def test_repr(self) -> None:
        """A log shows what a Message is about, never what is in it."""
        shown = repr(answer({"password": "secret"}))
        self.assertIn("response 'default/service/b'", shown)
        self.assertIn("parent='id-1'", shown)
        self.assertNotIn("secret", shown)


class CorrelationTests(SynchronousTestCase):
    """Which question an answer belongs to."""

    def test_byID(self) -> None:
        """The answer names the question."""
        self.assertTrue(answer(None).isAnswerTo(query()))
        self.assertFalse(messages().newMessage("id-2").isAnswerTo(query()))

    def test_oldError(self) -> None:
        """An old peer's error is recognised by the parent and the resource."""
        made = messages().newErrorMessage(query(), "no disk", oldParent=True)
        self.assertTrue(made.isAnswerTo(query()))
        self.assertFalse(made.isAnswerTo(query("default/service/c")))

    def test_noOtherOldAnswer(self) -> None:
        """Nothing but an error may answer in that way."""
        push = messages().newMessage("before").setResourceOperation("default/service/b", "update")
        asked = Message(Header(msg_id="x", parent_msg_id="before", timestamp=1), query().route)
        self.assertFalse(push.isAnswerTo(asked))

    def test_pushWithoutParent(self) -> None:
        """A push is no answer to a question without a parent."""
        push = messages().newMessage().setResourceOperation("default/service/b", "update")
        asked = Message(Header(msg_id="x", timestamp=1), query().route)
        self.assertFalse(push.isAnswerTo(asked))


class ContentTests(SynchronousTestCase):
    """The content, as what one expects it to be."""

    def test_object(self) -> None:
        """An object is read as one, and nothing else is."""
        self.assertEqual(answer({"kind": "Service"}).object(), {"kind": "Service"})
        for content in (None, [], "x", 1):
            self.assertRaises(RemoteProtocolError, answer(content).object)

    def test_text(self) -> None:
        """A string is read as one, and nothing else is."""
        self.assertEqual(answer("a<b").text(), "a<b")
        for content in (None, [], {}, 1):
            self.assertRaises(RemoteProtocolError, answer(content).text)

    def test_binary(self) -> None:
        """Binary bodies survive; nothing is an empty one, as in Go."""
        everything = bytes(range(256))
        self.assertEqual(answer(everything).binary(), everything)
        self.assertEqual(answer(None).binary(), b"")
        self.assertEqual(answer("AP\r\n8=").binary(), b"\x00\xff")

    def test_noBinary(self) -> None:
        """What is not base64 is not guessed at."""
        for content in ("AP8", "AP8=AP8=", "A P8=", "AP_=", "\u20ac", 1, {}):
            self.assertRaises(RemoteProtocolError, answer(content).binary)

    def test_notDecodedUnasked(self) -> None:
        """A string that looks like base64 stays a string until somebody asks."""
        self.assertEqual(answer(b"\x00\xff").text(), "AP8=")

    def test_data(self) -> None:
        """What is stored of it: strings bare, all else as JSON with sorted keys."""
        made = answer(None)
        self.assertEqual(made.data(), b"null")
        self.assertEqual(made.fillBody("9.251.0.1").data(), b"9.251.0.1")
        self.assertEqual(made.fillBody(Raw(b'{"b":1.0,"a":"<"}')).data(), b'{"a":"\\u003c","b":1}')

    def test_malformed(self) -> None:
        """A content that is no JSON is found out when it is asked for."""
        made = Message(Header(msg_id="x", timestamp=1), Route(), Raw(b"1e400"))
        self.assertRaises(RemoteProtocolError, made.value)


class DocumentsTests(SynchronousTestCase):
    """Both shapes of an answer to a query."""

    def test_database(self) -> None:
        """A hit in the database is a list of JSON texts."""
        self.assertEqual(answer(['{"a":1}', "[2]"]).documents(), (b'{"a":1}', b"[2]"))

    def test_cloud(self) -> None:
        """A hit in the cloud is the object, or list of objects, itself."""
        self.assertEqual(answer({"a": 1}).documents(), (b'{"a":1}',))
        self.assertEqual(answer([{"a": 1}]).documents(), (b'[{"a":1}]',))

    def test_string(self) -> None:
        """A document may come as one string."""
        self.assertEqual(answer('{"a":1}').documents(), (b'{"a":1}',))

    def test_miss(self) -> None:
        """A miss has none, whichever way it is said."""
        self.assertEqual((answer(None).documents(), answer([]).documents()), ((), ()))

    def test_unquoted(self) -> None:
        """The virtual address of a Service is read as any metamanager stores it."""
        self.assertEqual((unquoted(b'"9.251.0.1"'), unquoted(b"9.251.0.1")), (b"9.251.0.1",) * 2)
        self.assertRaises(RemoteProtocolError, unquoted, b'"9.251')
