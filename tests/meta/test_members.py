"""Tests for edgemesh.meta.members."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.members import Members


class MembersTests(SynchronousTestCase):
    """Sets of names by key."""

    def test_none(self) -> None:
        """An unknown key has no members, and asking does not make it known."""
        members: Members[int] = Members()
        self.assertEqual((list(members.of(1)), len(members)), ([], 0))

    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(
        st.lists(
            st.tuples(st.booleans(), st.integers(0, 2), st.sampled_from(["a", "bb", "ccc", ""]))
        )
    )
    def test_likeSets(self, steps: list[tuple[bool, int, str]]) -> None:
        """Whatever comes and goes, the members are those that came last and did not go."""
        members: Members[int] = Members()
        plain: dict[int, set[str]] = {}
        for isAdded, key, member in steps:
            if isAdded:
                members.add(key, member)
                plain.setdefault(key, set()).add(member)
            else:
                members.discard(key, member)
                plain.setdefault(key, set()).discard(member)
        for key in range(3):
            self.assertEqual(sorted(members.of(key)), sorted(plain.get(key, ())))
        self.assertEqual(len(members), sum(map(bool, plain.values())))
