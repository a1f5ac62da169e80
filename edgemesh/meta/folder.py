# -*- test-case-name: tests.meta.test_folder -*-
"""
Metadata from a folder of Kubernetes manifests, kept up to date.

Theory of operation: the folder is looked at when the kernel says that something
in it changed (:mod:`edgemesh.meta.watch`), and every few seconds besides, since
network file systems and some container mounts say nothing.  A look compares each
file's time, size and inode with those at the last look, reads what differs, and
makes new Metadata of everything that is good (:mod:`edgemesh.meta.files`).  It
waits until the folder has been quiet for a moment, so that half-written files are
rarely seen, but not for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from edgemesh.interfaces import IMetaSource
from edgemesh.meta.files import ManifestFolder
from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Metadata
from edgemesh.meta.watch import Watch


@implementer(IMetaSource)
class FolderMetaSource(Service):
    """
    Services, Endpoints, Pods and Nodes from the files of a folder.

    :param reactor: keeps time, and reads what the kernel says of the folder.
    :param path: the folder; it may come later.
    :param quiet: seconds without a change after which it is looked at.
    :param patience: seconds after which it is looked at although it changes.
    :param rescan: seconds between looks that nobody asked for.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        path: str,
        quiet: float = 0.1,
        patience: float = 1.0,
        rescan: float = 5.0,
    ) -> None:
        self._reactor = reactor
        self._quiet = quiet
        self._patience = patience
        self._rescan = rescan
        self._folder = ManifestFolder(path)
        self._memory = MemoryMetaSource()
        self._pending: IDelayedCall | None = None
        self._latest = 0.0
        self._watch = Watch(reactor, path, self._stirred)
        self._loop = LoopingCall(self._rescanned)
        self._loop.clock = reactor
        self.setName("manifests")  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<FolderMetaSource {self._folder!r} {self._memory!r}>"

    @property
    def applied(self) -> int:
        return self._memory.applied

    @property
    def rejected(self) -> int:
        return self._folder.rejected

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
        self._look()
        self._loop.start(self._rescan, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        self._settle()
        self._watch.stop()

    def reload(self) -> None:
        """Read every file again, now."""
        self._look(everything=True)

    def _stirred(self) -> None:
        """Something in the folder changed: look when it has been quiet for a moment."""
        now = self._reactor.seconds()
        if self._pending is None:
            self._latest = now + self._patience
            self._pending = self._reactor.callLater(self._quiet, self._look)
        else:
            self._pending.reset(max(0.0, min(self._quiet, self._latest - now)))

    def _rescanned(self) -> None:
        if self._folder.differs() or self._watch.isLost():
            self._stirred()

    def _look(self, everything: bool = False) -> None:
        """Put in force what is in the folder now."""
        self._settle()
        # Watched first, so that a change between the two is not lost.
        self._watch.renew()
        self._folder.look(everything)
        self._memory.report(self._folder.problems)
        self._memory.put(self._folder.metadata)

    def _settle(self) -> None:
        """Forget that something is to be looked at."""
        pending, self._pending = self._pending, None
        if pending is not None and pending.active():
            pending.cancel()
