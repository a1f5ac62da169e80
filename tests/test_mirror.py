"""Every module has its tests, where a reader looks for them."""

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT, Module, modules

#: Tests of no single module: of the tree, the files beside it, the whole.
WHOLE = {
    "tests.test_acceptance",
    "tests.test_layering",
    "tests.test_mirror",
    "tests.test_readme",
    "tests.test_style",
}
_FIRST_LINE = re.compile(r"# -\*- test-case-name: (tests(?:\.\w+)*(?:,tests(?:\.\w+)*)*) -\*-\n")


def mirror(module: Module) -> str:
    """Where the tests of a module belong: ``tests.wire.test_tls`` for ``edgemesh.wire.tls``."""
    *folders, last = module.name.split(".")[1:] or ["edgemesh"]
    return ".".join(["tests", *folders, f"test_{last}"])


def exists(name: str) -> bool:
    """Whether there is such a test module or package."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


class MirrorTests(SynchronousTestCase):
    """The tree of the tests mirrors the package."""

    def test_firstLine(self) -> None:
        """The first line of a module names its tests, and they exist."""
        wrong = []
        for module in modules("edgemesh"):
            match = _FIRST_LINE.match(module.text)
            named = match.group(1).split(",") if match else []
            if module.hasSubstance and not (named and all(map(exists, named))):
                wrong.append(f"{module.path}: {named or 'no first line'}")
        self.assertEqual(wrong, [])

    def test_everyModule(self) -> None:
        """A module that defines something has a test module of its own, at the mirrored place."""
        missing = [
            f"{module.path}: {mirror(module)}"
            for module in modules("edgemesh")
            if module.hasSubstance and not exists(mirror(module))
        ]
        self.assertEqual(missing, [])

    def test_noOrphans(self) -> None:
        """A test module belongs to a module, or to the whole tree."""
        known = WHOLE | {mirror(module) for module in modules("edgemesh")}
        orphans = [
            module.path
            for module in modules("tests")
            if module.name.rpartition(".")[2].startswith("test_")
            and not module.name.startswith(("tests.functional.", "tests.conformance."))
            and module.name not in known
        ]
        self.assertEqual(orphans, [])
