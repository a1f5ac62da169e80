"""Tests for edgemesh.meta.files."""

from __future__ import annotations

import os
import shutil

from twisted.logger import LogLevel
from twisted.logger import capturedLogs as captured
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.files import MAX_FILE, ManifestFolder
from tests.meta.folders import BROKEN, Folder, manifest


class ManifestFolderTests(SynchronousTestCase):
    """The manifests of a folder, as they are on the disk."""

    def setUp(self) -> None:
        self.disk = Folder(self.mktemp())
        self.folder = ManifestFolder(self.disk.path)

    def services(self) -> list[str]:
        """The names in force."""
        return [name for _, name in self.folder.metadata.services]

    def test_read(self) -> None:
        """YAML and JSON files are read in the order of their names; others are not."""
        for name in ("b.yaml", "a.yml", "c.json", ".d.yaml", "e.txt", "f.yaml~"):
            text = "{}" if name == "c.json" else manifest(name[0].replace(".", "d"))
            self.disk.write(name, text if name != "c.json" else '{"apiVersion":"v1","kind":"X"}')
        self.folder.look()
        self.assertEqual(self.services(), ["a", "b"])
        self.assertEqual(self.folder.problems, {})

    def test_loopback(self) -> None:
        """This folder may name endpoints on loopback."""
        self.disk.write("a.yaml", manifest())
        self.folder.look()
        self.assertEqual(list(self.folder.metadata.endpoints), ["web.default:80"])

    def test_brokenKeepsLast(self) -> None:
        """A broken file keeps its last good content, is named and counted once."""
        self.disk.write("a.yaml", manifest("a"))
        self.disk.write("b.yaml", manifest("b"))
        self.folder.look()
        self.disk.write("a.yaml", BROKEN)
        with captured() as events:
            self.folder.look()
            self.folder.look()
        self.assertEqual(self.services(), ["a", "b"])
        self.assertEqual(list(self.folder.problems), ["a.yaml"])
        self.assertIn("not YAML", self.folder.problems["a.yaml"])
        self.assertEqual(self.folder.rejected, 1)
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_brokenFromTheStart(self) -> None:
        """A broken file does not keep the others from being read."""
        self.disk.write("a.yaml", BROKEN)
        self.disk.write("b.yaml", manifest("b"))
        self.folder.look()
        self.assertEqual(self.services(), ["b"])

    def test_brokenAgain(self) -> None:
        """Each change to something broken counts; repaired, the problem is gone."""
        for text in (BROKEN, BROKEN + "x"):
            self.disk.write("a.yaml", text)
            self.folder.look()
        self.assertEqual(self.folder.rejected, 2)
        self.disk.write("a.yaml", manifest("a"))
        self.folder.look()
        self.assertEqual((self.services(), self.folder.problems), (["a"], {}))

    def test_removed(self) -> None:
        """What was in a file that is deleted is gone, broken or not."""
        self.disk.write("a.yaml", manifest("a"))
        self.disk.write("b.yaml", BROKEN)
        self.folder.look()
        self.disk.remove("a.yaml")
        self.disk.remove("b.yaml")
        self.folder.look()
        self.assertEqual((self.services(), self.folder.problems), ([], {}))

    def test_configMap(self) -> None:
        """A ConfigMap that is swapped under its links is read anew."""
        self.disk.swap("a.yaml", manifest("a"))
        self.folder.look()
        self.assertFalse(self.folder.differs())
        self.disk.swap("a.yaml", manifest("b"))
        self.assertTrue(self.folder.differs())
        self.folder.look()
        self.assertEqual(self.services(), ["b"])

    def test_gone(self) -> None:
        """A folder that vanishes keeps its content, is named, and may come back."""
        self.disk.write("a.yaml", manifest("a"))
        self.folder.look()
        shutil.rmtree(self.disk.path)
        self.assertTrue(self.folder.differs())
        self.folder.look()
        self.assertFalse(self.folder.differs())
        self.assertEqual(self.services(), ["a"])
        self.assertEqual(
            self.folder.problems,
            {self.disk.path: "expected a folder, found: No such file or directory"},
        )
        os.makedirs(self.disk.path)
        self.assertTrue(self.folder.differs())
        self.folder.look()
        self.assertEqual((self.services(), self.folder.problems), ([], {}))

    def test_notAFile(self) -> None:
        """A directory, a FIFO or a dangling link of a manifest's name is named, not opened."""
        os.mkdir(os.path.join(self.disk.path, "a.yaml"))
        os.mkfifo(os.path.join(self.disk.path, "b.yaml"))
        os.symlink("nowhere", os.path.join(self.disk.path, "c.yaml"))
        self.folder.look()
        self.assertFalse(self.folder.differs())
        regular = "expected a regular file, found another kind"
        missing = "expected a file, found: No such file or directory"
        self.assertEqual(
            self.folder.problems, {"a.yaml": regular, "b.yaml": regular, "c.yaml": missing}
        )
        rejected = self.folder.rejected
        self.folder.look()
        self.assertEqual(self.folder.rejected, rejected)

    def test_tooLarge(self) -> None:
        """A file beyond the limit is refused without being parsed."""
        self.disk.write("a.yaml", "")
        os.truncate(os.path.join(self.disk.path, "a.yaml"), MAX_FILE + 1)
        self.folder.look()
        self.assertIn(f"at most {MAX_FILE} bytes", self.folder.problems["a.yaml"])

    def test_everything(self) -> None:
        """What looks unchanged is read again when that is asked for."""
        self.disk.write("a.yaml", manifest("a"))
        self.folder.look()
        path = os.path.join(self.disk.path, "a.yaml")
        before = os.stat(path)
        with open(path, "r+", encoding="utf-8") as opened:
            opened.write(manifest("b"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.folder.look()
        self.assertEqual(self.services(), ["a"])
        self.folder.look(everything=True)
        self.assertEqual(self.services(), ["b"])

    def test_objectProblems(self) -> None:
        """Problems of single objects are named too, and logged once."""
        self.disk.write("a.yaml", manifest("a"))
        self.disk.write("b.yaml", manifest("a"))
        with captured() as events:
            self.folder.look()
            self.folder.look()
        self.assertEqual(
            sorted(self.folder.problems),
            ["Endpoints a.default in b.yaml", "Service a.default in b.yaml"],
        )
        self.assertEqual(len(events), 2)
        self.assertEqual(self.folder.rejected, 0)

    def test_otherKinds(self) -> None:
        """Kinds without a use are told once, quietly."""
        self.disk.write("a.yaml", "apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret")
        with captured() as events:
            self.folder.look()
            self.folder.look(everything=True)
        self.assertEqual([event["log_level"] for event in events], [LogLevel.info])

    def test_repr(self) -> None:
        """Logs and tests see which folder it is."""
        self.assertIn(self.disk.path, repr(self.folder))
