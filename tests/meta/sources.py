"""What every source of metadata promises: one suite, run for each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IMetaSource
from edgemesh.meta.model import Metadata


@dataclass
class Offered:
    """
    A source under test.

    :ivar offer: make it know exactly these services, each with one endpoint.
    """

    source: IMetaSource
    offer: Callable[[list[str]], None]


def metaSourceTests(
    makeSource: Callable[[SynchronousTestCase], Offered],
) -> type[SynchronousTestCase]:
    """
    The suite, for one kind of source.

    :param makeSource: makes a source that nothing was offered to yet.
    """

    class MetaSourceTests(SynchronousTestCase):
        """What every source of metadata promises."""

        def setUp(self) -> None:
            self.offered = makeSource(self)
            self.source = self.offered.source
            self.told: list[Metadata] = []

        def test_interface(self) -> None:
            """It can stand where a source of metadata is asked for."""
            self.assertTrue(verifyObject(IMetaSource, self.source))

        def test_before(self) -> None:
            """Before anything came it answers, knows nothing and is not ready."""
            self.assertEqual(self.source.metadata(), Metadata())
            self.assertEqual(self.source.problems(), {})
            self.assertFalse(self.source.ready())
            self.assertEqual((self.source.applied, self.source.rejected), (0, 0))

        def test_first(self) -> None:
            """The first value makes it ready and has a generation."""
            self.offered.offer(["a"])
            self.assertTrue(self.source.ready())
            self.assertEqual(self.source.applied, 1)
            metadata = self.source.metadata()
            self.assertEqual(list(metadata.services), [("default", "a")])
            self.assertEqual(list(metadata.endpoints), ["a.default:80"])
            self.assertEqual(metadata.generation, 1)

        def test_told(self) -> None:
            """Subscribers get each value when it is in force, in order."""
            self.source.subscribe(lambda metadata: self.assertIs(self.source.metadata(), metadata))
            self.source.subscribe(self.told.append)
            self.offered.offer(["a"])
            self.offered.offer(["a", "b"])
            self.assertEqual([metadata.generation for metadata in self.told], [1, 2])
            self.assertEqual(self.told[-1], self.source.metadata())

        def test_unchanged(self) -> None:
            """The same once more is no change."""
            self.offered.offer(["a"])
            self.source.subscribe(self.told.append)
            self.offered.offer(["a"])
            self.assertEqual((self.told, self.source.metadata().generation), ([], 1))

        def test_oldValueStays(self) -> None:
            """A value that somebody holds does not change under his hands."""
            self.offered.offer(["a"])
            held = self.source.metadata()
            self.offered.offer(["b"])
            self.assertEqual(list(held.services), [("default", "a")])

        def test_brokenSubscriber(self) -> None:
            """One subscriber's defect is logged and keeps nothing from the others."""

            def broken(metadata: Metadata) -> None:
                raise ZeroDivisionError

            self.source.subscribe(broken)
            self.source.subscribe(self.told.append)
            self.offered.offer(["a"])
            self.assertEqual(len(self.told), 1)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    return MetaSourceTests
