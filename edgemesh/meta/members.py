# -*- test-case-name: tests.meta.test_members -*-
"""
Which names belong to which key, in little memory.

Most keys have one member: that one is kept as it is, and a set is made for the
second only.  Knows strings and keys; nothing of what they stand for.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)


class Members(Generic[_K]):
    """Sets of names by key; a key without members is not kept."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[_K, str | set[str]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, key: _K, member: str) -> None:
        """Let the member belong to the key, if it does not yet."""
        found = self._members.setdefault(key, member)
        if isinstance(found, set):
            found.add(member)
        elif found != member:
            self._members[key] = {found, member}

    def discard(self, key: _K, member: str) -> None:
        """Let it belong to the key no more; harmless when it does not."""
        found = self._members.get(key)
        if isinstance(found, set):
            found.discard(member)
            if len(found) == 1:
                [self._members[key]] = found
        elif found == member:
            del self._members[key]

    def of(self, key: _K) -> Collection[str]:
        """The members of a key, in no order; good until the next change."""
        found = self._members.get(key, ())
        return (found,) if isinstance(found, str) else found
