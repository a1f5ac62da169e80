"""The project's own source, as the tests about it read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Module:
    """
    One Python file of the project.

    :ivar path: below the root, with forward slashes.
    """

    path: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def name(self) -> str:
        """As it is imported: ``edgemesh.wire.tls``."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def isPackage(self) -> bool:
        """Whether other modules lie below it."""
        return self.path.endswith("/__init__.py")

    @property
    def hasSubstance(self) -> bool:
        """Whether it does something; a module of values alone cannot go wrong."""
        return any(isinstance(node, _FUNCTIONS) for node in ast.walk(self.tree))

    def imports(self) -> Iterator[str]:
        """Every module that importing or running this one loads; not what only a type needs."""
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.If) and _onlyForTypes(node.test):
                pending += node.orelse
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from self._importedFrom(node)
            pending += ast.iter_child_nodes(node)

    def _importedFrom(self, node: ast.ImportFrom) -> Iterator[str]:
        assert node.level == 0, f"{self.path}:{node.lineno}: a relative import"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if _exists(inner) else str(node.module)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _onlyForTypes(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _exists(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


@cache
def modules(folder: str) -> tuple[Module, ...]:
    """Every module below ``folder``, in order of its path."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)
