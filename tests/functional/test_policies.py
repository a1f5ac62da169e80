"""Policies and handlers that change while the node runs: the very next call meets them."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from functools import cache

import yaml
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import freePorts
from tests.functional.harness import HOST, listenAt, service, until
from tests.functional.standing import Standing

KEY = "web.default:80"
OUTBOUND = ("router", "loadbalance", "qps", "bizkeeper")
#: A limit that admits the burst and then nothing while a test runs.
SPENT = 0.001


class Scene:
    """
    A node with one service, two instances of its app, and three ways in.

    :ivar apps: the ports of the instances.
    :ivar port: a listener for the service.
    :ivar proxy: the proxy listener.
    :ivar transport: where calls from other nodes arrive.
    """

    def __init__(self) -> None:
        standing = Standing()
        self.apps = (standing.app("b-1"), standing.app("b-2"))
        self.port, self.proxy, self.transport = freePorts(3)
        config = {
            "listeners": [
                {"listen": listenAt(self.port), "service": KEY},
                {"listen": listenAt(self.proxy), "proxy": True},
            ],
            "transportServers": {"http": listenAt(self.transport)},
        }
        self.node = standing.node(config, {"web.yaml": service("web", *self.apps)})

    def change(self, policy: dict[str, object], outbound: tuple[str, ...] = OUTBOUND) -> None:
        """Let the service have this policy and calls these handlers, without a restart."""
        path = self.node.folder / "edgemesh.yaml"
        given = yaml.safe_load(path.read_text())
        handlers = {"outbound": list(outbound), "inbound": ["qps"]}
        self.node.configure({**given, "policies": {"web.default": policy}, "handlers": handlers})
        self.reload()

    def reload(self) -> None:
        """SIGHUP, and wait until the node says that it was done."""
        program = self.node.program
        before = program.said().count("reloaded")
        self.node.reload()
        until("the node has reloaded", lambda: program.said().count("reloaded") > before or None)

    def chain(self) -> dict[str, dict[str, str]]:
        """What ``/chain`` says of each handler, by direction."""
        chain = json.loads(self.node.page(f"/chain?service={KEY}")[1])
        return {
            side: {stage["handler"]: stage["explain"] for stage in chain[side]}
            for side in ("outbound", "inbound")
        }


@cache
def scene() -> Scene:
    """Start it, once."""
    return Scene()


class Caller:
    """One connection to the node, kept over every change."""

    def __init__(self, port: int, host: str = "web") -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=10)
        self._fields = {"Host": host}
        self.close = self._connection.close

    def call(self) -> tuple[int, str]:
        """The status and, of an answer of the app, the instance; else the reason."""
        self._connection.request("GET", "/resource", headers=self._fields)
        answer = self._connection.getresponse()
        body = answer.read()
        reason = answer.getheader("x-edgemesh-reason")
        return answer.status, reason or json.loads(body)["app"]

    def calls(self, count: int) -> Counter[tuple[int, str]]:
        """What came of some calls."""
        return Counter(self.call() for _ in range(count))


class ChangeTests(SynchronousTestCase):
    """One node that is never restarted, one connection that is never closed."""

    def setUp(self) -> None:
        scene().change({})
        self.caller = Caller(scene().port)
        self.addCleanup(self.caller.close)
        self.both = Counter({(200, "b-1"): 5, (200, "b-2"): 5})
        self.assertEqual(self.caller.calls(10), self.both)

    def test_loadBalance(self) -> None:
        """The share of each instance."""
        weights = {f"{HOST}:{scene().apps[0]}": 0, f"{HOST}:{scene().apps[1]}": 1}
        scene().change({"loadBalance": {"policy": "weighted", "weights": weights}})
        self.assertEqual(self.caller.calls(10), {(200, "b-2"): 10})
        scene().change({"loadBalance": {"policy": "roundrobin"}})
        self.assertEqual(self.caller.calls(10), self.both)

    def test_qps(self) -> None:
        """The limit of calls; the rest is 429, until there is no limit any more."""
        scene().change({"qps": {"outbound": {"limit": SPENT, "burst": 4}}})
        came = self.caller.calls(10)
        self.assertEqual(came[429, "RL"], 6)
        scene().change({})
        self.assertEqual(self.caller.calls(10), self.both)

    def test_circuit(self) -> None:
        """The circuit is opened by hand and closed again."""
        scene().change({"bizKeeper": {"circuitBreaker": {"enabled": True, "forceOpen": True}}})
        self.assertEqual(self.caller.calls(10), {(503, "CB"): 10})
        scene().change({"bizKeeper": {"circuitBreaker": {"enabled": True}}})
        self.assertEqual(self.caller.calls(10), self.both)

    def test_routing(self) -> None:
        """A name that led nowhere leads to a service, and then nowhere again."""
        proxy = Caller(scene().proxy, "shop.default.svc")
        self.addCleanup(proxy.close)
        self.assertEqual(proxy.call(), (404, "NR"))
        scene().node.write("shop.yaml", service("shop", scene().apps[1]))
        scene().reload()
        self.assertEqual(proxy.calls(3), {(200, "b-2"): 3})
        (scene().node.folder / "services.d" / "shop.yaml").unlink()
        scene().reload()
        self.assertEqual(proxy.call(), (404, "NR"))

    def test_handlers(self) -> None:
        """Which handlers there are, and in which order."""
        broken = {"bizKeeper": {"circuitBreaker": {"enabled": True, "forceOpen": True}}}
        scene().change(broken, ("router", "qps", "loadbalance"))
        self.assertEqual(self.caller.calls(10), self.both)
        self.assertEqual(list(scene().chain()["outbound"]), ["router", "qps", "loadbalance"])
        scene().change(broken)
        self.assertEqual(self.caller.call(), (503, "CB"))
        self.assertEqual(list(scene().chain()["outbound"]), list(OUTBOUND))

    def test_mistake(self) -> None:
        """A configuration with a mistake changes nothing and is named in the log."""
        path = scene().node.folder / "edgemesh.yaml"
        given = yaml.safe_load(path.read_text())
        scene().node.configure({**given, "policies": {"web.default": {"qps": {"outward": 1}}}})
        scene().node.reload()
        program = scene().node.program
        until("a complaint", lambda: "policies.web.default.qps" in program.said() or None)
        self.assertEqual(self.caller.calls(10), self.both)


class InboundTests(SynchronousTestCase):
    """The limit of an app on this node is for everybody who calls it."""

    def setUp(self) -> None:
        # Not the former test's bucket, which may be empty.
        scene().change({})

    def test_everyWay(self) -> None:
        """Listener, proxy and other nodes' entrance share one limit, all instances together."""
        scene().change({"qps": {"inbound": {"limit": SPENT, "burst": 12}}})
        came: Counter[int] = Counter()
        for port in (scene().port, scene().proxy, scene().transport):
            caller = Caller(port, "web.default")
            self.addCleanup(caller.close)
            for (status, _), count in caller.calls(6).items():
                came[status] += count
        self.assertEqual(came, {200: 12, 429: 6})

    def test_everyConnection(self) -> None:
        """A caller gains nothing by opening another connection."""
        scene().change({"qps": {"inbound": {"limit": SPENT, "burst": 3}}})
        statuses = []
        for _ in range(6):
            caller = Caller(scene().port)
            statuses.append(caller.call()[0])
            caller.close()
        self.assertEqual(statuses, [200] * 3 + [429] * 3)

    def test_explained(self) -> None:
        """``/chain`` shows the limit where it is met."""
        scene().change({"qps": {"inbound": {"limit": 7, "burst": 3}}})
        chain = scene().chain()
        self.assertIn("7", chain["inbound"]["qps"])
        self.assertNotIn("7", chain["outbound"]["qps"])
