"""Tests for :mod:`edgemesh.link.address`."""

import fcntl
import os
import socket
import stat

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.link.address import LONGEST, Claim, claim
from tests.link.places import PlacesMixin


class ClaimTests(PlacesMixin, SynchronousTestCase):
    """Who may listen at a path."""

    def claimed(self, path: str) -> Claim:
        """A claim that is released with the test."""
        made = claim(path)
        self.addCleanup(made.listening.close)
        return made

    def refused(self, path: str) -> str:
        """Why a path cannot be had: one line that names it or its directory."""
        error = self.assertRaises(ConfigurationError, claim, path)
        text = str(error)
        self.assertNotIn("\n", text)
        return text

    def test_onlyOwner(self) -> None:
        """Only the owner can open the socket, whatever the umask is."""
        former = os.umask(0)
        self.addCleanup(os.umask, former)
        path = self.place()
        self.claimed(path)
        found = os.lstat(path)
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)

    def test_madeDirectory(self) -> None:
        """A directory that is not there is made for the owner alone, whatever the umask is."""
        for mask in (0, 0o777):
            path = os.path.join(os.path.dirname(self.place()), "made", "a.sock")
            former = os.umask(mask)
            try:
                self.claimed(path)
            finally:
                os.umask(former)
            self.assertEqual(stat.S_IMODE(os.lstat(os.path.dirname(path)).st_mode), 0o700)

    def test_openDirectory(self) -> None:
        """A directory that others may enter is refused, and stays as it is."""
        for mode in (0o755, 0o710, 0o701):
            path = self.place()
            os.chmod(os.path.dirname(path), mode)
            self.assertIn(
                f"found one of user {os.geteuid()} with mode {mode:04o}", self.refused(path)
            )
            self.assertFalse(os.path.lexists(path))

    def test_foreignDirectory(self) -> None:
        """A directory of another user is refused, even for root."""
        if os.geteuid() == 0:
            path = self.place()
            os.chown(os.path.dirname(path), 65_534, 65_534)
        else:
            path = "/a.sock"
        self.assertIn("expected a directory of user", self.refused(path))

    def test_linkedDirectory(self) -> None:
        """A link in the directory's place is not followed."""
        path = self.place()
        os.symlink(os.path.dirname(path), path + ".d")
        self.assertIn("not a link", self.refused(os.path.join(path + ".d", "b.sock")))

    def test_noParent(self) -> None:
        """Only the last directory is made."""
        self.assertIn("cannot listen there (No such file", self.refused(self.place("x/y/a.sock")))

    def test_symlink(self) -> None:
        """A link at the path is neither followed nor removed."""
        path = self.place()
        self.dead(path + ".dead")
        os.symlink(path + ".dead", path)
        self.assertIn("found something else", self.refused(path))
        self.assertTrue(os.path.islink(path))
        self.assertTrue(os.path.exists(path + ".dead"))

    def test_file(self) -> None:
        """A file at the path is never removed."""
        path = self.place()
        with open(path, "w") as file:
            file.write("precious")
        self.assertIn("found something else", self.refused(path))
        with open(path) as file:
            self.assertEqual(file.read(), "precious")

    def test_dead(self) -> None:
        """The socket of a process that died is replaced."""
        path = self.place()
        self.dead(path)
        self.claimed(path)
        self.assertEqual(self.opened().connect_ex(path), 0)

    def test_live(self) -> None:
        """The socket of a process that listens is not stolen."""
        path = self.place()
        self.claimed(path)
        before = os.lstat(path).st_ino
        self.assertIn("another process listens there", self.refused(path))
        self.assertEqual(os.lstat(path).st_ino, before)

    def test_liveUnnoticed(self) -> None:
        """Who listens does not notice that somebody looked."""
        path = self.place()
        made = self.claimed(path)
        self.refused(path)
        self.assertRaises(BlockingIOError, made.listening.accept)

    def test_liveOther(self) -> None:
        """Nor is a living socket of another kind stolen, or one that does not listen yet."""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            path = self.place()
            with socket.socket(socket.AF_UNIX, kind) as other:
                other.bind(path)
                self.assertIn("another process listens there", self.refused(path))

    def test_together(self) -> None:
        """Of two that begin at the same time, one is told so; neither steals from the other."""
        path = self.place()
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        self.addCleanup(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_EX)
        self.assertIn("another process begins", self.refused(path))

    def test_lockIsShort(self) -> None:
        """Two sockets may be in one directory."""
        path = self.place()
        self.claimed(path)
        self.claimed(path + "2")

    def test_longest(self) -> None:
        """A path of 107 bytes will do; one of 108 is one clear line."""
        directory = os.path.dirname(self.place())
        longest = os.path.join(directory, "x" * (LONGEST - len(directory) - 1))
        self.claimed(longest)
        self.assertIn("1 to 107 bytes, found 108", self.refused(longest + "x"))
        # Bytes count, not letters.
        self.assertIn("found 108", self.refused(longest[:-1] + "\u00e9"))

    def test_nonsense(self) -> None:
        """No path, or a path with a zero, is one clear line."""
        self.refused("")
        self.refused("a\0b")


class ReleaseTests(PlacesMixin, SynchronousTestCase):
    """Giving a path back."""

    def test_removed(self) -> None:
        """Nothing is left behind."""
        path = self.place()
        made = claim(path)
        made.release()
        self.assertFalse(os.path.lexists(path))
        self.assertEqual(made.listening.fileno(), -1)

    def test_another(self) -> None:
        """What somebody else has put there meanwhile stays."""
        path = self.place()
        made = claim(path)
        os.unlink(path)
        self.dead(path)
        made.release()
        self.assertTrue(os.path.lexists(path))
        self.assertEqual(made.listening.fileno(), -1)

    def test_gone(self) -> None:
        """That somebody has removed it already is no error."""
        path = self.place()
        made = claim(path)
        os.unlink(path)
        made.release()
        self.assertEqual(made.listening.fileno(), -1)
