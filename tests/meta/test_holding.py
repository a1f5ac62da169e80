"""Tests for edgemesh.meta.holding."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.resource import parse
from edgemesh.meta.holding import Holding
from edgemesh.meta.objects import ENDPOINTS, KINDS, POD, SERVICE
from tests.meta.metamanagers import endpoints, keyOf, pod, service

KEY = "web.default:80"
PODS = "default/podlist/web"


class HoldingCase(SynchronousTestCase):
    """What was said, and what is in force."""

    def setUp(self) -> None:
        self.holding = Holding()

    def put(self, *objects: dict[str, Any], isOwn: bool = False) -> None:
        """These came by themselves."""
        for one in objects:
            self.holding.put(parse(keyOf(one)), one, isOwn)

    def listed(self, type_: str, *objects: dict[str, Any]) -> None:
        """These were on the list of a type."""
        self.holding.put(parse(f"all/{type_}"), list(objects), True)

    def pods(self, *objects: dict[str, Any]) -> None:
        """These are behind ``web`` now."""
        self.holding.put(parse(PODS), list(objects), False)

    def behind(self) -> list[str]:
        """Who is behind port 80 of ``web``."""
        return [one.address for one in self.holding.commit().endpoints.get(KEY, ())]

    def ports(self) -> dict[str, int]:
        """The first port of each Service."""
        services = self.holding.commit().services
        return {name: found.ports[0].port for (_, name), found in services.items()}


class VersionTests(HoldingCase):
    """The newer one stays."""

    def test_older(self) -> None:
        """An object that comes late does not undo a newer one; without versions the last counts."""
        self.put(service("web", 82, version=12), service("web", 81, version=11))
        self.assertEqual((self.ports(), self.holding.outdated), ({"web": 82}, 1))
        unversioned = service("web", 83)
        del unversioned["metadata"]["resourceVersion"]
        self.put(unversioned)
        self.assertEqual(self.ports(), {"web": 83})

    def test_madeAgain(self) -> None:
        """Another object of the same name counts, whatever its version."""
        again = service("web", 81, version=1)
        again["metadata"]["uid"] = "another"
        self.put(service("web", 80, version=9), again)
        self.assertEqual(self.ports(), {"web": 81})

    def test_twice(self) -> None:
        """The same version once more makes no difference and no work."""
        one = service("web", 80, version=5)
        self.put(one)
        first = self.holding.commit()
        self.put(one)
        self.assertIs(self.holding.commit(), first)

    def test_deleted(self) -> None:
        """What was deleted is gone; what nobody knows can be deleted too."""
        self.put(service("web"))
        self.holding.delete(parse("default/service/web"))
        self.holding.delete(parse("default/service/nobody"))
        self.assertEqual((self.ports(), self.holding.names(SERVICE)), ({}, []))


class BrokenTests(HoldingCase):
    """Broken objects."""

    def test_lastGood(self) -> None:
        """A broken object is named, counted once, and what was good before stays."""
        self.put(service("web", 80, version=1), service("web", 99_999, version=2))
        self.put(service("web", 99_999, version=2))
        self.assertEqual((self.ports(), self.holding.rejected), ({"web": 80}, 1))
        self.assertEqual(
            self.holding.problems(),
            {
                "Service web.default": "spec.ports[0].port: expected a port number "
                "from 1 to 65535, found 99999"
            },
        )
        self.put(service("web", 81, version=3))
        self.assertEqual((self.ports(), self.holding.problems()), ({"web": 81}, {}))

    def test_deleted(self) -> None:
        """A broken object that is gone is no problem any more."""
        bad = service("web", 99_999)
        self.put(bad)
        self.holding.delete(parse(keyOf(bad)))
        self.assertEqual(self.holding.problems(), {})

    def test_noLongerServed(self) -> None:
        """A Service that becomes one for a name elsewhere is not served any more."""
        self.put(service("web"))
        self.put(service("web", type="ExternalName"))
        self.assertEqual(self.ports(), {})
        self.assertIn("ExternalName", self.holding.problems()["Service web.default"])

    def test_noObject(self) -> None:
        """A content that is no object is named by its resource until a good one comes."""
        self.holding.put(parse("default/service/web"), 5, False)
        self.assertEqual(
            self.holding.problems(),
            {"default/service/web": "default/service/web: expected an object, found int"},
        )
        self.put(service("web"))
        self.assertEqual(self.holding.problems(), {})

    def test_loopback(self) -> None:
        """Only what is this node's own may name endpoints on loopback."""
        own = {"annotations": {"edgemesh.io/origin": "manifests"}}
        self.put(service("web"), endpoints("web", "127.0.0.1", **own))
        self.assertEqual(self.behind(), [])
        self.assertIn("on loopback", self.holding.problems()["Endpoints web.default"])
        self.put(endpoints("web", "127.0.0.1"), isOwn=True)
        self.assertEqual(self.behind(), [])
        self.put(endpoints("web", "127.0.0.1", **own), isOwn=True)
        self.assertEqual((self.behind(), self.holding.problems()), (["127.0.0.1"], {}))


