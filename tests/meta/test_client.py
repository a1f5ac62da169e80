"""Tests for edgemesh.meta.client."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Message
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.enforcing import enforce
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.path import CallPath
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import Side
from edgemesh.meta.model import Metadata
from edgemesh.meta.objects import MANIFESTS
from edgemesh.meta.policy import Policy
from tests.handlers.samples import WELL, call
from tests.meta.metamanagers import (
    FakeMetaManager,
    addresses,
    endpoints,
    everyWay,
    keyOf,
    pod,
    service,
    slice_,
)
from tests.meta.sources import Offered, metaSourceTests
from tests.sourcetree import modules

KEY = "web.default:80"


def makeSource(case: SynchronousTestCase) -> Offered:
    """A client of a metamanager in memory, and how to change what that one has."""
    manager = FakeMetaManager()

    def offer(names: list[str]) -> None:
        manager.rows.clear()
        for name in names:
            manager.store(service(name, version=1), endpoints(name, "10.0.0.1", version=1))
        manager.link()

    return Offered(manager.client, offer)


class ClientSourceTests(metaSourceTests(makeSource)):  # type: ignore[misc]
    """What every source promises, of the one that asks metamanager."""


class ClientCase(SynchronousTestCase):
    """A client and a metamanager in memory."""

    def setUp(self) -> None:
        self.manager = FakeMetaManager()
        self.client = self.manager.client
        self.client.startService()
        self.told: list[Metadata] = []
        self.client.subscribe(self.told.append)

    def names(self) -> list[str]:
        """Every Service, by name."""
        return sorted(name for _, name in self.client.metadata().services)

    def behind(self) -> list[str]:
        """Who is behind port 80 of ``web``."""
        return addresses(self.client, KEY)


class ListTests(ClientCase):
    """What is asked for when the link is up."""

    def test_first(self) -> None:
        """Everything is in force at once when the last page is there, not before."""
        self.manager.store(service("web"), endpoints("web", "10.0.0.1"), service("db"))
        self.manager.waiting = []
        self.manager.link()
        while self.manager.waiting:
            self.assertFalse(self.client.ready())
            self.manager.release()
        self.assertTrue(self.client.ready())
        self.assertEqual((self.names(), self.behind()), (["db", "web"], ["10.0.0.1"]))
        self.assertEqual(len(self.told), 1)
        self.assertEqual(self.client.problems(), {})

    def test_nothing(self) -> None:
        """A metamanager that has nothing makes the node ready all the same."""
        self.manager.link()
        self.assertTrue(self.client.ready())
        self.assertEqual(self.client.metadata(), Metadata())

    def test_pages(self) -> None:
        """More than a page is asked for page by page."""
        self.manager.store(*(service(f"s{n:04}") for n in range(1_200)))
        self.manager.link()
        self.assertEqual(len(self.client.metadata().services), 1_200)
        self.assertGreater(self.manager.asked.count("all/service"), 2)

    def test_oldMetamanager(self) -> None:
        """One without pages answers with one list, and null for nothing."""
        self.manager.isOld = True
        self.manager.store(service("web"), endpoints("web", "10.0.0.1"))
        self.manager.rows["default/podlist/db"] = json.dumps([pod("p", "10.0.0.3", app="db")])
        self.manager.store(service("db", selector={"app": "db"}))
        self.manager.link()
        self.assertEqual((self.names(), self.behind()), (["db", "web"], ["10.0.0.1"]))
        self.assertEqual(addresses(self.client, "db.default:80"), ["10.0.0.3"])
        self.assertEqual(self.manager.asked.count("all/service"), 1)

    def test_tooMuchForOneList(self) -> None:
        """Where there is no list, each object that is known by name is asked for."""
        self.manager.store(service("web"), endpoints("web", "10.0.0.1"), service("db"))
        self.manager.errors.add("all/endpoints")
        self.manager.link()
        self.assertEqual((self.behind(), self.client.problems()), (["10.0.0.1"], {}))
        self.assertIn("default/endpoints/db", self.manager.asked)
        self.manager.errors = {"all/service"}
        del self.manager.rows["default/service/db"]
        self.client.reload()
        self.assertEqual(self.names(), ["web"])

    def test_oneObjectFails(self) -> None:
        """An object that cannot be had stays as it is, is told, and the others are taken."""
        self.manager.store(service("a"), service("b"), endpoints("b", "10.0.0.1"))
        self.manager.errors = {"all/endpoints", "default/endpoints/a"}
        self.manager.link()
        self.assertEqual(addresses(self.client, "b.default:80"), ["10.0.0.1"])
        self.assertIn("not listed", self.client.problems()["metamanager all/endpoints"])

    def test_unanswered(self) -> None:
        """A kind that is not answered stays as it is, is told, and is tried again."""
        self.manager.store(service("web"), endpoints("web", "10.0.0.1"))
        self.manager.link()
        self.manager.rows.clear()
        self.manager.store(service("web"), service("db"))
        self.manager.silent = {"endpoints"}
        self.manager.link()
        self.assertEqual((self.names(), self.behind()), (["db", "web"], ["10.0.0.1"]))
        self.assertEqual(
            self.client.problems(),
            {"metamanager all/endpoints": "not listed: no answer in 10 seconds"},
        )
        self.manager.silent.clear()
        self.manager.clock.advance(0.5)
        self.assertEqual((self.behind(), self.client.problems()), ([], {}))
        self.assertEqual(self.manager.clock.getDelayedCalls(), [])

    def test_noServices(self) -> None:
        """Without a list of Services the node is not ready, and asks later and later."""
        self.manager.errors = {"service"}
        self.manager.link()
        pauses = []
        for _ in range(8):
            [pending] = self.manager.clock.getDelayedCalls()
            pauses.append(pending.getTime() - self.manager.clock.seconds())
            self.manager.clock.advance(pauses[-1])
        self.assertEqual(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])
        self.assertFalse(self.client.ready())

    def test_brokenObject(self) -> None:
        """One broken object is named and keeps nothing from the others."""
        self.manager.store(service("web"), service("bad", 99_999))
        self.manager.rows["default/service/worse"] = "{"
        self.manager.link()
        self.assertEqual(self.names(), ["web"])
        self.assertEqual(sorted(self.client.problems()), ["Service bad.default", "all/service"])
        self.assertEqual(self.client.rejected, 2)


class PushTests(ClientCase):
    """What metamanager says without being asked."""

    def setUp(self) -> None:
        super().setUp()
        self.manager.store(service("web", version=1), endpoints("web", "10.0.0.1", version=1))
        self.manager.link()
        self.told.clear()

    def test_atOnce(self) -> None:
        """A change is in force when it is there, and says what it concerns."""
        self.manager.update(endpoints("web", "10.0.0.2"))
        self.assertEqual(self.behind(), ["10.0.0.2"])
        self.assertEqual([one.changed for one in self.told], [{("default", "web")}])
        self.assertEqual(self.client.applied, 2)

    def test_everyWay(self) -> None:
        """It may come as an object, a text, a list of texts or a list, as any operation."""
        for number, content in enumerate(everyWay(service("new", 81, version=50))):
            operation = ("insert", "update", "response")[number % 3]
            self.manager.push(operation, "default/service/new", content)
            self.assertEqual(self.names(), ["new", "web"])
            self.manager.push("delete", "default/service/new", content)
            self.assertEqual(self.names(), ["web"])

    def test_lists(self) -> None:
        """Lists of Services and Endpoints add and change, and take nothing away."""
        self.manager.push("update", "namespace/servicelist/service", [service("a"), service("b")])
        self.manager.push(
            "update", "namespace/endpointslist/endpoints", [endpoints("a", "10.0.0.5")]
        )
        self.assertEqual(self.names(), ["a", "b", "web"])
        self.assertEqual(addresses(self.client, "a.default:80"), ["10.0.0.5"])

    def test_podlist(self) -> None:
        """The Pods of a Service come as a list, and go with it."""
        self.manager.update(service("db", selector={"app": "db"}))
        pods = [pod("p", "10.0.0.3", app="db"), pod("q", "10.0.0.4", app="other")]
        self.manager.push("update", "default/podlist/db", pods)
        self.assertEqual(addresses(self.client, "db.default:80"), ["10.0.0.3"])
        self.manager.push("update", "default/podlist/db", [])
        self.assertEqual(addresses(self.client, "db.default:80"), [])

    def test_slices(self) -> None:
        """Slices come before Endpoints, and these are back when the last slice is gone."""
        one = slice_("web-1", "web", "10.0.0.7")
        self.manager.update(one)
        self.assertEqual(self.behind(), ["10.0.0.7"])
        self.manager.delete(one)
        self.assertEqual(self.behind(), ["10.0.0.1"])

    def test_ignored(self) -> None:
        """What is about something else changes nothing and is counted."""
        self.manager.push("update", "default/configmap/c", {"metadata": {"name": "c"}})
        self.manager.push("publish", "default/service/web", service("web", 81))
        self.manager.push("update", "not/a/resource/at/all", 5)
        self.manager.push("response", "default/service/web", None)
        self.assertEqual((self.client.pushes, self.client.ignored), (4, 3))
        self.assertEqual((self.told, self.client.problems()), ([], {}))

    def test_loopback(self) -> None:
        """A cloud cannot claim that its objects are this node's own."""
        own = {"annotations": {"edgemesh.io/origin": "manifests"}}
        self.manager.update(endpoints("web", "127.0.0.1", **own))
        self.assertEqual(self.behind(), [])
        self.manager.update(endpoints("web", "127.0.0.2", **own), source=MANIFESTS)
        self.assertEqual(self.behind(), ["127.0.0.2"])

    def test_whileListing(self) -> None:
        """What is pushed while lists are under way is in force at once, and stays."""
        self.manager.waiting = []
        self.manager.link()
        self.manager.update(service("new"))
        self.assertEqual(self.names(), ["new", "web"])
        while self.manager.waiting:
            self.manager.release()
        self.assertEqual(self.names(), ["new", "web"])

    def test_beforeReady(self) -> None:
        """What is pushed before the first lists are complete waits for them."""
        manager = FakeMetaManager()
        manager.store(service("web", 80, version=1))
        manager.waiting = []
        manager.link()
        manager.push("update", "default/service/web", service("web", 81, version=2))
        self.assertFalse(manager.client.ready())
        while manager.waiting:
            manager.release()
        self.assertEqual(addresses(manager.client, KEY), [])
        self.assertEqual(manager.client.metadata().services["default", "web"].ports[0].port, 81)


