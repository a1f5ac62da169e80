# -*- test-case-name: tests.meta.test_memory -*-
"""
Metadata that somebody puts in: the plain :class:`IMetaSource`, and the fake for tests.

Every other source keeps what it knows in one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from twisted.logger import Logger
from zope.interface import implementer

from edgemesh.interfaces import IMetaSource
from edgemesh.meta.model import Metadata


@implementer(IMetaSource)
class MemoryMetaSource:
    """
    What the node knows, from whoever calls :meth:`put`.

    :ivar applied: how many changes were put in force.
    :ivar rejected: whoever reports problems counts what it refused.
    :param metadata: the first complete value; without one it is not ready.
    """

    log = Logger()

    def __init__(self, metadata: Metadata | None = None) -> None:
        self._metadata = metadata or Metadata()
        self._ready = metadata is not None
        self._problems: Mapping[str, str] = {}
        self._subscribers: list[Callable[[Metadata], None]] = []
        self.applied = self.rejected = 0

    def __repr__(self) -> str:
        state = "ready" if self._ready else "not ready"
        return f"<MemoryMetaSource {state}, generation {self._metadata.generation}>"

    def metadata(self) -> Metadata:
        return self._metadata

    def subscribe(self, changed: Callable[[Metadata], None]) -> None:
        self._subscribers.append(changed)

    def problems(self) -> Mapping[str, str]:
        return self._problems

    def ready(self) -> bool:
        return self._ready

    def put(self, metadata: Metadata) -> bool:
        """
        Put this in force and tell the subscribers, if it is anything new.

        :param metadata: its generation does not matter; it gets the next one.  When it
            says what changed, that is since what is in force, and it is new.
        :return: whether it was new.
        """
        self._ready = True
        generation = self._metadata.generation
        # Comparing everything is work for everything that is known.
        isNew = metadata.changed is not None
        if not isNew and replace(metadata, generation=generation) == self._metadata:
            return False
        self._metadata = replace(metadata, generation=generation + 1)
        self.applied += 1
        for changed in self._subscribers:
            try:
                changed(self._metadata)
            except Exception:
                # One subscriber's defect must not keep the change from the others.
                self.log.failure("told {changed} of generation {n}", changed=changed, n=generation)
        return True

    def report(self, problems: Mapping[str, str]) -> None:
        """Say what could not be taken in."""
        self._problems = dict(problems)
