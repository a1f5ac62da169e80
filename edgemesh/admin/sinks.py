# -*- test-case-name: tests.admin.test_sinks -*-
"""
Where the access log's bytes go: a file that rotates itself, or standard output.

A sink takes as many bytes as it can without waiting for a reader, and says how
many.  It knows nothing of lines, except that a file is only changed for a fresh
one at the end of a line.
"""

from __future__ import annotations

import os
import select
from typing import Protocol

#: Non-blocking matters when the path is a named pipe that nobody reads.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class Sink(Protocol):
    """Takes bytes."""

    def write(self, data: bytes) -> int:
        """
        Take some or all of ``data``.

        :return: how many bytes were taken; the rest is to be offered again.
        :raise OSError: nothing was taken.
        """

    def check(self) -> None:
        """
        Find out, before there is anything to write, whether that could be done.

        :raise OSError: it could not.
        """

    def close(self) -> None:
        """Let go; a later write opens again."""


class RotatedFile:
    """
    A file of bounded size and its predecessors: ``path``, ``path.1``, ``path.2``...

    Somebody else (logrotate) may move the file away: the next write notices and
    makes a new one.

    :param size: bytes after which a fresh file is begun, at the end of a line.
    :param keep: how many predecessors stay.
    """

    mode = 0o640

    def __init__(self, path: str, size: int = 10 * 1024 * 1024, keep: int = 5) -> None:
        self._path = path
        self._size = size
        self._keep = keep
        self._file = -1
        self._atLineEnd = True

    def __repr__(self) -> str:
        return self._path

    def check(self) -> None:
        if self._file < 0:
            self._file = os.open(self._path, _FLAGS, self.mode)

    def write(self, data: bytes) -> int:
        if self._atLineEnd:
            self._refresh()
        self.check()
        taken = os.write(self._file, data)
        if taken:
            self._atLineEnd = data[taken - 1 : taken] == b"\n"
        return taken

    def close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def _refresh(self) -> None:
        """Close the file when it was moved away or is full; rotate when it is full."""
        if self._file < 0:
            return
        opened = os.fstat(self._file)
        if not self._inPlace(opened):
            self.close()
        elif opened.st_size >= self._size:
            self.close()
            self._rotate()

    def _inPlace(self, opened: os.stat_result) -> bool:
        try:
            return os.path.samestat(opened, os.stat(self._path))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            try:
                os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            except FileNotFoundError:
                continue
        os.replace(self._path, f"{self._path}.1")


class StandardOutput:
    """
    An open descriptor that belongs to somebody else: a terminal or a pipe.

    It is never made non-blocking, since others write to it too.  Instead it is
    asked whether it has room, and given at most what a pipe takes at once; a
    reader that has stopped reading stops the log and not the node.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def __repr__(self) -> str:
        return "standard output"

    def write(self, data: bytes) -> int:
        taken = 0
        while taken < len(data) and self._room.poll(0):
            taken += os.write(self._descriptor, data[taken : taken + select.PIPE_BUF])
        return taken

    def check(self) -> None:
        """Whoever reads it may come later."""

    def close(self) -> None:
        """It stays open for the others."""


def sinkFor(where: str) -> Sink:
    """What the configuration means: ``-`` is standard output, anything else a path."""
    return StandardOutput() if where == "-" else RotatedFile(where)
