"""Tests for edgemesh.meta.watch."""

from __future__ import annotations

import os
import shutil
from unittest import SkipTest

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs as captured
from twisted.python._inotify import INotifyError
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta import watch
from edgemesh.meta.watch import Watch
from tests.meta.folders import Folder, manifest


class WatchTests(SynchronousTestCase):
    """What the kernel says of a folder."""

    def setUp(self) -> None:
        if watch.inotify is None:
            raise SkipTest("this system has no inotify")
        self.reactor = MemoryReactorClock()
        self.disk = Folder(self.mktemp())
        self.stirs = 0
        self.watch = Watch(self.reactor, self.disk.path, self.stirred)
        self.addCleanup(self.close)

    def close(self) -> None:
        """Give the file descriptor back."""
        self.watch.stop()
        self.reactor.advance(0)

    def stirred(self) -> None:
        """Count."""
        self.stirs += 1

    def heard(self) -> bool:
        """Whether the kernel said anything since the last time."""
        before = self.stirs
        for reader in list(self.reactor.getReaders()):
            reader.doRead()
        return self.stirs > before

    def test_changes(self) -> None:
        """Whatever way a file changes, it is heard."""
        self.watch.renew()
        self.disk.write("a.yaml", manifest())
        self.assertTrue(self.heard())
        self.disk.replace("a.yaml", manifest("b"))
        self.assertTrue(self.heard())
        self.disk.remove("a.yaml")
        self.assertTrue(self.heard())
        self.disk.swap("c.yaml", manifest())
        self.assertTrue(self.heard())

    def test_quiet(self) -> None:
        """Reading files and renewing the watch stir nothing."""
        self.disk.write("a.yaml", manifest())
        self.watch.renew()
        self.watch.renew()
        with open(os.path.join(self.disk.path, "a.yaml"), encoding="utf-8") as opened:
            opened.read()
        self.assertFalse(self.heard())
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_madeAgain(self) -> None:
        """A folder that is deleted and made again is watched again."""
        self.watch.renew()
        shutil.rmtree(self.disk.path)
        self.assertTrue(self.heard())
        os.mkdir(self.disk.path)
        self.assertTrue(self.watch.isLost())
        self.watch.renew()
        self.assertFalse(self.watch.isLost())
        self.disk.write("a.yaml", manifest())
        self.assertTrue(self.heard())

    def test_moved(self) -> None:
        """When another folder takes the path, that one is watched."""
        self.watch.renew()
        os.rename(self.disk.path, self.disk.path + ".old")
        os.mkdir(self.disk.path)
        self.assertTrue(self.heard())
        self.watch.renew()
        self.disk.write("a.yaml", manifest())
        self.assertTrue(self.heard())

    def test_missing(self) -> None:
        """A folder that is not there is neither watched nor lost."""
        shutil.rmtree(self.disk.path)
        self.watch.renew()
        self.assertFalse(self.watch.isLost())
        self.assertEqual(list(self.reactor.getReaders()), [])

    def test_stop(self) -> None:
        """A watch that is stopped leaves nothing behind."""
        self.watch.renew()
        self.watch.stop()
        self.reactor.advance(0)
        self.assertEqual(list(self.reactor.getReaders()), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_noneToSpare(self) -> None:
        """When the kernel has no watch to spare it is told once, and nothing breaks."""

        class Exhausted:
            IN_WATCH_MASK = IN_CLOSE_WRITE = 0
            INotifyError = INotifyError

            def INotify(self, reactor: object) -> object:
                raise INotifyError("no more")

        self.patch(watch, "inotify", Exhausted())
        with captured() as events:
            self.watch.renew()
            self.watch.renew()
        self.assertEqual(len(events), 1)
        self.assertFalse(self.watch.isLost())

    def test_noInotify(self) -> None:
        """A system without inotify is no error."""
        self.patch(watch, "inotify", None)
        other = Watch(self.reactor, self.disk.path, self.stirred)
        other.renew()
        self.assertFalse(other.isLost())
