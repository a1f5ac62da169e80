# -*- test-case-name: tests.meta.test_files -*-
"""
The manifests of a folder, as they are on the disk: what changed, what is broken.

Looked at only when somebody asks; :mod:`edgemesh.meta.folder` does, and
``edgemesh check``.  Knows files and manifests, no reactor.

A file that is broken keeps its last good content.  A folder that is gone keeps
all of it: an unmounted volume must not take every service away.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from twisted.logger import Logger

from edgemesh.errors import ConfigurationError
from edgemesh.meta.assembly import build
from edgemesh.meta.documents import decodeText
from edgemesh.meta.manifests import Parsed, parse
from edgemesh.meta.model import Metadata

#: Larger files are refused: YAML is read at about half a MB a second, in the reactor's thread.
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


class ManifestFolder:
    """
    The ``*.yaml``, ``*.yml`` and ``*.json`` files of a folder, hidden ones left out.

    :ivar path: the folder; it may come later.
    :ivar metadata: everything that is good, since the last :meth:`look`.
    :ivar problems: everything else: file, folder or object to one line.
    :ivar rejected: how many times a file was refused.
    """

    log = Logger()

    def __init__(self, path: str) -> None:
        self.path = path
        self.metadata = Metadata()
        self.problems: Mapping[str, str] = {}
        self.rejected = 0
        self._files: dict[str, _File] = {}
        self._fault = ""
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"<ManifestFolder {self.path}: {len(self._files)} files>"

    def differs(self) -> bool:
        """Whether the folder is not as it was at the last look."""
        try:
            marks = self._marks()
        except OSError:
            return not self._fault
        return bool(self._fault) or marks != {n: file.mark for n, file in self._files.items()}

    def look(self, everything: bool = False) -> None:
        """
        Read what changed, and make Metadata of all that is good.

        :param everything: read what did not change, too.
        """
        try:
            marks = self._marks()
        except OSError as error:
            self._fault = f"expected a folder, found: {error.strerror}"
        else:
            self._fault = ""
            self._readChanged(marks, everything)
        self._assemble()

    def _marks(self) -> dict[str, _Mark | None]:
        """Every file's mark by name, in order. :raise OSError: there is no such folder."""
        with os.scandir(self.path) as entries:
            names = sorted(entry.name for entry in entries if _isManifest(entry.name))
        return {name: _markOf(os.path.join(self.path, name)) for name in names}

    def _readChanged(self, marks: dict[str, _Mark | None], everything: bool) -> None:
        for name in self._files.keys() - marks.keys():
            del self._files[name]
        for name, mark in marks.items():
            file = self._files.setdefault(name, _File())
            if everything or mark is None or mark != file.mark:
                self._read(name, file, mark)

    def _read(self, name: str, file: _File, mark: _Mark | None) -> None:
        changed, file.mark = mark != file.mark, mark
        try:
            file.good = parse(decodeText(self._bytes(name), name), name)
            file.fault = ""
        except ConfigurationError as error:
            fault = str(error).removeprefix(f"{name}: ")
            if changed or fault != file.fault:
                self._refuse(name, file, fault)

    def _bytes(self, name: str) -> bytes:
        """The content of a file, if it is a file and not too large."""
        path = os.path.join(self.path, name)
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

    def _refuse(self, name: str, file: _File, fault: str) -> None:
        """Keep the last good content; say so once a change."""
        file.fault = fault
        self.rejected += 1
        kept = "its last good content stays" if file.good else "nothing of it is used"
        self.log.warn("{name}: {fault} ({kept})", name=name, fault=fault, kept=kept)

    def _assemble(self) -> None:
        """Make Metadata of everything that is good."""
        good = [(name, file.good) for name, file in sorted(self._files.items()) if file.good]
        built = build(
            (manifest for _, parsed in good for manifest in parsed.manifests), allowLoopback=True
        )
        problems = {name: file.fault for name, file in self._files.items() if file.fault}
        if self._fault:
            problems[self.path] = self._fault
        odd = dict(built.problems)
        for _, parsed in good:
            odd.update(parsed.problems)
        self.metadata = built.metadata
        self.problems = {**odd, **problems}
        if self._fault:
            odd[self.path] = self._fault
        self._tell(odd, {note for _, parsed in good for note in parsed.notes})

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
