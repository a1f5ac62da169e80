"""Tests for edgemesh.meta.folder."""

from __future__ import annotations

import os

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta import watch
from edgemesh.meta.folder import FolderMetaSource
from tests.meta.folders import BROKEN, Folder, manifest
from tests.meta.sources import Offered, metaSourceTests


def makeSource(case: SynchronousTestCase) -> Offered:
    """A source from a folder, and how to change it."""
    disk = Folder(case.mktemp())
    reactor = MemoryReactorClock()
    source = FolderMetaSource(reactor, disk.path)

    def offer(names: list[str]) -> None:
        disk.write("all.yaml", "\n---\n".join(manifest(name) for name in names))
        if source.running:
            source.reload()
        else:
            source.startService()
            case.addCleanup(stop)

    def stop() -> None:
        source.stopService()
        reactor.advance(0)

    return Offered(source, offer)


class FolderSourceTests(metaSourceTests(makeSource)):  # type: ignore[misc]
    """What every source promises, of the one from a folder."""


class FolderMetaSourceTests(SynchronousTestCase):
    """When the folder is looked at."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.disk = Folder(self.mktemp())
        self.source = FolderMetaSource(self.reactor, self.disk.path)
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop it, if the test did not."""
        if self.source.running:
            self.source.stopService()
        self.reactor.advance(0)

    def hear(self) -> None:
        """Let the kernel say what happened."""
        for reader in list(self.reactor.getReaders()):
            reader.doRead()

    def services(self) -> list[str]:
        """The names in force."""
        return [name for _, name in self.source.metadata().services]

    def test_start(self) -> None:
        """When startService returns, what is in the folder is in force."""
        self.disk.write("a.yaml", manifest("a"))
        self.source.startService()
        self.assertEqual((self.services(), self.source.applied), (["a"], 1))

    def test_nothingBeforeStart(self) -> None:
        """Nothing is opened before startService."""
        self.assertEqual(list(self.reactor.getReaders()), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_readyThoughBroken(self) -> None:
        """Broken files do not keep the node from taking calls."""
        self.disk.write("a.yaml", BROKEN)
        self.source.startService()
        self.assertTrue(self.source.ready())
        self.assertEqual(list(self.source.problems()), ["a.yaml"])
        self.assertEqual((self.source.applied, self.source.rejected), (0, 1))

    def test_heard(self) -> None:
        """A change counts a tenth of a second after the folder became quiet."""
        self.source.startService()
        self.disk.write("a.yaml", manifest("a"))
        self.hear()
        self.reactor.advance(0.06)
        self.disk.write("b.yaml", manifest("b"))
        self.hear()
        self.reactor.advance(0.06)
        self.assertEqual(self.services(), [])
        self.reactor.advance(0.05)
        self.assertEqual(self.services(), ["a", "b"])
        self.assertEqual(self.source.applied, 1)

    def test_neverQuiet(self) -> None:
        """A folder that changes all the time is looked at once a second all the same."""
        self.source.startService()
        for step in range(12):
            self.disk.write("a.yaml", manifest(f"a{step}"))
            self.hear()
            self.reactor.advance(0.09)
        self.assertEqual(self.source.applied, 1)

    def test_unheard(self) -> None:
        """Where the kernel says nothing, a change counts within a few seconds."""
        self.patch(watch, "inotify", None)
        self.source.startService()
        self.disk.replace("a.yaml", manifest("a"))
        self.reactor.advance(4.9)
        self.assertEqual(self.services(), [])
        self.reactor.advance(0.1)
        self.reactor.advance(0.1)
        self.assertEqual(self.services(), ["a"])

    def test_missingAtStart(self) -> None:
        """A folder that comes later is taken in, and watched from then on."""
        os.rmdir(self.disk.path)
        self.source.startService()
        self.assertTrue(self.source.ready())
        self.assertEqual(list(self.source.problems()), [self.disk.path])
        os.mkdir(self.disk.path)
        self.disk.write("a.yaml", manifest("a"))
        self.reactor.advance(5)
        self.reactor.advance(0.1)
        self.assertEqual((self.services(), self.source.problems()), (["a"], {}))
        self.disk.write("a.yaml", manifest("b"))
        self.hear()
        self.reactor.advance(0.1)
        self.assertEqual(self.services(), ["b"])

    def test_nothingNew(self) -> None:
        """Looks at a folder that did not change cost no generation."""
        self.disk.write("a.yaml", manifest("a"))
        self.source.startService()
        self.reactor.pump([5.0, 5.0])
        self.source.reload()
        self.assertEqual((self.source.metadata().generation, self.source.applied), (1, 1))

    def test_reload(self) -> None:
        """A reload counts at once, and what was waiting is not done twice."""
        self.source.startService()
        self.disk.write("a.yaml", manifest("a"))
        self.hear()
        self.source.reload()
        self.assertEqual(self.services(), ["a"])
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_stop(self) -> None:
        """A source that is stopped leaves nothing behind, and what it knew stays."""
        self.source.startService()
        self.disk.write("a.yaml", manifest("a"))
        self.hear()
        self.source.stopService()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(list(self.reactor.getReaders()), [])
        self.assertTrue(self.source.ready())

    def test_repr(self) -> None:
        """Logs and tests see which folder it is and what is in force."""
        self.assertIn(self.disk.path, repr(self.source))
        self.assertIn("generation 0", repr(self.source))
