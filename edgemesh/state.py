# -*- test-case-name: tests.test_state -*-
"""
The directory of what a node remembers: made when the node starts.

A folder of services below it is made as well, so that a node without a
configuration has a place to put the first one.  Knows paths only.
"""

from __future__ import annotations

import os

from twisted.application.service import Service
from twisted.logger import Logger


def isBelow(state: str, manifests: str) -> bool:
    """Whether the folder of services belongs to the state directory."""
    return manifests.startswith(os.path.join(state, ""))


class StateDirectory(Service):
    """
    Make the state directory, for this user alone; what is there stays as it is.

    :param state: its path.
    :param manifests: the folder of services; made if it lies below ``state``.
    """

    log = Logger()

    def __init__(self, state: str, manifests: str) -> None:
        self._wanted = [state, manifests] if isBelow(state, manifests) else [state]
        self.setName("state")  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        for path in self._wanted:
            try:
                os.makedirs(path, 0o700, exist_ok=True)
            except OSError as error:
                # Calls need no state; what does need it will say so itself.
                self.log.warn("{path} cannot be made: {error}", path=path, error=error.strerror)
                return