class AwayTests(ClientCase):
    """A metamanager that is away."""

    def setUp(self) -> None:
        super().setUp()
        self.manager.store(service("web"), endpoints("web", "10.0.0.1"), service("old"))
        self.manager.link()

    def test_serves(self) -> None:
        """What it said last stays in force, and that it is away is told."""
        self.manager.user.unlinked()
        self.assertEqual(self.behind(), ["10.0.0.1"])
        self.assertTrue(self.client.ready())
        self.assertIn("stays in force", self.client.problems()["metamanager"])

    def test_back(self) -> None:
        """When it is back everything is asked for again, and what is gone vanishes."""
        self.manager.user.unlinked()
        del self.manager.rows["default/service/old"]
        self.manager.store(service("new"))
        self.told.clear()
        self.manager.link()
        self.assertEqual((self.names(), self.client.problems()), (["new", "web"], {}))
        self.assertEqual([len(one.changed or ()) for one in self.told], [2])

    def test_nothingNew(self) -> None:
        """When nothing has changed meanwhile nobody is told anything."""
        self.told.clear()
        self.manager.user.unlinked()
        self.manager.link()
        self.assertEqual(self.told, [])

    def test_lostWhileListing(self) -> None:
        """A link that is lost in the middle of a list takes nothing away."""
        self.manager.waiting = []
        self.manager.link()
        self.manager.user.unlinked()
        self.assertEqual(len(self.names()), 2)
        self.assertEqual(self.manager.clock.getDelayedCalls(), [])
        self.assertIn("away", repr(self.client))

    def test_notYet(self) -> None:
        """Before the first link that is told, and the node is not ready."""
        manager = FakeMetaManager()
        manager.client.startService()
        self.assertEqual(manager.client.problems(), {"metamanager": "not linked yet"})
        self.assertFalse(manager.client.ready())

    def test_stop(self) -> None:
        """Stopping closes the link and leaves no timer and no question."""
        self.manager.waiting = []
        self.client.reload()
        self.assertIn("listing", repr(self.client))
        self.successResultOf(self.client.stopService())
        self.assertEqual((self.manager.running, self.manager.clock.getDelayedCalls()), (False, []))

    def test_reload(self) -> None:
        """Asking for everything again works while there is a link, else not at all."""
        self.manager.store(service("new"))
        self.client.reload()
        self.assertEqual(self.names(), ["new", "old", "web"])
        self.manager.user.unlinked()
        self.manager.asked.clear()
        self.client.reload()
        self.assertEqual(self.manager.asked, [])

    def test_defect(self) -> None:
        """A defect of ours is logged and told; what is in force stays."""
        self.client._holding.beginLists = lambda: 1 / 0  # type: ignore[assignment,method-assign]
        self.client.reload()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("see the log", self.client.problems()["metamanager"])
        self.assertEqual(len(self.names()), 2)


