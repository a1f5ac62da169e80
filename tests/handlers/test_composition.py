"""Tests of how a chain's stages are composed, and of how little is composed for a little change."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from edgemesh.errors import Refused
from edgemesh.handlers.composition import Composer
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import Route, RouteTable
from edgemesh.interfaces import IHandler, IRouter, IStage, Side
from edgemesh.meta.model import Metadata, Service, ServicePort
from tests.handlers.samples import TableRouter, call, policy
from tests.handlers.test_chain import Recorder


@implementer(IHandler)
class Counting:
    """A handler that notes what it composes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.composed: list[str] = []
        self.formers: list[IStage | None] = []

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        self.composed.append(route.key)
        self.formers.append(former)
        if route.service.annotations.get("broken"):
            raise ZeroDivisionError
        return Recorder(self.name, [], lambda invocation: None, False)


def routes(*names: str, **annotations: str) -> Mapping[str, Route]:
    """The Routes of Services of these names."""
    known = {
        ("default", name): Service("default", name, (ServicePort(80),), annotations=annotations)
        for name in names
    }
    return dict(RouteTable("here").apply(Metadata(known), lambda s, p: policy()))


class ComposerTests(SynchronousTestCase):
    """A chain that changes a little."""

    def setUp(self) -> None:
        self.first, self.second = Counting("first"), Counting("second")
        self.composer = Composer(Side.OUTBOUND)
        self.composer.handlers = (RouterHandler(), self.first, self.second)
        self.known = routes("a", "b", "c")
        self.apply(self.known)
        self.first.composed.clear()
        self.first.formers.clear()

    def apply(self, known: Mapping[str, Route], *keys: str) -> None:
        """Compose these keys, or all, and put them in force."""
        self.composer.use(self.composer.compose(known, Metadata(), keys or None))

    def find(self, name: bytes) -> str:
        """Where a name leads."""
        assert self.composer.find is not None
        return self.composer.find(call(name=name)).key

    def test_onlyWhatChanged(self) -> None:
        """A handler composes what changed and is not asked for the rest."""
        before = dict(self.composer.stages)
        self.apply({**self.known, **routes("b")}, "b.default:80")
        self.assertEqual(self.first.composed, ["b.default:80"])
        self.assertIs(self.first.formers[0], before["b.default:80"][0])
        self.assertIs(self.composer.stages["a.default:80"], before["a.default:80"])
        self.assertIsNot(self.composer.stages["b.default:80"], before["b.default:80"])

    def test_comeAndGo(self) -> None:
        """What came is found at once, and what went is not."""
        known = {key: route for key, route in self.known.items() if key != "a.default:80"}
        self.apply({**known, **routes("d")}, "a.default:80", "d.default:80")
        self.assertEqual(self.find(b"d"), "d.default:80")
        self.assertRaises(Refused, self.find, b"a")
        self.assertEqual(
            list(self.composer.stages), ["b.default:80", "c.default:80", "d.default:80"]
        )
        self.assertEqual([stage for _, stage in self.composer.walk("a.default:80")], [None] * 3)

    def test_composedIsNotInForce(self) -> None:
        """Until it is used, a change has no effect at all."""
        known = {**routes("d"), "b.default:80": self.known["b.default:80"]}
        self.composer.compose(known, Metadata(), ["a.default:80", "d.default:80"])
        self.assertEqual(self.find(b"a"), "a.default:80")
        self.assertRaises(Refused, self.find, b"d")
        self.assertEqual(len(self.composer.stages), 3)

    def test_failedChange(self) -> None:
        """When a handler cannot compose one service port, nothing has changed."""
        before = dict(self.composer.stages)
        broken = routes("b", broken="yes")
        self.assertRaises(ZeroDivisionError, self.apply, broken, "b.default:80")
        self.assertEqual(self.composer.stages, before)

    def test_otherHandlers(self) -> None:
        """With other handlers everything is composed, whatever is said to have changed."""
        self.composer.handlers = (RouterHandler(), self.second, self.first)
        self.second.formers.clear()
        stages = [self.composer.stages[key][1] for key in self.known]
        self.apply(self.known, "b.default:80")
        self.assertEqual(len(self.first.composed), 3)
        self.assertEqual(self.second.formers, stages)
        names = [handler.name for handler, _ in self.composer.walk("a.default:80")]
        self.assertEqual(names, ["router", "second", "first"])

    def test_strangersRouter(self) -> None:
        """A router that can only prepare for everything does so after each change."""
        self.assertTrue(IRouter.providedBy(TableRouter()))
        self.composer.handlers = (TableRouter(), self.first)
        self.apply(self.known)
        known = {**self.known, **routes("d")}
        self.apply(known, "d.default:80")
        assert self.composer.find is not None
        self.assertEqual(self.composer.find(call(asked="d.default:80")).key, "d.default:80")
