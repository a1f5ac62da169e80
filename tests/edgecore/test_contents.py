"""What is read of a Message's content."""

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.resource import Resource
from edgemesh.edgecore import contents
from edgemesh.edgecore.contents import Found, answer, items, unwrapped
from edgemesh.edgecore.rows import Row, Upsert
from edgemesh.errors import RemoteProtocolError
from tests.edgecore.fakes import MemoryRows, asked, fromCloud, service, text


class TextTests(SynchronousTestCase):
    """The text that is stored."""

    def test_oneLine(self) -> None:
        """White space between tokens goes; that in strings stays."""
        message = asked("insert", "x").fillBody(Raw(b'{ "a" :\n [1, " b "] }'))
        self.assertEqual(contents.text(message), '{"a":[1," b "]}')

    def test_string(self) -> None:
        """A string keeps its quotes."""
        self.assertEqual(contents.text(asked("insert", "x", "9.251.0.1")), '"9.251.0.1"')

    def test_broken(self) -> None:
        """What is no JSON is not stored."""
        message = asked("insert", "x").fillBody(Raw(b'{"a":'))
        self.assertRaises(RemoteProtocolError, contents.text, message)


class ItemsTests(SynchronousTestCase):
    """Lists that become rows."""

    def test_rows(self) -> None:
        """Each item under the key that it has by itself."""
        message = fromCloud("update", "namespace/servicelist/service", [service(), service("api")])
        rows = items(message, "servicelist")
        self.assertEqual([row.key for row in rows], ["default/service/web", "default/service/api"])
        self.assertEqual(rows[0], Row("default/service/web", "service", text(service())))

    def test_noList(self) -> None:
        """Anything but a list of objects with names is refused as a whole."""
        for content in ({}, "x", None, [5], [{}], [{"metadata": {}}], [service(), []]):
            message = fromCloud("update", "namespace/servicelist/service", content)
            self.assertRaises(RemoteProtocolError, items, message, "servicelist")


class AnswerTests(SynchronousTestCase):
    """What a query finds."""

    def setUp(self) -> None:
        self.rows = MemoryRows()
        for name in "abc":
            row = Row(f"default/service/{name}", "service", text(service(name)))
            self.rows.apply([Upsert(row)])

    def ask(self, content: object = None) -> object:
        """The answer to a query for all Services."""
        return answer(self.rows, Resource("all", "service"), asked("query", "all/service", content))

    def test_one(self) -> None:
        """By name, or nothing."""
        about = Resource("default", "service", "a")
        query = asked("query", str(about))
        self.assertEqual(answer(self.rows, about, query), [text(service("a"))])
        self.assertIsNone(answer(self.rows, Resource("default", "service", "x"), query))

    def test_all(self) -> None:
        """By type; a content that is no page is ignored, as KubeEdge ignores it."""
        everything = [text(service(name)) for name in "abc"]
        for content in (None, "", {}, [], {"limit": "2", "after": ""}):
            self.assertEqual(self.ask(content), everything)

    def test_none(self) -> None:
        """Of a type without rows there is nothing."""
        self.assertIsNone(answer(self.rows, Resource("all", "pod"), asked("query", "all/pod")))

    def test_pages(self) -> None:
        """A page at a time, each with the key to go on after."""
        first = {"items": [text(service("a")), text(service("b"))], "next": "default/service/b"}
        second = {"items": [text(service("c"))], "next": ""}
        self.assertEqual(self.ask({"limit": 2, "after": ""}), first)
        self.assertEqual(self.ask({"limit": 2, "after": "default/service/b"}), second)

    def test_empty(self) -> None:
        """A page behind the last row is empty."""
        wish = {"limit": 2, "after": "default/service/c"}
        self.assertEqual(self.ask(wish), {"items": [], "next": ""})


class UnwrappedTests(SynchronousTestCase):
    """Answers of the cloud."""

    def response(self, content: object, operation: str = "response") -> Found:
        """What is in an answer."""
        return unwrapped(fromCloud(operation, "null/node/n1", content))

    def test_plain(self) -> None:
        """An object stands for itself."""
        found = self.response(service())
        self.assertEqual((found.stored, found.message.object()), (True, service()))

    def test_wrapped(self) -> None:
        """An object in a wrapping is taken out."""
        found = self.response({"Object": service(), "Err": None})
        self.assertEqual((found.stored, found.message.object()), (True, service()))

    def test_nothing(self) -> None:
        """Errors, in a wrapping or not, and null hold nothing to store."""
        wrapped = {"Object": None, "Err": {"ErrStatus": {"code": 404}}}
        self.assertEqual(self.response(wrapped).stored, False)
        self.assertEqual(self.response(wrapped).message.object(), wrapped)
        self.assertEqual(self.response(None).stored, False)
        self.assertEqual(self.response("not found", "error").stored, False)
