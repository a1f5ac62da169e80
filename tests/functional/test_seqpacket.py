"""Links of records between real processes, on every reactor."""

from __future__ import annotations

import os
import socket
import stat
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import Program, eventually, python
from edgemesh.link.sockets import raiseSendBuffer
from tests.functional.harness import ProcessesMixin
from tests.functional.kernel import KIB, MIB, descriptors, memory
from tests.functional.linkpeer import LIMITS
from tests.link.places import PlacesMixin

NOBODY = 65_534
_CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
    try:
        caller.connect(sys.argv[1])
        caller.settimeout(10)
        print(caller.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


class LinksMixin(PlacesMixin, ProcessesMixin):
    """Starts ends of links."""

    def peer(self, reactor: str, role: str, path: str, number: int = 0) -> Program:
        """Start one; it is ready, or has failed, when this returns."""
        program = self.start(
            role, python("-m", "tests.functional.linkpeer", reactor, role, path, str(number))
        )
        program.waitFor("start", lambda: "ready" in program.said() or None)
        return program

    def failing(self, role: str, path: str) -> str:
        """What one says that cannot start; one line."""
        program = self.start(role, python("-m", "tests.functional.linkpeer", "epoll", role, path))
        self.assertIsNotNone(eventually(lambda: program.status))
        said = program.said().splitlines()
        self.assertEqual(len(said), 1, program.said())
        return said[0]

    def until(self, program: Program, line: str, times: int = 1) -> None:
        """Wait until a program has said a line so often."""
        program.waitFor(line, lambda: program.said().splitlines().count(line) >= times or None, 60)

    def caller(self, path: str) -> socket.socket:
        """A link from this process, with Python's own means."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(made.close)
        made.settimeout(20)
        made.connect(path)
        return made


class ReactorTests(LinksMixin, SynchronousTestCase):
    """Every reactor of this system carries links."""

    def both(self, reactor: str) -> None:
        """Ten thousand records there and back, both ends on the same reactor."""
        path = self.place()
        self.peer(reactor, "echo", path)
        sender = self.peer(reactor, "sender", path, 10_000)
        self.assertIn("asyncio" if reactor == "asyncio" else reactor, sender.said().lower())
        self.until(sender, "unsent 5000000")
        self.until(sender, "same 10000")
        self.assertNotIn("different", sender.said())

    def test_epoll(self) -> None:
        """Ten thousand records arrive whole and in order, both ways."""
        self.both("epoll")

    def test_poll(self) -> None:
        """The same with ``poll``."""
        self.both("poll")

    def test_select(self) -> None:
        """The same with ``select``."""
        self.both("select")

    def test_asyncio(self) -> None:
        """The same with ``asyncio``."""
        self.both("asyncio")


class LimitTests(LinksMixin, SynchronousTestCase):
    """Records and peers that want too much."""

    def refused(self, reactor: str) -> None:
        """A record of 4 MiB, or as large as this user may send, is refused; the link lives."""
        path = self.place()
        self.peer(reactor, "echo", path)
        caller = self.caller(path)
        size = min(raiseSendBuffer(caller, 4 * MIB), 4 * MIB)
        self.assertGreater(size, LIMITS.receive, "this user may send no record that is too large")
        caller.send(b"x" * size)
        caller.send(b"small")
        self.assertEqual(caller.recv(100), b"refused %d" % size)
        self.assertEqual(caller.recv(100), b"small")

    def test_refusedEpoll(self) -> None:
        """A record that is too large is refused whole, and the link lives."""
        self.refused("epoll")

    def test_refusedAsyncio(self) -> None:
        """The same with ``asyncio``."""
        self.refused("asyncio")

    def slow(self, reactor: str) -> None:
        """Send 200 MB without reading: it stops, at little cost; then all comes back."""
        path = self.place()
        echo = self.peer(reactor, "echo", path)
        caller = self.caller(path)
        before = memory(echo.pid)
        sent = 0
        caller.settimeout(0.5)
        try:
            while sent < 2_000:
                caller.send(sent.to_bytes(4, "big") + bytes(100 * KIB))
                sent += 1
        except TimeoutError:
            pass
        self.assertLess(sent, 100)
        self.assertLess(memory(echo.pid) - before, 16 * MIB)
        caller.settimeout(20)
        back = [int.from_bytes(caller.recv(MIB)[:4], "big") for _ in range(sent)]
        self.assertEqual(back, list(range(sent)))

    def test_slowEpoll(self) -> None:
        """Who sends and does not read is made to wait, and loses nothing."""
        self.slow("epoll")

    def test_slowAsyncio(self) -> None:
        """The same with ``asyncio``."""
        self.slow("asyncio")

    def test_most(self) -> None:
        """Surplus callers are hung up on; nothing stays open for those who left."""
        path = self.place()
        echo = self.peer("epoll", "echo", path)
        open_ = descriptors(echo.pid)
        callers = [self.caller(path) for _ in range(6)]
        self.assertEqual([callers[4].recv(1), callers[5].recv(1)], [b"", b""])
        for caller in callers:
            caller.close()
        eventually(lambda: descriptors(echo.pid) == open_ or None)
        self.assertEqual(descriptors(echo.pid), open_)
        last = self.caller(path)
        last.send(b"still there")
        self.assertEqual(last.recv(100), b"still there")


class StrangerTests(LinksMixin, SynchronousTestCase):
    """Other users of the machine."""

    def connectAs(self, uid: int, path: str) -> str:
        """What a process of another user gets."""
        ran = subprocess.run(
            python("-c", _CONNECT.format(uid=uid), path), capture_output=True, timeout=30
        )
        return ran.stdout.decode().strip()

    def test_otherUser(self) -> None:
        """Another user finds no way to the socket; and, were there one, gets no link."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        path = self.place()
        echo = self.peer("epoll", "echo", path)
        self.assertEqual(self.connectAs(NOBODY, path), "PermissionError")
        os.chmod(os.path.dirname(path), 0o755)
        self.assertEqual(self.connectAs(NOBODY, path), "PermissionError")
        os.chmod(path, 0o666)
        self.assertEqual(self.connectAs(NOBODY, path), "b''")
        self.assertEqual(echo.status, None)
        friend = self.caller(path)
        friend.send(b"friend")
        self.assertEqual(friend.recv(100), b"friend")


class PathTests(LinksMixin, SynchronousTestCase):
    """The path of a socket, across lives and deaths."""

    def test_modes(self) -> None:
        """Directory and socket are for the owner alone; at the end the socket is gone."""
        path = os.path.join(os.path.dirname(self.place()), "made", "a.sock")
        echo = self.peer("epoll", "echo", path)
        modes = [stat.S_IMODE(os.lstat(each).st_mode) for each in (os.path.dirname(path), path)]
        self.assertEqual(modes, [0o700, 0o600])
        echo.stop()
        self.assertIn("stopped", echo.said())
        self.assertFalse(os.path.lexists(path))

    def test_symlink(self) -> None:
        """A link at the path is not followed."""
        path = self.place()
        os.symlink(path + ".else", path)
        self.assertIn("found something else", self.failing("echo", path))
        self.assertEqual(os.listdir(os.path.dirname(path)), ["a.sock"])

    def test_live(self) -> None:
        """A living server keeps its socket, also when another one tries and ends."""
        path = self.place()
        self.peer("epoll", "echo", path)
        self.assertIn("another process listens there", self.failing("echo", path))
        caller = self.caller(path)
        caller.send(b"mine")
        self.assertEqual(caller.recv(100), b"mine")

    def test_stale(self) -> None:
        """The socket of a server that was killed is replaced."""
        path = self.place()
        self.peer("epoll", "echo", path).kill()
        self.assertTrue(os.path.lexists(path))
        self.peer("asyncio", "echo", path)
        caller = self.caller(path)
        caller.send(b"again")
        self.assertEqual(caller.recv(100), b"again")


class ModuleTests(LinksMixin, SynchronousTestCase):
    """Modules of two processes."""

    def killed(self, reactor: str) -> None:
        """A server that is killed three times is found again each time."""
        path = self.place()
        asker = self.peer(reactor, "asker", path)
        for number in (1, 2, 3):
            server = self.peer(reactor, "metamanager", path, number)
            self.until(asker, "linked metamanager", number)
            self.until(asker, f"answer {number}")
            self.until(asker, f"pushed {number}")
            server.kill()
            self.until(asker, "unlinked", number)
        self.assertEqual(asker.status, None)

    def test_killedEpoll(self) -> None:
        """However often a server is killed, its client asks the next one."""
        self.killed("epoll")

    def test_killedAsyncio(self) -> None:
        """The same with ``asyncio``."""
        self.killed("asyncio")

    def test_stopped(self) -> None:
        """A server that is stopped tells its clients by the end of the link, and leaves nothing."""
        path = self.place()
        server = self.peer("epoll", "metamanager", path, 7)
        asker = self.peer("epoll", "asker", path)
        self.until(asker, "answer 7")
        self.assertEqual(server.stop(), 0)
        self.until(asker, "unlinked")
        self.assertEqual(os.listdir(os.path.dirname(path)), [])
        self.assertEqual(asker.stop(), 0)
