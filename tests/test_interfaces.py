# -*- test-case-name: tests.test_interfaces -*-
"""The joints, and that what ships fits them."""

from __future__ import annotations

from twisted.plugin import IPlugin, getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface
from zope.interface.verify import verifyObject

from edgemesh import interfaces
from edgemesh.handlers.routes import Route, RouteTable
from edgemesh.interfaces import (
    IHandler,
    IIncrementalRouter,
    IMeshProtocol,
    IMetaSource,
    IResolver,
    IRouter,
    IStage,
    Side,
    Verdict,
)
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort
from edgemesh.meta.policy import QPS, Limit, Policy
from tests.admin.nodes import FixedHandler, FixedLimit, FixedRouter, FixedSource


def aRoute() -> Route:
    """A service port with every kind of policy in force."""
    metadata = Metadata(
        services={("default", "web"): Service("default", "web", (ServicePort(80),))},
        endpoints={"web.default:80": (Endpoint("127.0.0.1", 8000),)},
    )
    policy = Policy(qps=QPS(outbound=Limit(100.0, 10), inbound=Limit(100.0, 10)))
    return RouteTable("edge-1").apply(metadata, lambda service, port: policy)["web.default:80"]


class JointTests(SynchronousTestCase):
    """The joints themselves."""

    def test_described(self) -> None:
        """A stranger can learn from the interfaces alone what each part is for."""
        joints = [
            joint for joint in vars(interfaces).values() if isinstance(joint, type(Interface))
        ]
        silent = [
            joint.__name__ for joint in joints if joint is not Interface and not joint.__doc__
        ]
        for joint in joints:
            silent += [
                f"{joint.__name__}.{name}"
                for name, member in joint.namesAndDescriptions()
                if not member.__doc__
            ]
        self.assertEqual(silent, [])

    def test_verdicts(self) -> None:
        """A resolver has three answers."""
        self.assertEqual(
            [verdict.name for verdict in Verdict], ["REJECTED", "UNDECIDED", "CONFIRMED"]
        )

    def test_routerIsHandler(self) -> None:
        """A router can stand wherever a handler can."""
        self.assertTrue(IRouter.extends(IHandler))
        self.assertTrue(IIncrementalRouter.extends(IRouter))


class PluginTests(SynchronousTestCase):
    """Everything that registers as a plugin keeps what its interface promises."""

    def test_protocols(self) -> None:
        """Each protocol, and the resolver it makes."""
        for protocol in getPlugins(IMeshProtocol):
            verifyObject(IPlugin, protocol)
            verifyObject(IMeshProtocol, protocol)
            resolver = protocol.resolver()
            verifyObject(IResolver, resolver)
            self.assertEqual(resolver.name, protocol.name)

    def test_handlers(self) -> None:
        """Each handler, and the stages it makes for either side."""
        for handler in getPlugins(IHandler):
            verifyObject(IPlugin, handler)
            verifyObject(IRouter if IRouter.providedBy(handler) else IHandler, handler)
            for side in Side:
                stage = handler.compose(aRoute(), side, None)
                if stage is not None:
                    verifyObject(IStage, stage)
                    self.assertNotEqual(stage.explain(0.0), "")

    def test_names(self) -> None:
        """No two plugins of a kind share a name, or configuration could not tell them apart."""
        for kind in (IMeshProtocol, IHandler):
            names = [plugin.name for plugin in getPlugins(kind)]
            self.assertEqual(len(names), len(set(names)))


class FakeTests(SynchronousTestCase):
    """What the tests use in place of the real parts fits the same joints."""

    def test_fakes(self) -> None:
        """A test that passes with these means something."""
        verifyObject(IMetaSource, FixedSource(Metadata()))
        verifyObject(IStage, FixedLimit("limit"))
        verifyObject(IHandler, FixedHandler("qps"))
        verifyObject(IRouter, FixedRouter("router"))
