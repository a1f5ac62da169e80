# -*- test-case-name: tests.interceptor.test_recognition -*-
"""
What all connections of a node share while they are not recognised yet.

One for each node: the protocols and their resolvers, the short waits with a timer
each, and the places for early dials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from edgemesh.interceptor.deadlines import Deadlines
from edgemesh.interceptor.resolving import ResolverChain
from edgemesh.interfaces import IMeshProtocol
from edgemesh.protocols.mesh import Mesh
from edgemesh.protocols.registry import made

#: The protocol of connections whose server speaks first.
OPAQUE = "tcp"
#: Seconds after which an endpoint that was dialled early will hardly speak first.
FRUITLESS = 1.0


class Places:
    """
    A bound on early dials; who finds no place is called when one is free.

    Most of those who hold a place for long wait for nothing: their callers will
    speak first.  They offer theirs, and lose it once somebody else finds none.

    :ivar free: how many are.
    :param most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.free = most
        self._queue: dict[Callable[[], None], None] = {}
        self._offered: dict[Callable[[], None], None] = {}
        self._calling = False

    def take(self, waiting: Callable[[], None]) -> bool:
        """
        Take a place, if one is free or offered.

        :param waiting: called later otherwise; it may try again.
        """
        if not self.free and self._offered:
            self._vacate()
        if self.free:
            self.free -= 1
            return True
        self._queue[waiting] = None
        return False

    def forget(self, waiting: Callable[[], None]) -> None:
        """Nobody waits there any more."""
        self._queue.pop(waiting, None)

    def offer(self, leaving: Callable[[], None]) -> None:
        """
        A holder could do without its place.

        :param leaving: called when somebody needs it, perhaps at once; it gives
            the place back.
        """
        self._offered[leaving] = None
        if self._queue:
            self._vacate()

    def give(self, leaving: Callable[[], None] | None = None) -> None:
        """
        Give a place back; the next in the queue may have it.

        :param leaving: what the holder may have offered it with.
        """
        if leaving is not None:
            self._offered.pop(leaving, None)
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

    def _vacate(self) -> None:
        """Let the one who offered its place first go."""
        leaving = next(iter(self._offered))
        del self._offered[leaving]
        leaving()


class Recognition:
    """
    How this node recognises protocols.

    :ivar silence: waits of callers that have not said anything.
    :ivar quiet: waits of callers that have begun to speak.
    :ivar places: for early dials.
    :ivar fruitless: waits until an early dial may have been for nothing.
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
        resolvers = [made(name, one.resolver) for name, one in protocols.items()]
        self.resolvers = ResolverChain(resolvers)
        self.silence = Deadlines(clock, mesh.limits.silence)
        self.quiet = Deadlines(clock, mesh.limits.quiet)
        self.places = Places(mesh.limits.earlyDials)
        self.fruitless = Deadlines(clock, FRUITLESS)
        self.speaksFirst = OPAQUE in protocols
        self._protocolFor = protocolFor

    def stop(self) -> None:
        """Every connection is over: leave no timer."""
        for waits in (self.silence, self.quiet, self.fruitless):
            waits.stop()

    def known(self, asked: str) -> str:
        """The protocol that needs no recognition; empty when it does."""
        name = self._protocolFor(asked) if asked else ""
        return name if name in self.protocols else ""
