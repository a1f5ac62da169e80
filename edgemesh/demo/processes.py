# -*- test-case-name: tests.demo.test_processes -*-
"""
Programs that run beside this one: start, wait until they are ready, end.

Only what was started here is ever ended, by its own process id.  Whatever a
program prints goes to a file, and what it said last is part of every complaint
about it.  Knows nothing of the mesh.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import edgemesh

#: Seconds that a program may take until it is ready.
PATIENCE = 15.0
#: Seconds that a program may take to end when it is asked to.
FAREWELL = 5.0
#: Lines of a program's output that a complaint shows.
LAST_LINES = 12

_T = TypeVar("_T")


class Trouble(Exception):
    """Something is not as it should be; the text is for people."""


def freePorts(count: int) -> list[int]:
    """
    TCP ports of the loopback that nobody listens on; all different.

    Somebody else may take one in the meantime: ask just before they are used.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def eventually(probe: Callable[[], _T | None], seconds: float = PATIENCE) -> _T | None:
    """
    Ask again and again until ``probe`` has an answer.

    :return: the answer; None when there was none in time.
    """
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found is not None or time.monotonic() >= end:
            return found
        time.sleep(0.02)


def python(*arguments: str) -> list[str]:
    """The command that runs this very interpreter."""
    return [sys.executable, *arguments]


def twistd(config: Path | str) -> list[str]:
    """The command that runs a node in front, with nothing left behind but its output."""
    run = "from twisted.scripts.twistd import run; run()"
    return python("-c", run, "-n", "--pidfile=", "edgemesh", "--config", str(config))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, with the edgemesh that is running here to be imported."""
    here = str(Path(edgemesh.__path__[0]).parent)
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    named = os.pathsep.join(dict.fromkeys(paths))
    return {**os.environ, "PYTHONPATH": named, "PYTHONUNBUFFERED": "1", **(more or {})}


class Program:
    """
    One running program.

    :ivar name: what to call it in complaints.
    :ivar log: everything it has printed.
    :param command: program and arguments.
    :param folder: where it runs and where ``NAME.log`` is written.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for who started us; we end them in our order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def waitFor(self, what: str, probe: Callable[[], _T | None], seconds: float = PATIENCE) -> _T:
        """
        Wait until ``probe`` has an answer.

        :param what: what is waited for, in words.
        :raise Trouble: it ended, or there was no answer in time.
        """
        found = eventually(lambda: self._orEnded(probe), seconds)
        if found is None:
            raise self.trouble(f"{self.name} is not ready after {seconds:g} s: no {what}")
        return found

    def trouble(self, text: str) -> Trouble:
        """A complaint about this program, with what it said last."""
        lines = self.said().splitlines()[-LAST_LINES:]
        quoted = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        return Trouble(f"{text}\nWhat {self.name} said last:\n{quoted}")

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to end; end it when it does not.  Returns its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End it at once, as the kernel would."""
        self._process.kill()
        self._process.wait()

    def _orEnded(self, probe: Callable[[], _T | None]) -> _T | None:
        if self.status is not None:
            raise self.trouble(f"{self.name} ended with status {self.status}")
        return probe()
