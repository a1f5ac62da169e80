"""
Unix sockets in a private directory of a test.

They are real ones, for what is tested is what the kernel says; nothing waits for
them, and no other process takes part.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable

from edgemesh.link.sockets import newSocket


class PlacesMixin:
    """Makes directories whose paths are short enough for sockets."""

    addCleanup: Callable[..., None]

    def place(self, name: str = "a.sock") -> str:
        """The path of a socket in a new directory with mode 0700."""
        made = tempfile.TemporaryDirectory(prefix="link-")
        self.addCleanup(made.cleanup)
        return os.path.join(made.name, name)

    def opened(self) -> socket.socket:
        """A socket that is closed with the test."""
        made = newSocket()
        self.addCleanup(made.close)
        return made

    def dead(self, path: str) -> os.stat_result:
        """What a process that was killed leaves behind."""
        leaving = newSocket()
        leaving.bind(path)
        leaving.close()
        return os.lstat(path)
