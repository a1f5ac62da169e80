"""Rows on disk and rows in memory are the same to whoever asks."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.rows import Delete, Gone, Raise, Row, Upsert, Write
from edgemesh.edgecore.store import MetaStore
from tests.edgecore.fakes import MemoryRows


class RowsMachine(RuleBasedStateMachine):
    """Any sequence of writes leaves what rows in memory would hold."""

    KEYS = st.sampled_from([f"default/{kind}/{n}" for kind in ("pod", "service") for n in "ab"])
    counter = 0

    def __init__(self) -> None:
        super().__init__()
        RowsMachine.counter += 1
        self.path = os.path.abspath(f"machine-{RowsMachine.counter}/edgecore.db")
        self.store = MetaStore(self.path)
        self.memory = MemoryRows()

    def write(self, write: Write) -> None:
        """Write to both."""
        self.store.apply([write])
        self.memory.apply([write])

    @rule(key=KEYS, value=st.text(st.characters(codec="utf-8"), max_size=5), fed=st.booleans())
    def upsert(self, key: str, value: str, fed: bool) -> None:
        """Write a row."""
        self.write(Upsert(Row(key, key.split("/")[1], value), "manifests" if fed else ""))

    @rule(key=KEYS, uid=st.sampled_from(["", "u1", "u2"]))
    def delete(self, key: str, uid: str) -> None:
        """Delete a row, there or not."""
        self.write(Delete(key, gone=Gone(uid, 5) if uid else None))

    @rule(value=st.integers(0, 9))
    def count(self, value: int) -> None:
        """Raise a counter, or try to lower it."""
        self.write(Raise("manifests", value))

    @rule()
    def restart(self) -> None:
        """Close and open."""
        self.store.close()
        self.store = MetaStore(self.path)

    @rule(key=KEYS, kind=st.sampled_from(["pod", "service"]), limit=st.integers(-1, 3))
    def ask(self, key: str, kind: str, limit: int) -> None:
        """Both answer the same."""
        for ask in (
            lambda rows: rows.value(key),
            lambda rows: rows.origin(key),
            lambda rows: rows.gone(key),
            lambda rows: rows.ofType(kind, key, limit),
            lambda rows: rows.fedBy("manifests"),
            lambda rows: rows.counter("manifests"),
        ):
            assert ask(self.store) == ask(self.memory)

    @invariant()
    def same(self) -> None:
        """The rows are what was written last."""
        assert {row.key: row for row in self.store.rows()} == self.memory.rows

    def teardown(self) -> None:
        """Let the file go."""
        self.store.close()


class RowsMachineTests(SynchronousTestCase):
    """The machine, as a test."""

    def test_any(self) -> None:
        """Whatever the order of writes, deletions and restarts."""
        run_state_machine_as_test(
            RowsMachine,
            settings=settings(
                derandomize=True, max_examples=8, stateful_step_count=20, deadline=None
            ),
        )
