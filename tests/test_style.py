"""Shapes that reviews should not have to argue about."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT, modules

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
DEEPEST_NESTING = 3

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
# Spelled so that this file does not contain what it looks for.
_FOREIGN_PATHS = re.compile(r"(?<![\w.])/(work|farm|root)/|/\.\./shared|\.\./sh[a]red")
_TEXTS = re.compile(r".*\.(py|rst|yaml|cfg|toml|in|sh|json)|Makefile|run")
_MADE = re.compile(r"\.(?!ci$).*|build|dist|__pycache__|_trial_temp.*|.*\.egg-info")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a module, methods and inner ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS))


def depth(node: ast.AST) -> int:
    """How deep blocks lie inside each other; ``elif`` is no deeper than its ``if``."""
    deepest = 0
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, _FUNCTIONS):
                continue
            isElif = name == "orelse" and isinstance(child, ast.If) and isinstance(node, ast.If)
            isElif = isElif and len(node.orelse) == 1
            deepest = max(deepest, depth(child) + (isinstance(child, _BLOCKS) and not isElif))
    return deepest


def possessiveGroup(pattern: str | bytes) -> bool:
    """
    Whether a group has a possessive quantifier.

    In CPython 3.11.2, which Debian 12 has, such a pattern accepts what it should
    not.  Behind a single byte a possessive quantifier is right everywhere.
    """
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    bare = re.sub(r"\[\^?\]?[^\]]*\]", "c", re.sub(r"\\.", "e", text))
    return re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", bare) is not None


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function has; classes that it makes are not its own lines."""
    inner = [node for node in function.body if isinstance(node, ast.ClassDef)]
    return lines(function) - sum(map(lines, inner))


def lines(node: ast.stmt) -> int:
    """From the first line to the last."""
    return (node.end_lineno or 0) - node.lineno + 1


def texts() -> Iterator[Path]:
    """Every text file of the tree; nothing that was made from it."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not _MADE.fullmatch(name)]
        # CI's own script may look beside the checkout for captures that are not ours.
        ours = [name for name in names if Path(folder, name) != ROOT / ".ci" / "run"]
        yield from (Path(folder, name) for name in ours if _TEXTS.fullmatch(name))


def moduleLevel(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when a module is imported."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += [c for c in ast.iter_child_nodes(node) if not isinstance(c, _FUNCTIONS)]


def importsReactor(node: ast.AST) -> bool:
    """Whether this statement loads the global reactor."""
    if isinstance(node, ast.Import):
        return any(alias.name == "twisted.internet.reactor" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return (node.module, "reactor") == ("twisted.internet", *names & {"reactor"})
    return False


class ShapeTests(SynchronousTestCase):
    """Sizes and first lines of the package's modules."""

    def test_modules(self) -> None:
        """A module holds one idea and fits into a reader's head."""
        counted = {m.path: m.text.count("\n") for m in modules("edgemesh")}
        self.assertEqual({p: n for p, n in counted.items() if n > LONGEST_MODULE}, {})

    def test_functions(self) -> None:
        """A function fits on a screen."""
        long = [
            f"{module.path}:{f.lineno} {f.name}"
            for module in modules("edgemesh") + modules("tests")
            for f in functions(module.tree)
            if length(f) > LONGEST_FUNCTION
        ]
        self.assertEqual(long, [])

    def test_nesting(self) -> None:
        """No block lies deeper than three others."""
        deep = [
            f"{module.path}:{f.lineno} {f.name}"
            for module in modules("edgemesh")
            for f in functions(module.tree)
            if depth(f) > DEEPEST_NESTING
        ]
        self.assertEqual(deep, [])

    def test_docstrings(self) -> None:
        """Every module says what it is for, and so does every public class."""
        silent = [m.path for m in modules("edgemesh") if not ast.get_docstring(m.tree)]
        silent += [
            f"{module.path}:{node.lineno} {node.name}"
            for module in modules("edgemesh")
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
        self.assertEqual(silent, [])

    def test_nothingSwallowed(self) -> None:
        """An error that nobody named is never dropped in silence."""
        swallowed = [
            f"{module.path}:{node.lineno}"
            for module in modules("edgemesh")
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ExceptHandler)
            and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
            and all(isinstance(step, ast.Pass) for step in node.body)
        ]
        self.assertEqual(swallowed, [])

    def test_patterns(self) -> None:
        """A regular expression means the same with every Python that may run it."""
        unsafe = [
            f"{module.path}:{node.lineno} {node.value!r}"
            for module in modules("edgemesh")
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str | bytes)
            and possessiveGroup(node.value)
        ]
        self.assertEqual(unsafe, [])

    def test_patternsRecognised(self) -> None:
        """Possessive groups are seen; possessive bytes and brackets in the text are not."""
        texts = (
            r"(?:ab)*+",
            r"(a){1,2}+c",
            r"[ab]*+",
            r"\(*+",
            r"(ab)*",
            r"a\)++",
            r"[()*+]",
            r"[])*+]",
        )
        seen = [possessiveGroup(text) for text in texts]
        self.assertEqual(seen, [True, True] + [False] * 6)

    def test_depthCounts(self) -> None:
        """The measure of nesting sees blocks and forgives ``elif``."""
        flat = "def f():\n if a:\n  b\n elif c:\n  d\n elif e:\n  g"
        deep = "def f():\n for a in b:\n  if c:\n   with d:\n    while e:\n     g"
        self.assertEqual([depth(ast.parse(text).body[0]) for text in (flat, deep)], [1, 4])


class ReactorTests(SynchronousTestCase):
    """The reactor is chosen by who runs the program."""

    def test_notAtModuleLevel(self) -> None:
        """Importing edgemesh, or finding its plugins, installs no reactor."""
        guilty = [
            f"{module.path}:{node.lineno}"
            for folder in ("edgemesh", "twisted")
            for module in modules(folder)
            for node in moduleLevel(module.tree)
            if importsReactor(node)
        ]
        self.assertEqual(guilty, [])

    def test_seen(self) -> None:
        """Both spellings of the import are recognised, others are not."""
        spellings = (
            "from twisted.internet import reactor",
            "from twisted.internet import defer, reactor as r",
            "import twisted.internet.reactor",
            "from twisted.internet import defer",
            "from mine import reactor",
        )
        seen = [importsReactor(ast.parse(text).body[0]) for text in spellings]
        self.assertEqual(seen, [True, True, True, False, False])


class StrangerTests(SynchronousTestCase):
    """The tree makes sense on any machine."""

    def test_noForeignPaths(self) -> None:
        """No file names a directory of the machine that it was written on."""
        found = [
            f"{path}:{number}"
            for path in texts()
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            if _FOREIGN_PATHS.search(line)
        ]
        self.assertEqual(found, [])

    def test_pathsRecognised(self) -> None:
        """The pattern finds such paths and leaves ordinary text alone."""
        bad = "see {0}work{0}tree/x".format("/")
        self.assertTrue(_FOREIGN_PATHS.search(bad))
        self.assertFalse(_FOREIGN_PATHS.search("https://example.test/work/and/play, /workers"))

    def test_noPackageInTwistedsPlace(self) -> None:
        """An ``__init__.py`` below ``twisted/`` would hide Twisted itself."""
        self.assertEqual([str(p) for p in (ROOT / "twisted").rglob("__init__.py")], [])
