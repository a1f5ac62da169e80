"""Tests for :mod:`edgemesh.reload`."""

import signal

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.reload import ReloadOnHangup, Rereading


class Signals:
    """Stands for ``signal.signal``: remembers who handles what."""

    def __init__(self):
        self.handlers = {signal.SIGHUP: signal.SIG_DFL}

    def install(self, number, handler):
        former, self.handlers[number] = self.handlers[number], handler
        return former


class QueueingReactor(MemoryReactorClock):
    """Keeps what other threads ask for until it is run."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def callFromThread(self, callable, *args, **kwargs):
        self.asked.append(callable)


class ReloadOnHangupTests(SynchronousTestCase):
    """Tests for :class:`ReloadOnHangup`."""

    def setUp(self):
        self.signals = Signals()
        self.reactor = QueueingReactor()
        self.reloads = []
        self.service = ReloadOnHangup(
            self.reactor, lambda: self.reloads.append("again"), self.signals.install
        )

    def test_reloadsInTheReactor(self):
        """A SIGHUP reloads, but only once the reactor has time for it."""
        self.service.startService()
        self.signals.handlers[signal.SIGHUP](signal.SIGHUP, None)
        self.assertEqual(self.reloads, [])
        self.reactor.asked.pop()()
        self.assertEqual(self.reloads, ["again"])

    def test_givesTheSignalBack(self):
        """After the node has stopped, SIGHUP means what it meant before."""
        self.service.startService()
        self.service.stopService()
        self.assertEqual(self.signals.handlers[signal.SIGHUP], signal.SIG_DFL)

    def test_nothingBeforeStart(self):
        """A service that was only composed handles no signal."""
        self.assertEqual(self.signals.handlers[signal.SIGHUP], signal.SIG_DFL)

    def test_otherThread(self):
        """Started outside the main thread it warns and the node runs on."""

        def refuse(number, handler):
            raise ValueError("signal only works in main thread")

        service = ReloadOnHangup(self.reactor, self.fail, refuse)
        service.startService()
        self.assertTrue(service.running)
        service.stopService()


class RereadingTests(SynchronousTestCase):
    """How taking in what changed went."""

    def test_refused(self) -> None:
        """Every mistake counts; the last one is remembered until it is mended."""
        rereading = Rereading()
        rereading.refuse("configuration", "one")
        rereading.refuse("configuration", "another")
        rereading.refuse("metadata", "a third")
        self.assertEqual(rereading.refused, 3)
        self.assertEqual(rereading.mistakes, {"configuration": "another", "metadata": "a third"})
        rereading.accept("configuration")
        self.assertEqual(rereading.mistakes, {"metadata": "a third"})
