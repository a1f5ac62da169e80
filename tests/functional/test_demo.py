"""``edgemesh demo`` as a user runs it, and the programs it is made of."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.calls import tell
from edgemesh.demo.processes import Program, Trouble, environment, python
from tests.functional.harness import HOST, ProcessesMixin, until

_DEMO = "from edgemesh.cli import main\nraise SystemExit(main())\n"
_PROXY = re.compile(r"--proxy http://127\.0\.0\.1:(\d+)")
_LOG = re.compile(r"tail -f (\S+)/access\.log")


def demo(*options: str) -> list[str]:
    """The command that shows the demo."""
    return python("-c", _DEMO, "demo", *options)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0


class DemoTests(ProcessesMixin, SynchronousTestCase):
    """The whole demo."""

    def test_shows(self) -> None:
        """Everything promised is shown and kept, within half a minute, in plain ASCII too."""
        began = time.monotonic()
        ended = subprocess.run(
            demo(),
            cwd=self.folder(),
            env=environment({"PYTHONIOENCODING": "ascii"}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(ended.stderr, "")
        for promised in (
            "router>LB>QPS>Biz keeper",
            " 429 ",
            "Retry-After",
            " 500 ",
            "CLOSED > OPEN > HALF_OPEN > CLOSED",
            "edgemesh demo --keep",
        ):
            self.assertIn(promised, ended.stdout)
        self.assertNotIn("NOT", ended.stdout)
        self.assertLessEqual(max(map(len, ended.stdout.splitlines())), 100)

    def kept(self) -> tuple[Program, int, Path]:
        """A demo that goes on running, its proxy's port and its folder."""
        program = self.start("demo", demo("--keep"))
        program.waitFor("invitation", lambda: _LOG.search(program.said()), 60)
        said = program.said()
        return program, int(_PROXY.findall(said)[0]), Path(_LOG.findall(said)[0])

    def test_keep(self) -> None:
        """``--keep`` leaves it running to be called; Ctrl-C ends everything it started."""
        # Shells let what they run in the background ignore Ctrl-C, and so these tests.
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, former)
        program, proxy, folder = self.kept()
        caller = http.client.HTTPConnection(HOST, proxy, timeout=5)
        self.addCleanup(caller.close)
        caller.request("GET", "http://b/resource")
        self.assertEqual(caller.getresponse().status, 200)
        program.signal(signal.SIGINT)
        self.assertEqual(until("the demo ends", lambda: program.status), 0)
        self.assertFalse(listens(proxy))
        self.assertFalse(folder.exists())

    def test_terminated(self) -> None:
        """When it is ended from outside, what it started ends too."""
        program = self.start("demo", demo("--keep"))
        folder = until("the demo's node", lambda: _started(program.pid), 30)
        program.signal(signal.SIGTERM)
        until("the demo ends", lambda: program.status)
        self.assertFalse(folder.exists())


def _started(pid: int) -> Path | None:
    """The folder of the demo with this process id, once its node has been started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    folders = {Path(f"/proc/{child}/cwd").resolve() for child in children}
    return folders.pop() if len(children) == 4 and len(folders) == 1 else None


class AppTests(ProcessesMixin, SynchronousTestCase):
    """The sample app."""

    def test_answers(self) -> None:
        """One connection carries several calls; the instance fails and is mended as told."""
        port = self.app("b-9")
        caller = http.client.HTTPConnection(HOST, port, timeout=5)
        self.addCleanup(caller.close)
        statuses = []
        for query in ("", "status=500", ""):
            tell(port, f"/behave?{query}")
            caller.request("GET", "/resource")
            answer = caller.getresponse()
            self.assertIn(b"b-9", answer.read())
            statuses.append(answer.status)
        self.assertEqual(statuses, [200, 500, 200])

    def test_nonsense(self) -> None:
        """What it cannot be told is refused, and said how it is meant."""
        port = self.app("b-9")
        trouble = self.assertRaises(Trouble, tell, port, "/behave?status=7")
        self.assertIn("status=200..599", str(trouble))
        self.assertRaises(Trouble, tell, port, "/elsewhere")


class ProgramTests(ProcessesMixin, SynchronousTestCase):
    """:class:`~edgemesh.demo.processes.Program`."""

    def test_doesNotStart(self) -> None:
        """A program that ends at once is named with its status and its last words."""
        program = self.start("broken", python("-c", "print('no more room'); raise SystemExit(3)"))
        trouble = self.assertRaises(Trouble, program.waitFor, "sign of life", lambda: None)
        self.assertIn("broken ended with status 3", str(trouble))
        self.assertIn("| no more room", str(trouble))

    def test_tooSlow(self) -> None:
        """A program that is not ready in time is named with what was waited for."""
        program = self.start("slow", python("-c", "import signal; signal.pause()"))
        trouble = self.assertRaises(Trouble, program.waitFor, "port", lambda: None, 0.05)
        self.assertIn("slow is not ready", str(trouble))
        self.assertIn("no port", str(trouble))

    def test_stop(self) -> None:
        """A stopped program is gone, and stopping it again is harmless."""
        program = self.start("idle", python("-c", "import signal; signal.pause()"))
        self.assertEqual(program.stop(), -signal.SIGTERM)
        self.assertEqual(program.stop(), -signal.SIGTERM)
