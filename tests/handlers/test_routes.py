"""Tests of what survives a change of metadata or policies."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.handlers.routes import LiveEndpoint, RouteTable
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import Policy
from tests.handlers.samples import KEY, World, endpoints, policy


class RouteTableTests(SynchronousTestCase):
    """One Route for each service port."""

    def test_everyPort(self) -> None:
        """Each port of each Service has a Route of its own, with its own policy."""
        table = RouteTable("here")
        ports = (ServicePort(80, "http"), ServicePort(9090, "metrics"))
        service = Service("shop", "web", ports)
        slow, fast = policy(retries=False), policy()
        routes = table.apply(
            Metadata({("shop", "web"): service}), lambda s, p: slow if p.port == 80 else fast
        )
        self.assertEqual(sorted(routes), ["web.shop:80", "web.shop:9090"])
        self.assertIs(routes["web.shop:80"].policy, slow)
        self.assertIs(routes["web.shop:9090"].policy, fast)
        self.assertEqual(routes["web.shop:80"].endpoints, ())

    def test_spellings(self) -> None:
        """A listener's service is found however people write it, and never guessed."""
        table = RouteTable("here")
        web = Service("shop", "web", (ServicePort(80, "http"), ServicePort(90, "metrics")))
        db = Service("default", "db", (ServicePort(3306),))
        known = Metadata({("shop", "web"): web, ("default", "db"): db})
        table.apply(known, lambda service, port: policy())
        for written, key in (
            ("", ""),
            ("web:90", "web.shop:90"),
            ("web:metrics", "web.shop:90"),
            ("web.shop.svc.cluster.local:80", "web.shop:80"),
            ("web", "web.shop:"),
            ("web:81", "web.shop:81"),
            ("db.default", "db.default:3306"),
            ("db", "db.shop:"),
        ):
            with self.subTest(service=written):
                self.assertEqual(table.keyOf(written, "shop"), key)

    def test_protocol(self) -> None:
        """A configured protocol is known by the key; of what is unknown nothing is."""
        world = World(protocol="redis")
        self.assertEqual(world.table.protocolOf(KEY), "redis")
        self.assertEqual(world.table.protocolOf("nobody.default:80"), "")

    def test_survivorKeepsItsState(self) -> None:
        """What is in flight to an endpoint is still known after it became unready."""
        world = World(endpoints(2))
        first, second = world.route.endpoints
        first.inFlight, first.dialFailures = 3, 2
        world.known = (replace(world.known[0], ready=False), *endpoints(3)[2:])
        route = world.apply()
        self.assertIs(route.endpoints[0], first)
        self.assertEqual((first.inFlight, first.dialFailures), (3, 2))
        self.assertFalse(first.endpoint.ready)
        self.assertNotIn(second, route.endpoints)
        self.assertEqual(list(world.table.liveEndpoints()), list(route.endpoints))

    def test_returnedEndpointIsNew(self) -> None:
        """An endpoint that went away and came back begins anew."""
        world = World(endpoints(1))
        [gone] = world.route.endpoints
        world.known = ()
        world.apply()
        world.known = endpoints(1)
        self.assertIsNot(world.apply().endpoints[0], gone)

    def test_twice(self) -> None:
        """An endpoint that is named twice has one share of the calls."""
        world = World(endpoints(2) + endpoints(1))
        self.assertEqual(len(world.route.endpoints), 2)

    def test_local(self) -> None:
        """An endpoint is local when it is on this node or nobody said where it is."""
        known = tuple(Endpoint("10.0.0.1", port, node=n) for port, n in ((1, "here"), (2, "far")))
        world = World((*known, Endpoint("10.0.0.1", 3)))
        self.assertEqual([e.local for e in world.route.endpoints], [True, False, True])

    def test_weights(self) -> None:
        """A weight is given by Pod, address or address and port; the most exact wins."""
        known = tuple(Endpoint("10.0.0.1", port, pod="web-0", weight=9) for port in (1, 2))
        known += (Endpoint("10.0.0.2", 1, pod="web-1"), Endpoint("10.0.0.3", 1, weight=7))
        weights = {"web-0": 2, "10.0.0.1": 3, "10.0.0.1:2": 4, "web-1": 5}
        world = World(known, loadBalance={"weights": weights})
        self.assertEqual([e.weight for e in world.route.endpoints], [3, 4, 5, 7])

    def test_badPolicy(self) -> None:
        """A policy that cannot be made leaves every Route as it was."""
        world = World(endpoints(1))
        route, [endpoint] = world.route, world.route.endpoints

        def broken(service: Service, port: ServicePort) -> Policy:
            raise ValueError(port)

        changed = Metadata(world.metadata.services, {KEY: (replace(world.known[0], ready=False),)})
        self.assertRaises(ValueError, world.table.apply, changed, broken)
        self.assertIs(world.route, route)
        self.assertTrue(endpoint.endpoint.ready)


class LiveEndpointTests(SynchronousTestCase):
    """How an endpoint is shown."""

    def test_address(self) -> None:
        """IPv6 addresses stand in brackets, so that the port can be told apart."""
        self.assertEqual(LiveEndpoint("k", Endpoint("10.0.0.1", 80)).address, "10.0.0.1:80")
        self.assertEqual(LiveEndpoint("k", Endpoint("fd00::1", 80)).address, "[fd00::1]:80")

    def test_repr(self) -> None:
        """Logs name the endpoint and its service port."""
        endpoint = LiveEndpoint(KEY, Endpoint("10.0.0.1", 80))
        self.assertEqual(repr(endpoint), "<LiveEndpoint 10.0.0.1:80 of web.default:80>")
        self.assertEqual(repr(World().route), "<Route web.default:80 (0 endpoints)>")
