# -*- test-case-name: tests.interceptor.test_recognition -*-
"""
What all connections of a node share while they are not recognised yet.

One for each node: the protocols and their resolvers, the two short waits
(silence, quiet) with a timer each, and the places for early dials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from edgemesh.interceptor.deadlines import Deadlines
from edgemesh.interceptor.resolving import ResolverChain
from edgemesh.interfaces import IMeshProtocol
from edgemesh.protocols.mesh import Mesh

#: The protocol of connections whose server speaks first.
OPAQUE = "tcp"


class Places:
    """
    A bound on early dials; who finds no place is called when one is free.

    :ivar free: how many are.
    :param most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.free = most
        self._queue: dict[Callable[[], None], None] = {}
        self._calling = False

    def take(self, waiting: Callable[[], None]) -> bool:
        """
        Take a place, if one is free.

        :param waiting: called later otherwise; it may try again.
        """
        if self.free:
            self.free -= 1
            return True
        self._queue[waiting] = None
        return False

    def forget(self, waiting: Callable[[], None]) -> None:
        """Nobody waits there any more."""
        self._queue.pop(waiting, None)

    def give(self) -> None:
        """Give a place back; the next in the queue may have it."""
        self.free += 1
        if self._calling:
            # Somebody who was called gave it back at once: a loop, not a recursion.
            return
        self._calling = True
        try:
            while self._queue and self.free:
                waiting = next(iter(self._queue))
                del self._queue[waiting]
                waiting()
        finally:
            self._calling = False


class Recognition:
    """
    How this node recognises protocols.

    :ivar silence: waits of callers that have not said anything.
    :ivar quiet: waits of callers that have begun to speak.
    :ivar places: for early dials.
    :ivar speaksFirst: callers that say nothing may have an endpoint dialled; only
        with the protocol for opaque bytes among those configured.
    :param protocols: by name, in the configured order.
    :param protocolFor: the protocol that is configured for a service port, or "".
    """

    def __init__(
        self,
        mesh: Mesh,
        clock: IReactorTime,
        protocols: Mapping[str, IMeshProtocol],
        protocolFor: Callable[[str], str],
    ) -> None:
        self.mesh = mesh
        self.protocols = protocols
        self.resolvers = ResolverChain([one.resolver() for one in protocols.values()])
        self.silence = Deadlines(clock, mesh.limits.silence)
        self.quiet = Deadlines(clock, mesh.limits.quiet)
        self.places = Places(mesh.limits.earlyDials)
        self.speaksFirst = OPAQUE in protocols
        self._protocolFor = protocolFor

    def known(self, asked: str) -> str:
        """The protocol that needs no recognition; empty when it does."""
        name = self._protocolFor(asked) if asked else ""
        return name if name in self.protocols else ""