_CHANGES = st.lists(
    st.one_of(
        st.builds(service, st.sampled_from("ab"), st.sampled_from([80, 81])),
        st.builds(endpoints, st.sampled_from("ab"), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
        st.builds(
            lambda name, ip, label: pod(name, ip, app=label),
            st.sampled_from("pq"),
            st.sampled_from(["10.0.0.3", "10.0.0.4"]),
            st.sampled_from("ab"),
        ),
        st.sampled_from(["lose", "link", "delete"]),
    ),
    max_size=12,
)


class AnyHistoryTests(SynchronousTestCase):
    """Whatever happened."""

    @settings(derandomize=True, max_examples=100, deadline=None, database=None)
    @given(_CHANGES)
    def test_sameInTheEnd(self, steps: list[dict[str, Any] | str]) -> None:
        """Once it is linked, a client knows what a new one would know."""
        manager = FakeMetaManager()
        manager.link()
        isLinked = True
        for number, step in enumerate(steps):
            if isinstance(step, dict):
                again = json.loads(json.dumps(step))
                again["metadata"]["resourceVersion"] = str(1_000 + number)
                (manager.update if isLinked else manager.store)(again)
            elif step == "delete" and manager.rows:
                one = json.loads(manager.rows[min(manager.rows)])
                if isLinked:
                    manager.delete(one)
                else:
                    del manager.rows[keyOf(one)]
            elif step == "lose":
                manager.user.unlinked()
                isLinked = False
            elif step == "link":
                manager.link()
                isLinked = True
        if not isLinked:
            manager.link()
        fresh = FakeMetaManager()
        fresh.rows = manager.rows
        fresh.link()
        known, expected = manager.client.metadata(), fresh.client.metadata()
        for part in ("services", "endpoints", "pods", "nodes"):
            self.assertEqual(getattr(known, part), getattr(expected, part))


class RequestPathTests(SynchronousTestCase):
    """Calls read memory."""

    def test_nothingAsked(self) -> None:
        """A call is decided, retried and settled without asking metamanager anything."""
        manager = FakeMetaManager()
        manager.store(service("web"), endpoints("web", "10.0.0.1", "10.0.0.2"))
        table = RouteTable("here")
        handlers = [RouterHandler(), LoadBalanceHandler(), QPSHandler()]
        chains = [Chain(Side.OUTBOUND, handlers), Chain(Side.INBOUND, handlers[2:])]
        manager.client.subscribe(
            lambda metadata: enforce(metadata, lambda s, p: Policy(), table, chains) and None
        )
        manager.link()

        def forbidden(message: Message, module: str) -> Deferred[Message]:
            raise AssertionError(f"a call asked {message!r}")

        manager.ask = forbidden  # type: ignore[method-assign]
        path = CallPath(*chains)
        invocation = call()
        path.decide(invocation, 0.0)
        path.retry(invocation, WELL, 0.0)
        path.finish(invocation, WELL, 0.0)
        self.assertEqual(invocation.attempts, 2)

    def test_nothingToAskWith(self) -> None:
        """What a call passes knows no link, no Message and no database."""
        forbidden = ("edgemesh.link", "edgemesh.beehive", "edgemesh.edgecore", "sqlite3")
        forbidden += ("edgemesh.meta.client", "edgemesh.meta.holding")
        guilty = [
            f"{module.path} imports {name}"
            for part in ("handlers", "protocols", "interceptor", "wire")
            for module in modules(f"edgemesh/{part}")
            for name in module.imports()
            if name.startswith(forbidden)
        ]
        self.assertEqual(guilty, [])
