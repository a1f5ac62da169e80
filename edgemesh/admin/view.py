# -*- test-case-name: tests.admin.test_view -*-
"""
What the admin may see of the node: references to read from, nothing to change.

The node composes one :class:`NodeView`.  Everything in it is read at the moment
somebody asks, so nothing has to be told when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import IMetaSource
from edgemesh.metrics import Metrics
from edgemesh.reload import Rereading


class ListenerView(Protocol):
    """A listener, as the admin sees it."""

    @property
    def name(self) -> object:
        """What it stands for, for example ``web.default:80``."""

    @property
    def address(self) -> str:
        """Where it listens; empty while it does not."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """
    The node, read only.

    :ivar node: its name.
    :ivar version: of edgemesh.
    :ivar source: where metadata comes from.
    :ivar table: every Route.
    :ivar listeners: all that should be up.
    :ivar draining: whether the node is shutting down.
    :ivar seconds: the monotonic clock that handlers are given.
    :ivar rereading: how taking in what changed went.
    """

    node: str
    version: str
    source: IMetaSource
    table: RouteTable
    outbound: Chain
    inbound: Chain
    listeners: Sequence[ListenerView]
    metrics: Metrics
    draining: Callable[[], bool]
    seconds: Callable[[], float]
    rereading: Rereading

    def problems(self) -> dict[str, str]:
        """What could not be taken in: file, object, ``configuration``... to one line."""
        return {**self.source.problems(), **self.rereading.mistakes}
