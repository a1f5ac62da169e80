"""A folder of manifests, fed to metamanager."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.edgecore.feeding import Feed, Feeder
from edgemesh.edgecore.metamanager import MetaManager
from edgemesh.edgecore.objects import identify
from edgemesh.edgecore.rows import MANIFESTS
from tests.edgecore.fakes import MemoryRows, fromCloud, maker, service


def manifest(name: str = "web", port: int = 80, **about: object) -> dict[str, Any]:
    """A Service as people write it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **about},
        "spec": {"ports": [{"port": port}]},
    }


class Case(SynchronousTestCase):
    """A folder, and what metamanager has stored of it."""

    def setUp(self) -> None:
        self.rows = MemoryRows()
        self.metamanager = MetaManager(maker())
        uids = itertools.count(1)
        self.feeder = Feeder(maker(), lambda: f"uid{next(uids)}")

    def feed(self, *objects: dict[str, Any]) -> Feed:
        """The folder has these objects now."""
        stored = self.rows.fedBy(MANIFESTS)
        feed = self.feeder.feed(stored, self.rows.counter(MANIFESTS), objects)
        for message in feed.messages:
            decision = self.metamanager.take(message, self.rows)
            self.rows.apply(decision.writes)
        return feed

    def did(self, feed: Feed) -> list[str]:
        """What was done, in short."""
        return [f"{each.route.operation} {each.route.resource}" for each in feed.messages]

    def stored(self, name: str = "web") -> tuple[str, int] | None:
        """Uid and version of a Service."""
        found = identify(self.rows.value(f"default/service/{name}") or "")
        return found and (found.uid, found.version)


class FeedTests(Case):
    """What a change of the folder does."""

    def test_first(self) -> None:
        """Each object is inserted, with a uid and a version of its own."""
        feed = self.feed(manifest(), manifest("api"))
        self.assertEqual(
            self.did(feed), ["insert default/service/web", "insert default/service/api"]
        )
        self.assertEqual([self.stored(), self.stored("api")], [("uid1", 1), ("uid2", 2)])
        self.assertEqual(self.rows.origin("default/service/web"), MANIFESTS)

    def test_same(self) -> None:
        """What did not change is left alone, however its keys are ordered."""
        self.feed(manifest())
        turned = dict(reversed(list(manifest().items())))
        self.assertEqual(self.did(self.feed(turned)), [])

    def test_changed(self) -> None:
        """A changed object keeps its uid and gets a higher version."""
        self.feed(manifest(), manifest("api"))
        feed = self.feed(manifest(port=81), manifest("api"))
        self.assertEqual(self.did(feed), ["update default/service/web"])
        self.assertEqual(self.stored(), ("uid1", 3))

    def test_deleted(self) -> None:
        """An object that is no longer in the folder is deleted."""
        self.feed(manifest(), manifest("api"))
        self.assertEqual(self.did(self.feed(manifest())), ["delete default/service/api"])
        self.assertIsNone(self.stored("api"))

    def test_again(self) -> None:
        """An object that comes again is another one, and newer than all before."""
        self.feed(manifest())
        self.feed()
        self.feed(manifest())
        self.assertEqual(self.stored(), ("uid2", 3))

    def test_restart(self) -> None:
        """After a restart everything is as it was, versions included."""
        self.feed(manifest(), manifest("api"))
        self.feed(manifest())
        self.feeder = Feeder(maker(), lambda: "after the restart")
        self.assertEqual(self.did(self.feed(manifest())), [])
        self.feed(manifest(), manifest("db"))
        self.assertEqual(self.stored("db"), ("after the restart", 4))

    def test_givenElsewhere(self) -> None:
        """A uid and version that another cluster gave are not taken over."""
        self.feed(manifest(uid="theirs", resourceVersion="900"))
        self.assertEqual(self.stored(), ("uid1", 1))
        self.assertEqual(self.did(self.feed(manifest(uid="other", resourceVersion="9"))), [])

    def test_namespaces(self) -> None:
        """Without a namespace an object is in ``default``; a Node is in none."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge-1"}}
        feed = self.feed(manifest(namespace="shop"), manifest(namespace=None), node)
        self.assertEqual(
            [each.route.resource for each in feed.messages],
            ["shop/service/web", "default/service/web", "null/node/edge-1"],
        )

    def test_belowCloud(self) -> None:
        """What the cloud has sent under the name stays; nothing of the cloud's is deleted."""
        insert = fromCloud("insert", "default/service/web", service(version=4))
        self.rows.apply(self.metamanager.take(insert, self.rows).writes)
        self.feed(manifest())
        self.feed()
        self.assertEqual(self.stored(), ("u1", 4))

    def test_messages(self) -> None:
        """The Messages say where they are from and which version they bring."""
        message = self.feed(manifest()).messages[0]
        self.assertEqual(message.route.source, MANIFESTS)
        self.assertEqual(message.header.resourceversion, "1")


class ProblemTests(Case):
    """Objects that cannot be fed."""

    def test_problems(self) -> None:
        """Each is named; the others work."""
        feed = self.feed(
            {"kind": "Service"},
            {"metadata": {"name": "x"}},
            manifest("a/b"),
            manifest("nan", port=float("nan")),
            manifest(),
            manifest(port=81),
            manifest("api"),
        )
        self.assertEqual(
            self.did(feed), ["insert default/service/web", "insert default/service/api"]
        )
        self.assertEqual(
            sorted(feed.problems),
            [
                "None",
                "Service",
                "Service a/b.default",
                "Service nan.default",
                "Service web.default",
            ],
        )

    def test_stored(self) -> None:
        """A row that is no object any more is replaced."""
        self.feed(manifest())
        key = "default/service/web"
        row = self.rows.rows[key]
        self.rows.rows[key] = type(row)(key, "service", "[]")
        self.assertEqual(self.did(self.feed(manifest())), ["insert default/service/web"])


class HistoryTests(Case):
    """Any history of a folder."""

    FOLDERS = st.lists(
        st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), max_size=3), max_size=6
    )

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(FOLDERS)
    def test_follows(self, folders: list[dict[str, int]]) -> None:
        """After each change what is stored is what is in the folder, and versions only rise."""
        self.setUp()
        highest = 0
        for folder in folders:
            feed = self.feed(*[manifest(name, port) for name, port in folder.items()])
            versions = [int(each.header.resourceversion) for each in feed.messages]
            self.assertEqual(versions, sorted(versions))
            self.assertTrue(all(version > highest for version in versions))
            highest = max([highest, *versions])
            stored = {row.key[-1]: row.value for row in self.rows.fedBy(MANIFESTS)}
            self.assertEqual(
                {name: f'"port":{port}' in stored.get(name, "") for name, port in folder.items()},
                dict.fromkeys(folder, True),
            )
            self.assertEqual(set(stored), set(folder))
