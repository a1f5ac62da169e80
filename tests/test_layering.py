"""Who may import whom: the map in ``edgemesh/__init__.py``, enforced."""

from twisted.trial.unittest import SynchronousTestCase

import edgemesh
from tests.sourcetree import Module, modules

#: Low to high.  A module imports its own package and lower layers.
LAYERS = (
    (
        "_version",
        "errors",
        "interfaces",
        "invocation",
        "metrics",
        "monotonic",
        "process",
        "reload",
        "state",
    ),
    ("wire",),
    ("beehive",),
    ("link",),
    ("meta",),
    ("handlers",),
    ("protocols",),
    ("interceptor", "dns", "edgecore", "admin"),
    ("config",),
    ("testing",),
    ("node",),
    ("diagnosis", "demo"),
    ("tap", "cli"),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def part(name: str) -> str:
    """The part of the package that a module belongs to: ``wire`` of ``edgemesh.wire.tls``."""
    return [*name.split("."), ""][1]


def ours(module: Module) -> list[str]:
    """What a module imports of edgemesh."""
    return [name for name in module.imports() if name.split(".")[0] == "edgemesh"]


def mayImport(importer: str, imported: str) -> bool:
    """Whether the map allows it; both are parts."""
    if importer == imported or not imported:
        return True
    lowest = RANK[importer] == RANK[imported] == 0
    return lowest or RANK[imported] < RANK[importer]


class LayeringTests(SynchronousTestCase):
    """The order of the layers."""

    def test_everyPartHasALayer(self) -> None:
        """A new part of the package must say where it stands, here and in the map."""
        parts = {part(module.name) for module in modules("edgemesh")} - {""}
        self.assertEqual(parts - set(RANK), set())
        unnamed = {name for name in parts if name[0] != "_" and name not in str(edgemesh.__doc__)}
        self.assertEqual(unnamed, set())

    def test_downwardOnly(self) -> None:
        """Imports point downward."""
        upward = [
            f"{module.path} imports {name}"
            for module in modules("edgemesh")
            for name in ours(module)
            if part(module.name) and not mayImport(part(module.name), part(name))
        ]
        self.assertEqual(upward, [])

    def test_noCircles(self) -> None:
        """No module needs itself, by whatever detour."""
        needs = {module.name: ours(module) for module in modules("edgemesh")}
        done: set[str] = set()

        def visit(name: str, trail: tuple[str, ...]) -> None:
            self.assertNotIn(name, trail, " -> ".join((*trail, name)))
            if name not in done:
                for needed in needs.get(name, ()):
                    visit(needed, (*trail, name))
                done.add(name)

        for name in needs:
            visit(name, ())

    def test_wireKnowsNoTwisted(self) -> None:
        """Bytes and their meaning are told apart from reactors and sockets."""
        guilty = [
            f"{module.path} imports {name}"
            for module in modules("edgemesh/wire") + modules("edgemesh/beehive")
            for name in module.imports()
            if name.split(".")[0] in ("twisted", "zope", "socket", "asyncio")
        ]
        self.assertEqual(guilty, [])

    def test_mapCanSayNo(self) -> None:
        """The rule refuses what it must refuse."""
        self.assertFalse(mayImport("wire", "meta"))
        self.assertFalse(mayImport("admin", "interceptor"))
        self.assertFalse(mayImport("handlers", "protocols"))
        self.assertTrue(mayImport("node", "wire"))
        self.assertTrue(mayImport("invocation", "errors"))
