# -*- test-case-name: tests.handlers.test_composition -*-
"""
What a chain consists of, and how it comes to consist of something else.

A change is composed first and put in force afterwards: whatever fails, fails before
anything has changed.  Both cost work for the service ports that changed only.
Knows handlers and Routes; nothing of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IIncrementalRouter, INameIndex, IRouter, IStage, Side
from edgemesh.invocation import Invocation
from edgemesh.meta.model import Metadata

Stages = tuple[IStage, ...]
_Find = Callable[[Invocation], Route]


@dataclass(frozen=True, slots=True)
class Composition:
    """
    What one chain is to consist of.

    :ivar handlers: who made it, in order.
    :ivar made: each handler's stage or None, in the same order, by port key.
    :ivar stages: those of them that are stages.
    :ivar keys: the service ports that came, changed or went; the others stay as they
        are.  None for all.
    :ivar index: makes the router's change effective.
    """

    handlers: tuple[IHandler, ...]
    made: dict[str, tuple[IStage | None, ...]]
    stages: dict[str, Stages]
    keys: Sequence[str] | None
    index: Callable[[], None]


class Composer:
    """
    Composes one chain's stages.

    :ivar handlers: in order, from the next :meth:`compose` on.
    :ivar stages: what is in force, in order, by port key.
    :ivar find: the router's look-up; None without a router.
    """

    def __init__(self, side: Side) -> None:
        self.handlers: tuple[IHandler, ...] = ()
        self.stages: dict[str, Stages] = {}
        self.find: _Find | None = None
        self._side = side
        #: Those that made what is in force, and what each of them made, None too.
        self._makers: tuple[IHandler, ...] = ()
        self._made: dict[str, tuple[IStage | None, ...]] = {}
        self._index: INameIndex | None = None

    def walk(self, key: str) -> Iterator[tuple[IHandler, IStage | None]]:
        """Every handler in order, with its stage for one service port."""
        made = self._made.get(key, (None,) * len(self._makers))
        yield from zip(self._makers, made, strict=True)

    def compose(
        self, routes: Mapping[str, Route], metadata: Metadata, keys: Sequence[str] | None
    ) -> Composition:
        """Compose what changed; nothing is in force yet."""
        if self.handlers != self._makers:
            keys = None
        places = {handler.name: place for place, handler in enumerate(self._makers)}
        formerly = [places.get(handler.name) for handler in self.handlers]
        made: dict[str, tuple[IStage | None, ...]] = {}
        composed: dict[str, Stages] = {}
        nothing = (None,) * len(self.handlers)
        for key in routes if keys is None else keys:
            route = routes.get(key)
            if route is None:
                continue
            former = self._made.get(key)
            stages = tuple(
                [
                    handler.compose(
                        route, self._side, former[at] if former and at is not None else None
                    )
                    for handler, at in zip(self.handlers, formerly, strict=True)
                ]
            )
            # Of thousands of tuples most are the same.
            found = tuple([stage for stage in stages if stage is not None])
            composed[key] = found
            made[key] = stages if found else nothing
        return Composition(
            self.handlers, made, composed, keys, self._indexing(routes, metadata, keys)
        )

    def _indexing(
        self, routes: Mapping[str, Route], metadata: Metadata, keys: Sequence[str] | None
    ) -> Callable[[], None]:
        """Let the router prepare; return what makes that effective."""
        router = self.handlers[0] if self.handlers else None
        if keys is not None and self._index is not None:
            return self._index.prepare(routes, keys)
        if IIncrementalRouter.providedBy(router):
            index = router.indexed(routes, metadata)
            return partial(self._look, index.find, index)
        return partial(
            self._look, router.index(routes, metadata) if IRouter.providedBy(router) else None
        )

    def _look(self, find: _Find | None, index: INameIndex | None = None) -> None:
        """Look names up here from now on."""
        self.find = find
        self._index = index

    def use(self, composition: Composition) -> None:
        """Put a composition in force."""
        self._makers = composition.handlers
        if composition.keys is None:
            self._made = composition.made
            self.stages = composition.stages
        else:
            for key in composition.keys:
                self._made.pop(key, None)
                self.stages.pop(key, None)
            self._made |= composition.made
            self.stages |= composition.stages
        composition.index()
