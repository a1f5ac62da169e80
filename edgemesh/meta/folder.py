# -*- test-case-name: tests.meta.test_folder -*-
"""
Metadata from a folder of Kubernetes manifests, kept up to date.

Theory of operation: the folder is looked at when the kernel says that something
in it changed (:mod:`edgemesh.meta.watch`), and every few seconds besides, since
network file systems and some container mounts say nothing.  A look compares each
file's time, size and inode with those at the last look, reads what differs, and
makes new Metadata of everything that is good.  It waits until the folder has been
quiet for a moment, so that half-written files are rarely seen, but not for ever.

A file that is broken keeps its last good content.  A folder that is gone keeps
all of it: an unmounted volume must not take every service away.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from edgemesh.errors import ConfigurationError
from edgemesh.interfaces import IMetaSource
from edgemesh.meta.assembly import build
from edgemesh.meta.documents import decodeText
from edgemesh.meta.manifests import Parsed, parse
from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Metadata
from edgemesh.meta.watch import Watch

#: Larger files are refused: YAML is read at about 0.7 MB a second, in the reactor's thread.
MAX_FILE = 4 * 1024 * 1024

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a file looked like from outside; another mark, another content."""

    modified: int
    size: int
    inode: int
    device: int


@dataclass(slots=True)
class _File:
    """
    One file of the folder.

    :ivar mark: at the last look; None when it could not be looked at.
    :ivar good: its last good content, or None when it never had any.
    :ivar fault: why its content is not what is in force; empty when it is.
    """

    mark: _Mark | None = None
    good: Parsed | None = None
    fault: str = ""


@implementer(IMetaSource)
class FolderMetaSource(Service):
    """
    Services, Endpoints, Pods and Nodes from the ``*.yaml``, ``*.yml`` and ``*.json``
    files of a folder; hidden files are left out.

    :ivar applied: how many changes were taken in.
    :ivar rejected: how many times a file was refused.
    :param path: the folder; it may come later.
    :param quiet: seconds without a change after which it is looked at.
    :param patience: seconds after which it is looked at although it changes.
    :param rescan: seconds between looks that nobody asked for.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        path: str,
        quiet: float = 0.1,
        patience: float = 1.0,
        rescan: float = 5.0,
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._quiet = quiet
        self._patience = patience
        self._rescan = rescan
        self._memory = MemoryMetaSource()
        self._files: dict[str, _File] = {}
        self._fault = ""
        self._told: set[str] = set()
        self._pending: IDelayedCall | None = None
        self._latest = 0.0
        self._watch = Watch(reactor, path, self._stirred)
        self._loop = LoopingCall(self._rescanned)
        self._loop.clock = reactor
        self.applied = 0
        self.rejected = 0
        self.setName("manifests")  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<FolderMetaSource {self._path}: {len(self._files)} files, {self._memory!r}>"

    def metadata(self) -> Metadata:
        return self._memory.metadata()

    def subscribe(self, changed: Callable[[Metadata], None]) -> None:
        self._memory.subscribe(changed)

    def problems(self) -> Mapping[str, str]:
        return self._memory.problems()

    def ready(self) -> bool:
        return self._memory.ready()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self.reload()
        self._loop.start(self._rescan, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        self._watch.stop()

    def reload(self) -> None:
        """Read every file again, now."""
        for file in self._files.values():
            file.mark = None
        self._look()

    def _stirred(self) -> None:
        """Something in the folder changed: look when it has been quiet for a moment."""
        now = self._reactor.seconds()
        if self._pending is None:
            self._latest = now + self._patience
            self._pending = self._reactor.callLater(self._quiet, self._look)
        else:
            self._pending.reset(max(0.0, min(self._quiet, self._latest - now)))

    def _rescanned(self) -> None:
        marks = self._marks()
        known = {name: file.mark for name, file in self._files.items()}
        gone = marks is None
        if (
            gone != (self._path in self.problems())
            or not (gone or marks == known)
            or self._watch.isLost()
        ):
            self._stirred()

    def _look(self) -> None:
        """Read what changed, and put it in force."""
        if self._pending is not None:
            if self._pending.active():
                self._pending.cancel()
            self._pending = None
        # Watched first, so that a change between the two is not lost.
        self._watch.renew()
        marks = self._marks()
        if marks is not None:
            for name in self._files.keys() - marks.keys():
                del self._files[name]
            for name, mark in marks.items():
                file = self._files.setdefault(name, _File())
                if mark is None or mark != file.mark:
                    self._read(name, file, mark)
        self._assemble()

    def _marks(self) -> dict[str, _Mark | None] | None:
        """Every file's mark by name, in order; None when there is no such folder."""
        try:
            with os.scandir(self._path) as entries:
                names = sorted(entry.name for entry in entries if _isManifest(entry.name))
        except OSError as error:
            fault = f"expected a folder, found: {error.strerror}"
            if fault != self._fault:
                self.log.warn("{path}: {fault}", path=self._path, fault=fault)
            self._fault = fault
            return None
        self._fault = ""
        return {name: _markOf(os.path.join(self._path, name)) for name in names}

    def _read(self, name: str, file: _File, mark: _Mark | None) -> None:
        file.mark = mark
        try:
            file.good = parse(decodeText(self._bytes(name), name), name)
            file.fault = ""
        except ConfigurationError as error:
            self._refuse(name, file, str(error))

    def _bytes(self, name: str) -> bytes:
        """The content of a file, if it is a file and not too large."""
        path = os.path.join(self._path, name)
        try:
            # A FIFO or device of this name must not block or feed the node for ever.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ConfigurationError(f"{name}: expected a regular file, found another kind")
            with open(path, "rb") as opened:
                content = opened.read(MAX_FILE + 1)
        except OSError as error:
            raise ConfigurationError(f"{name}: expected a file, found: {error.strerror}") from None
        if len(content) > MAX_FILE:
            raise ConfigurationError(f"{name}: expected at most {MAX_FILE} bytes, found more")
        return content

    def _refuse(self, name: str, file: _File, line: str) -> None:
        """Keep the last good content; say so once a change."""
        fault = line.removeprefix(f"{name}: ")
        if fault != file.fault or file.mark is not None:
            self.rejected += 1
            kept = "its last good content stays" if file.good else "nothing of it is used"
            self.log.warn("{name}: {fault} ({kept})", name=name, fault=fault, kept=kept)
        file.fault = fault

    def _assemble(self) -> None:
        """Make Metadata of everything that is good."""
        good = [(name, file.good) for name, file in sorted(self._files.items()) if file.good]
        built = build(
            (manifest for _, parsed in good for manifest in parsed.manifests), allowLoopback=True
        )
        problems = {name: file.fault for name, file in self._files.items() if file.fault}
        if self._fault:
            problems[self._path] = self._fault
        odd = dict(built.problems)
        for _, parsed in good:
            odd.update(parsed.problems)
        self._memory.report({**odd, **problems})
        self._tell(odd, {note for _, parsed in good for note in parsed.notes})
        if self._memory.put(built.metadata):
            self.applied += 1

    def _tell(self, odd: Mapping[str, str], notes: set[str]) -> None:
        """Log what was not so at the last look."""
        lines = {f"{title}: {line}" for title, line in odd.items()}
        for line in sorted(lines - self._told):
            self.log.warn("{line}", line=line)
        for note in sorted(notes - self._told):
            self.log.info("{note}", note=note)
        self._told = lines | notes


def _isManifest(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def _markOf(path: str) -> _Mark | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Mark(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
