"""Tests for :mod:`edgemesh.link.moduleclient`."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.link.moduleclient import PATIENCE, ErrorAnswer
from edgemesh.link.modulelink import INTRODUCTION
from edgemesh.link.modules import Directory
from edgemesh.link.pages import Row, page, pageWish
from edgemesh.link.pending import AnswerCounts, Unanswered
from edgemesh.link.records import LinkClosed, RecordProtocol, TooLarge
from tests.link.samples import SERVICE
from tests.link.scenes import SceneMixin

HERE = Directory(("metamanager",), {"meta": ("metamanager",)})


class ClientTests(SceneMixin, SynchronousTestCase):
    """A module that asks those of another process."""

    def test_linked(self) -> None:
        """The user learns who can be asked, once the server has let it in."""
        self.client.startService()
        self.assertEqual(self.user.told, [])
        self.settle()
        self.assertEqual(self.user.told, [HERE])
        self.assertEqual(self.client.redialler.failures, 0)

    def test_answered(self) -> None:
        """A request gets its answer; the next one can be asked meanwhile."""
        self.link()
        first = self.client.ask(self.query(), "metamanager")
        second = self.client.ask(self.query("default/service/c"), "metamanager")
        self.settle()
        one, two = self.metamanager.asked
        self.metamanager.answer("two", two)
        self.metamanager.answer("one", one)
        self.settle()
        self.assertEqual(self.successResultOf(first).text(), "one")
        self.assertEqual(self.successResultOf(second).text(), "two")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_error(self) -> None:
        """An error fails the request with the other module's own text."""
        self.link()
        for content, expected in (("boom", "boom"), ({"ErrStatus": {}}, '{"ErrStatus":{}}')):
            asked = self.client.ask(self.query(), "metamanager")
            self.settle()
            request = self.metamanager.asked[-1]
            error = self.server.messages.newErrorMessage(request, "").fillBody(content)
            self.server.answer(request, error)
            self.settle()
            self.assertEqual(str(self.failureResultOf(asked, ErrorAnswer).value), expected)

    def test_noAnswer(self) -> None:
        """A request without an answer fails in time, and a late answer is dropped."""
        self.link()
        asked = self.client.ask(self.query(), "metamanager")
        short = self.client.ask(self.query(), "metamanager", patience=1.0)
        self.settle()
        self.reactor.advance(1.0)
        self.failureResultOf(short, Unanswered)
        self.reactor.advance(PATIENCE - 1.1)
        self.assertNoResult(asked)
        self.reactor.advance(0.2)
        self.assertIn(SERVICE, str(self.failureResultOf(asked, Unanswered).value))
        self.metamanager.answer("late")
        self.settle()
        self.assertEqual(self.client.pending.counts, AnswerCounts(late=1))

    def test_cancelled(self) -> None:
        """Who does not want the answer any more says so; nothing is left behind."""
        self.link()
        asked = self.client.ask(self.query(), "metamanager")
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.settle()
        self.metamanager.answer("late")
        self.settle()
        self.assertEqual(self.client.pending.counts, AnswerCounts(late=1))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_twice(self) -> None:
        """A second answer is dropped and counted."""
        self.link()
        self.client.ask(self.query(), "metamanager")
        self.settle()
        self.metamanager.answer("one")
        self.metamanager.answer("one")
        self.settle()
        self.assertEqual(self.client.pending.counts, AnswerCounts(taken=1, duplicate=1))

    def test_noLink(self) -> None:
        """Without a link a request fails at once."""
        self.failureResultOf(self.client.ask(self.query(), "metamanager"), Unanswered)

    def test_lost(self) -> None:
        """When the link is lost every request fails, the user is told, and it comes back."""
        self.link()
        asked = self.client.ask(self.query(), "metamanager")
        self.settle()
        self.server.stopService()
        self.settle()
        self.failureResultOf(asked, Unanswered)
        self.assertEqual(self.user.told, [HERE, "unlinked"])
        self.server.startService()
        self.reactor.advance(0.5)
        self.settle()
        self.assertEqual(self.user.told, [HERE, "unlinked", HERE])
        again = self.client.ask(self.query(), "metamanager")
        self.settle()
        self.metamanager.answer(None)
        self.settle()
        self.assertTrue(self.successResultOf(again).isNull())

    def test_pushed(self) -> None:
        """Pushes come in the order in which they were sent, among the answers."""
        self.link()
        news = self.server.messages.newMessage().buildRouter(
            "edgecontroller", "resource", SERVICE, "update"
        )
        for number in range(3):
            self.server.push("edgemesh", news.fillBody(number))
        self.settle()
        self.assertEqual([told.value() for told in self.user.told[1:]], [0, 1, 2])

    def test_tooLarge(self) -> None:
        """A request that cannot be sent fails at once with its size; the link lives."""
        self.link()
        huge = self.query().fillBody("x" * 300_000)
        asked = self.client.ask(huge, "metamanager")
        self.assertGreater(self.failureResultOf(asked, TooLarge).value.size, 300_000)
        small = self.client.ask(self.query(), "metamanager")
        self.settle()
        self.metamanager.answer(None)
        self.settle()
        self.successResultOf(small)
        self.assertEqual(len(self.metamanager.asked), 1)

    def test_stopping(self) -> None:
        """While it stops, what is asked fails at once, and what was asked when it has stopped."""
        self.link()
        early = self.client.ask(self.query(), "metamanager")
        stopped = self.client.stopService()
        self.failureResultOf(self.client.ask(self.query(), "metamanager"), LinkClosed)
        self.settle()
        self.successResultOf(stopped)
        self.failureResultOf(early, Unanswered)
        self.assertEqual(self.user.told, [HERE, "unlinked"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_notLetIn(self) -> None:
        """A server that hangs up, or stays silent, is tried again, less and less often."""
        self.client._name = "intruder"
        self.link()
        self.assertEqual(self.user.told, [])
        self.assertEqual(self.client.redialler.failures, 1)
        self.reactor.advance(0.5)
        self.settle()
        self.assertEqual(self.client.redialler.failures, 2)

    def test_silentServer(self) -> None:
        """A server that does not answer the introduction is given up in time."""
        self.server.listener._make = RecordProtocol
        self.link()
        self.reactor.advance(INTRODUCTION)
        self.settle()
        self.assertEqual(self.client.redialler.failures, 1)

    def test_garbage(self) -> None:
        """A record that is no Message, or too large, is dropped and counted."""
        self.link()
        (link,) = self.server._links.values()
        link.transport.sendRecord(b"garbage")
        self.settle()
        self.client._link.recordRefused(5_000_000)
        self.assertEqual(self.client.dropped, 2)
        self.assertEqual(self.user.told, [HERE])


class EverythingTests(SceneMixin, SynchronousTestCase):
    """Long lists."""

    def everything(self) -> Deferred[list[bytes]]:
        """Ask for all Services."""
        self.link()
        asking = self.client.everything("all/service", "metamanager")
        found = Deferred.fromCoroutine(asking)
        self.settle()
        return found

    def test_pages(self) -> None:
        """A long list comes in pages, complete and in order."""
        texts = {f"default/service/{n:04}": f'{{"n":{n},"x":"{"x" * 900}"}}' for n in range(300)}
        found = self.everything()
        while not found.called:
            asking = self.metamanager.asked[-1]
            wish = pageWish(asking)
            rows = (Row(key, texts[key]) for key in sorted(texts) if key > wish.after)
            self.metamanager.answer(page(rows, wish))
            self.settle()
        self.assertEqual(self.successResultOf(found), [text.encode() for text in texts.values()])
        self.assertGreater(len(self.metamanager.asked), 2)

    def test_stock(self) -> None:
        """A metamanager that knows no pages is understood."""
        found = self.everything()
        self.metamanager.answer(['{"a":1}', '{"b":2}'])
        self.settle()
        self.assertEqual(self.successResultOf(found), [b'{"a":1}', b'{"b":2}'])

    def test_fails(self) -> None:
        """A page that does not come fails the whole."""
        found = self.everything()
        self.reactor.advance(PATIENCE)
        self.failureResultOf(found, Unanswered)