class PodListTests(HoldingCase):
    """The Pods behind a Service, in one object."""

    def setUp(self) -> None:
        super().setUp()
        self.put(service("web", selector={"app": "web"}))

    def test_replaced(self) -> None:
        """A list replaces the one before; who is on it no more is gone."""
        self.pods(pod("a", "10.0.0.1", app="web"), pod("b", "10.0.0.2", app="web"))
        self.assertEqual(self.behind(), ["10.0.0.1", "10.0.0.2"])
        self.pods(pod("b", "10.0.0.2", app="web"))
        self.assertEqual((self.behind(), len(self.holding.names(POD))), (["10.0.0.2"], 1))
        self.holding.delete(parse(PODS))
        self.assertEqual(self.behind(), [])

    def test_filtered(self) -> None:
        """A list with Pods of other Services, as some clouds send it, is filtered here."""
        self.pods(pod("a", "10.0.0.1", app="web"), pod("x", "10.0.0.9", app="other"))
        self.assertEqual(self.behind(), ["10.0.0.1"])

    def test_knownOtherwise(self) -> None:
        """A Pod that is known by itself is not gone because a list has it no more."""
        self.put(pod("a", "10.0.0.1", app="web"))
        self.pods()
        self.assertEqual(self.behind(), ["10.0.0.1"])

    def test_unknownService(self) -> None:
        """A list of nobody's Pods is kept; the Service may come later."""
        self.holding.put(parse("default/podlist/db"), [pod("d", "10.0.0.3", app="db")], False)
        self.put(service("db", selector={"app": "db"}))
        self.assertEqual(len(self.holding.commit().endpoints["db.default:80"]), 1)


class ListTests(HoldingCase):
    """Rounds of lists."""

    def test_vanished(self) -> None:
        """What is on no list is gone, of the kinds whose list is complete."""
        self.put(service("web"), service("db"), endpoints("db", "10.0.0.1"), service("bad", 0))
        self.holding.beginLists()
        self.listed("service", service("web"))
        self.holding.completeLists({SERVICE})
        self.assertEqual(self.ports(), {"web": 80})
        self.assertEqual(len(self.holding.names(ENDPOINTS)), 1)
        self.assertEqual(self.holding.problems(), {})

    def test_pushedMeanwhile(self) -> None:
        """What is pushed while a list is under way is newer than the list."""
        self.holding.beginLists()
        self.listed("service", service("web", 80, version=5), service("db", version=5))
        self.put(service("new", 81, version=9), service("web", 82, version=8))
        self.listed("service", service("web", 80, version=5))
        self.holding.completeLists(set(KINDS))
        self.assertEqual(self.ports(), {"web": 82, "db": 80, "new": 81})

    def test_deletedMeanwhile(self) -> None:
        """What is deleted while a list is under way does not come back by the list."""
        one = service("web", version=5)
        self.put(one)
        self.holding.beginLists()
        self.holding.delete(parse(keyOf(one)))
        self.listed("service", one)
        self.assertEqual(self.ports(), {})
        self.put(service("web", 81, version=6))
        self.holding.completeLists({SERVICE})
        self.assertEqual(self.ports(), {"web": 81})

    def test_broken(self) -> None:
        """What was wrong with a list is forgotten with the next round."""
        self.holding.beginLists()
        self.holding.put(parse("all/service"), b"{", True)
        self.holding.completeLists({SERVICE})
        self.assertEqual(list(self.holding.problems()), ["all/service"])
        self.holding.beginLists()
        self.assertEqual(self.holding.problems(), {})

    def test_podsOfLists(self) -> None:
        """A Pod that only a Service's list has is gone when that list has it no more."""
        self.put(service("web", selector={"app": "web"}), pod("a", "10.0.0.1", app="web"))
        self.holding.beginLists()
        self.listed("podlist", pod("a", "10.0.0.1", app="web"))
        self.holding.completeLists({POD})
        self.assertEqual(self.behind(), ["10.0.0.1"])
        self.pods()
        self.assertEqual(self.behind(), [])
