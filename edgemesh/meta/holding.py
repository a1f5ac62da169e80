# -*- test-case-name: tests.meta.test_holding -*-
"""
What a metamanager has said, and what of it is in force.

Theory of operation: objects come one by one, pushed or from a list, in any order.
Of two versions of an object the newer one stays, and of a broken one what was good
before.  A list that is complete says besides what is gone: everything of its kind that
was neither on it nor came by itself since it was begun.

A list is a snapshot of some moment while it is under way, so an object that was
deleted meanwhile may be on it still.  What was deleted since a list was begun is
remembered until it is complete.

Sans-IO: Messages' contents in, Metadata out.  Knows no link and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgemesh.beehive.resource import Resource
from edgemesh.errors import ConfigurationError, RemoteProtocolError
from edgemesh.meta.assembly import Assembly
from edgemesh.meta.manifests import parseObject
from edgemesh.meta.model import Metadata
from edgemesh.meta.objects import KIND_OF, KINDS, POD, POD_LIST, Item, Kind, itemsOf, placeOf
from edgemesh.meta.parts import Name


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which version of which object it was; of two uids none is newer."""

    uid: int
    version: int

    def isOlderThan(self, other: _Mark) -> bool:
        return self.uid == other.uid and 0 < self.version < other.version


@dataclass(slots=True)
class _Listing:
    """
    A round of lists that is under way.

    :ivar seen: what was on a list, or came by itself, by kind.
    :ivar deleted: what was deleted meanwhile.
    :ivar alone: Pods that were on the list of Pods, and not only behind a Service.
    """

    seen: dict[Kind, set[Name]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    deleted: dict[tuple[Kind, Name], _Mark] = field(default_factory=dict)
    alone: set[Name] = field(default_factory=set)


class Holding:
    """
    Objects of a metamanager.

    :ivar rejected: how many times something was broken.
    :ivar outdated: how many times something older came than what is known.
    """

    def __init__(self) -> None:
        self.rejected = 0
        self.outdated = 0
        self._assembly = Assembly()
        self._marks: dict[Kind, dict[Name, _Mark]] = {kind: {} for kind in KINDS}
        #: What is broken or odd, by title, of each object; contents by resource string.
        self._odd: dict[tuple[Kind, Name], Mapping[str, str]] = {}
        self._broken: dict[str, str] = {}
        #: Pods that are known by themselves, and not only as those behind a Service.
        self._alone: set[Name] = set()
        self._listing: _Listing | None = None

    def commit(self) -> Metadata:
        """Everything as it is now; the very same value when nothing changed."""
        return self._assembly.commit()

    def problems(self) -> dict[str, str]:
        """What is not in force, or only in part: title to one line."""
        problems = self._assembly.problems()
        for odd in self._odd.values():
            problems.update(odd)
        return problems | self._broken

    def names(self, kind: Kind) -> list[Name]:
        """Every object of a kind that is known, broken ones too."""
        return list(self._marks[kind])

    # -- what comes ---------------------------------------------------------------

    def put(self, resource: Resource, content: object, isOwn: bool) -> None:
        """
        Take what a content has; older and broken objects change nothing.

        :param resource: of a known type.
        :param content: see :mod:`edgemesh.meta.objects`.
        :param isOwn: whether objects may be believed that they are from this node's
            own manifests.
        """
        try:
            items = list(itemsOf(content, resource))
        except RemoteProtocolError as error:
            self.refuse(resource, error.detail)
            return
        if resource.name:
            self._broken.pop(str(resource), None)
        for item in items:
            self._take(item, isOwn and item.isOwn)
        if resource.type == POD_LIST and resource.name:
            self._selected(resource, {item.place for item in items})
        elif resource.type == POD.type:
            self._alone.update(item.place for item in items)
            if self._listing is not None:
                self._listing.alone.update(item.place for item in items)

    def refuse(self, resource: Resource, problem: str) -> None:
        """A content was none; what was known before stays."""
        self.rejected += 1
        self._broken[str(resource)] = problem

    def delete(self, resource: Resource) -> None:
        """The object of this name is gone, or the list of Pods."""
        kind = KIND_OF[resource.type]
        self._broken.pop(str(resource), None)
        if resource.type == POD_LIST:
            self._selected(resource, set())
        elif resource.type == kind.type:
            place = placeOf(resource)
            known = self._marks[kind].get(place, _Mark(0, 0))
            if self._listing is not None:
                self._listing.deleted[kind, place] = known
                self._listing.seen[kind].discard(place)
            self._forget(kind, place)

    def _take(self, item: Item, isOwn: bool) -> None:
        mark, marks = _Mark(item.uid, item.version), self._marks[item.kind]
        known, listing = marks.get(item.place), self._listing
        if listing is not None:
            deleted = listing.deleted.get((item.kind, item.place))
            if deleted is not None and (mark == deleted or mark.isOlderThan(deleted)):
                self.outdated += 1
                return
            listing.seen[item.kind].add(item.place)
        if known is not None and mark.isOlderThan(known):
            self.outdated += 1
        elif known != mark or not mark.version:
            marks[item.place] = mark
            self._read(item, isOwn)

    def _read(self, item: Item, isOwn: bool) -> None:
        """Check an object that is new; put in force what is good of it."""
        identity = (item.kind, item.place)
        try:
            parsed = parseObject(item.value, item.title)
        except ConfigurationError as error:
            self.rejected += 1
            # What is before the first colon says once more which object it is.
            self._odd[identity] = {item.title: str(error).partition(": ")[2]}
            return
        self._odd.pop(identity, None)
        if parsed.problems:
            self._odd[identity] = parsed.problems
        for manifest in parsed.manifests:
            self._assembly.put(manifest, isOwn)
        if not parsed.manifests:
            self._assembly.remove(item.kind.kind, *item.place)

    def _selected(self, resource: Resource, pods: set[Name]) -> None:
        """A Service has these Pods: forget those that it had and that are not known otherwise."""
        for pod in self._assembly.selected((resource.namespace, resource.name)):
            if pod not in pods and pod not in self._alone:
                self._forget(POD, pod)

    def _forget(self, kind: Kind, place: Name) -> None:
        self._marks[kind].pop(place, None)
        self._odd.pop((kind, place), None)
        self._assembly.remove(kind.kind, *place)
        if kind is POD:
            self._alone.discard(place)
            if self._listing is not None:
                self._listing.alone.discard(place)

    # -- lists ----------------------------------------------------------------------

    def beginLists(self) -> None:
        """Lists are about to be asked for; a round before that was not completed is void."""
        self._listing = _Listing()
        self._broken.clear()

    def completeLists(self, complete: set[Kind]) -> None:
        """
        Lists have come; of these kinds there is nothing but what was on them.

        :param complete: the others stay as they are.
        """
        listing, self._listing = self._listing, None
        assert listing is not None
        for kind in complete:
            for place in self._marks[kind].keys() - listing.seen[kind]:
                self._forget(kind, place)
        if POD in complete:
            self._alone = listing.alone
