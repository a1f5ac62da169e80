"""Which of two rows counts."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.changes import Change, deleted, written
from edgemesh.edgecore.rows import Gone, Raise, Row, Upsert
from tests.edgecore.fakes import MemoryRows, service, text

KEY = "default/service/web"


class Case(SynchronousTestCase):
    """Rows, empty at first."""

    def setUp(self) -> None:
        self.rows = MemoryRows()

    def write(self, version: int, uid: str = "u1", origin: str = "", **more: object) -> bool:
        """Say that there is such a Service; whether it was taken."""
        value = text(service(version=version, uid=uid, **more))
        return self.carryOut(written(self.rows, Row(KEY, "service", value), origin=origin))

    def delete(self, version: int = 0, uid: str = "u1", beside: str = "", origin: str = "") -> bool:
        """Say that there is none any more."""
        value = text(service(version=version, uid=uid)) if uid else "null"
        return self.carryOut(deleted(self.rows, KEY, value, beside, origin))

    def carryOut(self, change: Change) -> bool:
        """Write what is to be written."""
        self.rows.apply(change.writes)
        return change.applied

    def stored(self) -> str | None:
        """The version that is stored."""
        value = self.rows.value(KEY)
        return value and value.partition('"resourceVersion":"')[2].partition('"')[0]


class WrittenTests(Case):
    """Inserts and updates."""

    def test_newer(self) -> None:
        """A newer object replaces an older one, not the other way round."""
        self.assertEqual([self.write(v) for v in (5, 9, 7)], [True, True, False])
        self.assertEqual(self.stored(), "9")

    def test_twice(self) -> None:
        """The same once more is fine and writes nothing."""
        self.write(5)
        row = Row(KEY, "service", text(service(version=5)))
        self.assertEqual(written(self.rows, row), Change(True))

    def test_unversioned(self) -> None:
        """What has no version is written as it comes."""
        for value in ('"9.251.0.1"', '"9.251.0.2"'):
            self.carryOut(written(self.rows, Row("default/listener/x", "listener", value)))
        self.assertEqual(self.rows.value("default/listener/x"), '"9.251.0.2"')

    def test_object(self) -> None:
        """An object gets its place in KubeEdge's API server; a status does not."""
        value = text(service(version=5))
        for kind, place in (("service", "/core/v1/services/default/web"), ("podstatus", None)):
            write = written(self.rows, Row("default/x/web", kind, value)).writes[0]
            assert isinstance(write, Upsert)
            self.assertEqual(write.object and write.object.key, place)

    def test_manifestBelowCloud(self) -> None:
        """The cloud's object replaces a manifest, and a manifest none of the cloud's."""
        self.assertTrue(self.write(2, "local", "manifests"))
        self.assertTrue(self.write(1, "u1"))
        self.assertEqual(self.rows.origin(KEY), "")
        self.assertFalse(self.write(99, "local", "manifests"))
        self.assertEqual(self.stored(), "1")

    def test_counter(self) -> None:
        """The folder's counter is kept with its objects."""
        self.write(7, origin="manifests")
        self.assertEqual(self.rows.counter("manifests"), 7)


class DeletedTests(Case):
    """Deletes, and what comes late after them."""

    def test_deleted(self) -> None:
        """The row is gone, and what it was is known."""
        self.write(5)
        self.assertTrue(self.delete(5, beside="8"))
        self.assertIsNone(self.stored())
        self.assertEqual(self.rows.gone(KEY), Gone("u1", 8))

    def test_twice(self) -> None:
        """A second delete is fine."""
        self.write(5)
        self.assertEqual((self.delete(6), self.delete(6)), (True, True))

    def test_late(self) -> None:
        """An object from before its deletion does not come back."""
        self.write(5)
        self.delete(6)
        self.assertFalse(self.write(5))
        self.assertIsNone(self.stored())

    def test_again(self) -> None:
        """A new object of the same name does."""
        self.write(5)
        self.delete(6)
        self.assertTrue(self.write(7, "u2"))

    def test_lateDelete(self) -> None:
        """The deletion of its predecessor does not touch an object."""
        self.write(5)
        self.delete(6)
        self.write(7, "u2")
        self.assertFalse(self.delete(6))
        self.assertEqual(self.stored(), "7")

    def test_bare(self) -> None:
        """A delete that does not say of what deletes what is there."""
        self.write(5)
        self.assertTrue(self.delete(uid=""))
        self.assertIsNone(self.stored())

    def test_unknown(self) -> None:
        """What was never there leaves no trace, unless it may come late."""
        self.assertEqual(deleted(self.rows, KEY, "null"), Change(True))
        self.delete(6)
        self.assertEqual(self.rows.gone(KEY), Gone("u1", 6))

    def test_ofAnother(self) -> None:
        """Neither cloud nor folder deletes what is the other's."""
        self.write(2, origin="manifests")
        self.assertFalse(self.delete(9))
        self.write(1)
        self.assertFalse(self.delete(99, origin="manifests"))

    def test_counter(self) -> None:
        """A deletion of the folder's counts as a change."""
        self.write(7, origin="manifests")
        self.assertTrue(self.delete(7, beside="8", origin="manifests"))
        self.assertEqual(self.rows.counter("manifests"), Raise("manifests", 8).value)


class OrderTests(Case):
    """One object's life, its Messages in any order and any number."""

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.permutations([5, 6, 7]), st.lists(st.sampled_from([5, 6, 7]), max_size=3))
    def test_anyOrder(self, order: list[int], again: list[int]) -> None:
        """In the end the newest is there."""
        self.rows = MemoryRows()
        for version in order + again:
            self.write(version)
        self.assertEqual(self.stored(), "7")

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.permutations([5, 6, 7, 8]), st.lists(st.sampled_from([5, 6, 7, 8]), max_size=3))
    def test_anyOrderWithDelete(self, order: list[int], again: list[int]) -> None:
        """After its deletion (8) there is none, whatever comes late."""
        self.rows = MemoryRows()
        for version in order + again:
            self.delete(8) if version == 8 else self.write(version)
        self.assertIsNone(self.stored())
