"""Tests of putting Metadata in force: everything or nothing."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import Refused
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.enforcing import enforce
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import Change, RouteTable
from edgemesh.interfaces import Side
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import Policy
from tests.handlers.samples import call
from tests.handlers.test_composition import Counting


def known(count: int) -> Metadata:
    """So many Services ``s0``, ``s1`` and so on, each with an endpoint."""
    return Metadata(
        {
            ("default", f"s{n}"): Service("default", f"s{n}", (ServicePort(80),))
            for n in range(count)
        },
        {f"s{n}.default:80": (Endpoint("10.0.0.1", n + 1),) for n in range(count)},
        generation=1,
    )


def moved(former: Metadata, name: str, *ports: int) -> Metadata:
    """The next generation, in which one Service has other endpoints."""
    endpoints = tuple(Endpoint("10.0.0.9", port) for port in ports)
    return replace(
        former,
        endpoints={**former.endpoints, f"{name}.default:80": endpoints},
        generation=former.generation + 1,
        changed=frozenset([("default", name)]),
    )


class EnforceTests(SynchronousTestCase):
    """The very next call sees a change, or it is as if there was none."""

    def setUp(self) -> None:
        self.table = RouteTable("here")
        self.counting = Counting("counting")
        handlers = [RouterHandler(), LoadBalanceHandler(), self.counting]
        self.chains = [Chain(Side.OUTBOUND, handlers), Chain(Side.INBOUND, handlers[:2])]
        self.policies: list[str] = []
        self.metadata = known(100)
        self.enforce(self.metadata)

    def policyFor(self, service: Service, port: ServicePort) -> Policy:
        self.policies.append(service.name)
        if service.annotations:
            raise ValueError(service.name)
        return Policy()

    def enforce(self, metadata: Metadata) -> Change:
        """Put it in force; forget what was counted before."""
        self.policies.clear()
        self.counting.composed.clear()
        return enforce(metadata, self.policyFor, self.table, self.chains)

    def called(self, name: bytes) -> str:
        """The endpoint that a call to this name gets."""
        invocation = call(name=name)
        self.chains[0].find(invocation)
        self.chains[0].decide(invocation, 0.0)
        return str(invocation.endpoint and invocation.endpoint.address)

    def test_everything(self) -> None:
        """The first value is composed as a whole."""
        self.assertEqual(len(self.policies), 100)
        self.assertEqual(self.called(b"s7"), "10.0.0.1:8")

    def test_workOfOneChange(self) -> None:
        """A change of one Service makes no policy, Route or stage of another one."""
        former = dict(self.table.routes)
        change = self.enforce(moved(self.metadata, "s7", 5, 6))
        self.assertEqual(change.keys, ("s7.default:80",))
        self.assertEqual((self.policies, self.counting.composed), (["s7"], ["s7.default:80"]))
        self.assertEqual(self.called(b"s7"), "10.0.0.9:5")
        self.assertEqual(self.called(b"s8"), "10.0.0.1:9")
        others = former.keys() - {"s7.default:80"}
        self.assertTrue(all(self.table.routes[key] is former[key] for key in others))

    def test_serviceGoes(self) -> None:
        """A Service that went leads nowhere, and one that came is there."""
        services = dict(self.metadata.services)
        del services["default", "s3"]
        services["default", "new"] = Service("default", "new", (ServicePort(80),))
        names = frozenset([("default", "s3"), ("default", "new")])
        self.enforce(replace(self.metadata, services=services, generation=2, changed=names))
        self.assertRaises(Refused, self.called, b"s3")
        self.assertNotIn("s3.default:80", self.table.routes)
        self.assertEqual(self.policies, ["new"])

    def test_sameGeneration(self) -> None:
        """The generation in force once more, as after a reload, is composed as a whole."""
        second = moved(self.metadata, "s7", 5)
        self.enforce(second)
        self.assertIsNone(self.enforce(second).keys)
        self.assertEqual(len(self.policies), 100)

    def test_missedGeneration(self) -> None:
        """After a generation that was never in force everything is composed."""
        second = moved(self.metadata, "s7", 5)
        self.enforce(moved(second, "s8", 6))
        self.assertEqual((self.called(b"s7"), self.called(b"s8")), ("10.0.0.9:5", "10.0.0.9:6"))

    def test_policyFails(self) -> None:
        """A policy that cannot be made leaves Routes and chains as they were."""
        bad = Service("default", "s7", (ServicePort(80),), annotations={"x": "y"})
        services = {**self.metadata.services, ("default", "s7"): bad}
        second = replace(moved(self.metadata, "s7", 5), services=services)
        self.assertRaises(ValueError, self.enforce, second)
        self.assertEqual(self.called(b"s7"), "10.0.0.1:8")

    def test_handlerFails(self) -> None:
        """So does a handler that cannot compose; the next change brings everything."""
        bad = Service("default", "s7", (ServicePort(80),))
        compose = self.counting.compose
        self.counting.compose = lambda *args: 1 / 0  # type: ignore[assignment]
        services = {**self.metadata.services, ("default", "s7"): bad}
        second = replace(moved(self.metadata, "s7", 5), services=services)
        former = self.table.routes
        self.assertRaises(ZeroDivisionError, self.enforce, second)
        self.assertIs(self.table.routes, former)
        self.assertEqual(self.called(b"s7"), "10.0.0.1:8")
        self.counting.compose = compose  # type: ignore[method-assign]
        self.enforce(moved(second, "s8", 6))
        self.assertEqual(len(self.policies), 100)
        self.assertEqual((self.called(b"s7"), self.called(b"s8")), ("10.0.0.9:5", "10.0.0.9:6"))

    def test_stateStays(self) -> None:
        """An endpoint that is still there is the same, with what is in flight to it."""
        live = self.table.routes["s7.default:80"].endpoints[0]
        live.inFlight = 3
        endpoints = {**self.metadata.endpoints}
        endpoints["s7.default:80"] += (Endpoint("10.0.0.9", 1),)
        changed = frozenset([("default", "s7")])
        self.enforce(replace(self.metadata, endpoints=endpoints, generation=2, changed=changed))
        self.assertIs(self.table.routes["s7.default:80"].endpoints[0], live)
        self.assertEqual(len(list(self.table.liveEndpoints())), 101)
