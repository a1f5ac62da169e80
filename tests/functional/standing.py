"""
Nodes and peers that many tests share: started at first use, ended with the interpreter.

A node takes a second to start, so tests that change nothing of it share one.
"""

from __future__ import annotations

import atexit
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from edgemesh.demo.processes import Program
from tests.functional.harness import HOST, ProcessesMixin

#: The other loopback.
HOST6 = "::1"


class Standing(ProcessesMixin):
    """Starts programs that stand until the interpreter ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        atexit.register(self._stack.close)

    def addCleanup(self, function: Callable[..., object], *arguments: object) -> None:
        """Call this at the end; the last one first."""
        self._stack.callback(function, *arguments)

    def mktemp(self) -> str:
        """A name for a folder, which goes away at the end."""
        made = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="edgemesh-peers-"))
        return os.path.join(made, "folder")


def untilListening(program: Program, port: int) -> None:
    """Wait until a program accepts connections at a port of the loopback."""

    def accepts() -> bool | None:
        with socket.socket() as caller:
            return True if caller.connect_ex((HOST, port)) == 0 else None

    program.waitFor("connection", accepts)


def hasIPv6() -> bool:
    """Whether this machine has the other loopback."""
    try:
        with socket.socket(socket.AF_INET6) as listening:
            listening.bind((HOST6, 0))
    except OSError:
        return False
    return True
