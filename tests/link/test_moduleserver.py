"""Tests for :mod:`edgemesh.link.moduleserver`."""

import os

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import LocalProtocolError
from edgemesh.link.modulelink import INTRODUCTION
from edgemesh.link.modules import recordOf
from edgemesh.link.moduleserver import LARGEST, ServerCounts
from tests.link.samples import SERVICE, messages, query
from tests.link.scenes import SceneMixin


class ServerTests(SceneMixin, SynchronousTestCase):
    """The modules of this process, asked by others."""

    def ask(self, connection, resource: str = SERVICE):  # type: ignore[no-untyped-def]
        """Let another program ask; returns its request."""
        request = query(messages("q"), resource).setDestination("metamanager").setSync(True)
        connection.send(recordOf(request))
        self.settle()
        return request

    def test_asked(self) -> None:
        """A client that was let in is heard and answered."""
        caller = self.stranger("edgemesh")
        self.assertEqual(self.heard(caller).route.resource, "module")
        self.assertEqual(self.server.linked(), ("edgemesh",))
        request = self.ask(caller)
        self.assertEqual([asked.route for asked in self.metamanager.asked], [request.route])
        self.metamanager.answer(None)
        answer = self.heard(caller)
        self.assertTrue(answer.isAnswerTo(request) and answer.isNull())
        self.assertEqual(answer.route.source, "edgemesh")

    def test_pushed(self) -> None:
        """A push goes to the module that it is for; one without a link is counted."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        news = (
            messages("n").newMessage().buildRouter("edgecontroller", "resource", SERVICE, "update")
        )
        self.server.push("edgemesh", news)
        self.server.push("edged", news)
        self.assertEqual(self.heard(caller).route, news.setDestination("edgemesh").route)
        self.assertEqual((self.server.counts.pushed, self.server.counts.absent), (1, 1))

    def test_refused(self) -> None:
        """Who may not connect, or says something else first, is hung up on."""
        for name in ("intruder", ""):
            caller = self.stranger(name)
            if not name:
                caller.send(b"hello")
                self.settle()
            self.assertEqual(caller.recv(100), b"")
        self.assertEqual(self.server.linked(), ())

    def test_silent(self) -> None:
        """Who connects and says nothing does not keep its place."""
        caller = self.stranger()
        self.reactor.advance(INTRODUCTION - 0.1)
        self.assertRaises(BlockingIOError, caller.recv, 100)
        self.reactor.advance(0.2)
        self.settle()
        self.assertEqual(caller.recv(100), b"")

    def test_patientWithTheKnown(self) -> None:
        """A client that was let in may be silent for as long as it likes."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        self.reactor.advance(10 * INTRODUCTION)
        self.settle()
        self.assertEqual(self.server.linked(), ("edgemesh",))

    def test_comesBack(self) -> None:
        """A client that comes back replaces its old link, whose end changes nothing."""
        old = self.stranger("edgemesh")
        self.heard(old)
        new = self.stranger("edgemesh")
        self.heard(new)
        self.assertEqual(old.recv(100), b"")
        self.assertEqual(self.server.linked(), ("edgemesh",))
        new.close()
        self.settle()
        self.assertEqual(self.server.linked(), ())

    def test_tooLarge(self) -> None:
        """An answer that the peer could not take becomes an error that says so."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        request = self.ask(caller)
        self.metamanager.answer("x" * LARGEST)
        error = self.heard(caller)
        self.assertTrue(error.isError() and error.isAnswerTo(request))
        self.assertIn("bytes was not sent", error.text())
        self.ask(caller)
        self.metamanager.answer("small")
        self.assertEqual(self.heard(caller).text(), "small")
        self.assertEqual(self.server.counts.tooLarge, 1)
        self.flushLoggedErrors()

    def test_tooLargeForTheKernel(self) -> None:
        """The same when it is this system that carries no such record."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        (link,) = self.server._links.values()
        link.transport.sendLimit = 1_000
        request = self.ask(caller)
        self.metamanager.answer("x" * 1_000)
        error = self.heard(caller)
        self.assertTrue(error.isError() and error.isAnswerTo(request))

    def test_tooLargeAnError(self) -> None:
        """An error that is too large itself is left out, and nothing goes in circles."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        self.ask(caller, "default/service/" + "x" * 200_000)
        (link,) = self.server._links.values()
        link.transport.sendLimit = 100_000
        self.metamanager.answer(None)
        self.settle()
        self.assertRaises(BlockingIOError, caller.recv, 100)
        self.assertEqual(self.server.counts.tooLarge, 2)

    def test_tooLargePush(self) -> None:
        """A push that the peer could not take is left out and counted; the link lives."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        news = (
            messages("n").newMessage().buildRouter("edgecontroller", "resource", SERVICE, "update")
        )
        self.server.push("edgemesh", news.fillBody("x" * LARGEST))
        self.server.push("edgemesh", news)
        self.assertTrue(self.heard(caller).isNull())
        self.assertEqual(self.server.counts.tooLarge, 1)

    def test_slow(self) -> None:
        """A client that does not read what is pushed is disconnected, not forgotten."""
        caller = self.stranger("edgemesh")
        news = (
            messages("n").newMessage().buildRouter("edgecontroller", "resource", SERVICE, "update")
        )
        for _ in range(10):
            self.server.push("edgemesh", news.fillBody("x" * 100_000))
            self.settle()
        self.assertEqual(self.server.counts.slow, 1)
        self.assertEqual(self.server.linked(), ())
        caller.close()

    def test_slowAsker(self) -> None:
        """A client that asks and does not read is heard no more until it reads."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        for _ in range(30):
            request = query(messages("q")).setDestination("metamanager").setSync(True)
            caller.send(recordOf(request))
            self.settle()
            if self.metamanager.asked and self.server.counts.answered < len(self.metamanager.asked):
                self.metamanager.answer("x" * 100_000)
        self.assertLess(len(self.metamanager.asked), 10)
        self.assertEqual(self.server.counts.slow, 0)
        for _ in range(len(self.metamanager.asked)):
            self.heard(caller)
        self.settle()
        self.assertGreaterEqual(len(self.metamanager.asked), 30)

    def test_noSuchModule(self) -> None:
        """Who asks a module that is not there is told so at once."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        caller.send(recordOf(query(messages("q")).setDestination("edged").setSync(True)))
        caller.send(b"garbage")
        self.assertTrue(self.heard(caller).isError())
        self.assertEqual(self.server.counts, ServerCounts(dropped=2))

    def test_add(self) -> None:
        """Modules have one name each and are there from the start."""
        self.assertRaises(LocalProtocolError, self.server.add, "other", "meta", print)
        self.successResultOf(self.server.stopService())
        self.assertRaises(LocalProtocolError, self.server.add, "metamanager", "meta", print)
        self.server.add("other", "meta", print)
        self.server.startService()
        groups = self.heard(self.stranger("edgemesh")).object()["groups"]
        self.assertEqual(groups, {"meta": ["metamanager", "other"]})

    def test_stop(self) -> None:
        """Stopped, the socket is gone, and so are the clients."""
        caller = self.stranger("edgemesh")
        self.heard(caller)
        stopped = self.server.stopService()
        self.settle()
        self.successResultOf(stopped)
        self.assertEqual(caller.recv(100), b"")
        self.assertFalse(os.path.lexists(self.path))
