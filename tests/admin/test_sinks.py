# -*- test-case-name: tests.admin.test_sinks -*-
"""Where the access log's bytes go."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.sinks import RotatedFile, StandardOutput, sinkFor


class RotatedFileTests(SynchronousTestCase):
    """A file that never grows beyond its size."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.file = RotatedFile(str(self.path), size=10, keep=2)
        self.addCleanup(self.file.close)

    def older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def test_notBefore(self) -> None:
        """Nothing is opened before something is written."""
        self.assertFalse(self.path.exists())

    def test_mode(self) -> None:
        """Others on the machine cannot read who called whom."""
        former = os.umask(0)
        self.addCleanup(os.umask, former)
        self.file.write(b"line\n")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)

    def test_appends(self) -> None:
        """What is there already stays."""
        self.path.write_bytes(b"old\n")
        self.assertEqual(self.file.write(b"new\n"), 4)
        self.assertEqual(self.path.read_bytes(), b"old\nnew\n")

    def test_rotates(self) -> None:
        """A full file becomes the first of the older ones; only so many stay."""
        for number in range(4):
            self.file.write(b"line %d....\n" % number)
        found = [path.read_bytes() for path in (self.path, self.older(1), self.older(2))]
        self.assertEqual(found, [b"line 3....\n", b"line 2....\n", b"line 1....\n"])
        self.assertFalse(self.older(3).exists())

    def test_lineStaysWhole(self) -> None:
        """A line that was taken in two parts is not torn by a rotation or a new name."""
        self.file.write(b"a long line, ")
        self.file.write(b"its end\n")
        self.file.write(b"next\n")
        self.assertEqual(self.older(1).read_bytes(), b"a long line, its end\n")
        self.assertEqual(self.path.read_bytes(), b"next\n")

    def test_movedAway(self) -> None:
        """When logrotate moves the file the next line begins a new one."""
        self.file.write(b"one\n")
        self.path.rename(self.older(7))
        self.file.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"two\n")
        self.assertEqual(self.older(7).read_bytes(), b"one\n")

    def test_replaced(self) -> None:
        """A new file of the same name is found."""
        self.file.write(b"one\n")
        self.path.rename(self.older(7))
        self.path.write_bytes(b"")
        self.file.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"two\n")

    def test_noFolder(self) -> None:
        """A folder that is not there is an error, and no more than that once it is."""
        path = self.path / "access.log"
        file = RotatedFile(str(path))
        self.addCleanup(file.close)
        self.assertRaises(OSError, file.write, b"line\n")
        self.path.mkdir()
        self.assertEqual(file.write(b"line\n"), 5)

    def test_noReader(self) -> None:
        """A named pipe that nobody reads is an error, not a wait."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.file.write, b"line\n")

    def test_closed(self) -> None:
        """After closing, writing opens again."""
        self.file.write(b"one\n")
        self.file.close()
        self.file.close()
        self.file.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"one\ntwo\n")


class StandardOutputTests(SynchronousTestCase):
    """A pipe that somebody reads, or does not."""

    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        self.addCleanup(os.close, self.reader)
        self.output = StandardOutput(self.writer)

    def test_read(self) -> None:
        """What is written comes out."""
        self.addCleanup(os.close, self.writer)
        self.assertEqual(self.output.write(b"line\n"), 5)
        self.assertEqual(os.read(self.reader, 100), b"line\n")

    def test_notRead(self) -> None:
        """A full pipe takes what it has room for and never blocks; later it takes more."""
        self.addCleanup(os.close, self.writer)
        data = b"x" * (4 * 1024 * 1024)
        taken = self.output.write(data)
        self.assertTrue(0 < taken < len(data))
        self.assertEqual(self.output.write(data), 0)
        os.read(self.reader, taken)
        self.assertGreater(self.output.write(data), 0)

    def test_othersUndisturbed(self) -> None:
        """The descriptor stays as it was, blocking and open, for others that use it."""
        self.output.write(b"line\n")
        self.output.close()
        self.assertTrue(os.get_blocking(self.writer))
        os.close(self.writer)

    def test_readerGone(self) -> None:
        """A closed pipe is an error like others."""
        self.addCleanup(os.close, self.writer)
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        os.close(reader)
        self.assertRaises(BrokenPipeError, StandardOutput(writer).write, b"line\n")


class ConfiguredTests(SynchronousTestCase):
    """What the configuration means."""

    def test_standardOutput(self) -> None:
        """A dash is standard output."""
        self.assertEqual(repr(sinkFor("-")), "standard output")

    def test_path(self) -> None:
        """Anything else is a path, which errors name."""
        self.assertEqual(repr(sinkFor("logs/access.log")), "logs/access.log")
