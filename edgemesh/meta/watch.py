# -*- test-case-name: tests.meta.test_watch -*-
"""
Hear from the kernel that something in a folder changed.

The folder is watched, not its files: editors rename a new file into place, and a
mounted ConfigMap swaps one symbolic link.  Where the kernel has no inotify, or no
watch to spare, nothing is heard, and whoever asks has to look by himself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.filepath import FilePath

try:
    from twisted.internet import inotify
except ImportError:  # not Linux
    inotify = None  # type: ignore[assignment]

if inotify is not None:
    _LOST = inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF | inotify.IN_UNMOUNT


class Watch:
    """
    Call ``stirred`` for whatever happens in a folder.

    :param reactor: reads the kernel's notices and, as every reactor does, calls later.
    :param path: the folder; it may come, go and come again.
    """

    log = Logger()

    def __init__(self, reactor: Any, path: str, stirred: Callable[[], None]) -> None:
        self._reactor = reactor
        self._path = path
        self._stirred = stirred
        self._notifier: Any = None
        self._watched: tuple[int, int] | None = None
        self._complained = inotify is None

    def renew(self) -> None:
        """Watch the folder that has the path now, if it is not watched already."""
        current = _identity(self._path)
        if current == self._watched:
            return
        self.stop()
        if current is None or inotify is None:
            return
        try:
            self._begin()
        except inotify.INotifyError as error:
            self._complain(error)
        else:
            self._watched = current

    def isLost(self) -> bool:
        """Whether the folder that has the path now could be watched and is not."""
        return not self._complained and _identity(self._path) != self._watched

    def stop(self) -> None:
        """Watch no more."""
        self._watched = None
        if self._notifier is not None:
            notifier, self._notifier = self._notifier, None
            notifier.loseConnection()

    def _begin(self) -> None:
        notifier = inotify.INotify(self._reactor)  # type: ignore[no-untyped-call]
        self._notifier = notifier
        mask = inotify.IN_WATCH_MASK | inotify.IN_CLOSE_WRITE
        folder = FilePath(self._path)
        notifier.watch(folder, mask, callbacks=[self._heard])  # type: ignore[no-untyped-call]
        notifier.startReading()  # type: ignore[no-untyped-call]

    def _heard(self, watch: object, path: object, mask: int) -> None:
        if mask & _LOST:
            # A folder that is made anew may get the same inode: its path alone is no proof.
            self._watched = None
        self._stirred()

    def _complain(self, error: Exception) -> None:
        self.stop()
        if not self._complained:
            self._complained = True
            self.log.info(
                "{path} cannot be watched ({error}); it is looked at every few seconds",
                path=self._path,
                error=error,
            )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
