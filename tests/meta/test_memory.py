"""Tests for edgemesh.meta.memory."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.memory import MemoryMetaSource
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from tests.meta.sources import Offered, metaSourceTests


def known(names: list[str]) -> Metadata:
    """Metadata with these services."""
    return Metadata(
        services={
            ("default", name): Service("default", name, (ServicePort(80),)) for name in names
        },
        endpoints={f"{name}.default:80": (Endpoint("127.0.0.1", 8080),) for name in names},
    )


def makeSource(case: SynchronousTestCase) -> Offered:
    """A source in memory, and how to change it."""
    source = MemoryMetaSource()
    return Offered(source, lambda names: source.put(known(names)) and None)


class MemorySourceTests(metaSourceTests(makeSource)):  # type: ignore[misc]
    """What every source promises, of the one in memory."""


class MemoryMetaSourceTests(SynchronousTestCase):
    """What only the one in memory has."""

    def test_readyAtOnce(self) -> None:
        """With a first value it is ready from the start."""
        source = MemoryMetaSource(known(["a"]))
        self.assertTrue(source.ready())
        self.assertIn("ready, generation 0", repr(source))

    def test_put(self) -> None:
        """Whoever puts a value in learns whether it was new."""
        source = MemoryMetaSource()
        self.assertEqual([source.put(known(["a"])), source.put(known(["a"]))], [True, False])

    def test_changed(self) -> None:
        """A value that says what changed is taken at its word, and passed on with it."""
        source = MemoryMetaSource(known(["a"]))
        told: list[Metadata] = []
        source.subscribe(told.append)
        changed = frozenset([("default", "a")])
        self.assertTrue(source.put(replace(known(["a"]), changed=changed)))
        self.assertEqual([(one.generation, one.changed) for one in told], [(1, changed)])

    def test_report(self) -> None:
        """Problems are those of the last report."""
        source = MemoryMetaSource()
        source.report({"a": "1"})
        source.report({"b": "2"})
        self.assertEqual(source.problems(), {"b": "2"})
