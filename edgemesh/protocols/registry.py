# -*- test-case-name: tests.protocols.test_registry -*-
"""
Find plugins by the names in the configuration.

Discovery is Twisted's: dropins in ``twisted/plugins``.  It says nothing of an
order, and it keeps quiet about a dropin that cannot be imported.  Here a
configured name that is missing, broken or taken twice stops start-up with one
line: what is configured, what was found, where it looked, what is broken there.
A broken dropin that nobody needs harms nobody.

For protocols and for handlers alike; runs at start-up only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from twisted.plugin import CachedDropin, CachedPlugin, getCache
from twisted.python.modules import getModule
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from edgemesh.errors import ConfigurationError

_T = TypeVar("_T")


def find(
    names: Sequence[str], interface: type[_T], what: str, package: ModuleType | None = None
) -> dict[str, _T]:
    """
    Get the plugins of these names.

    :param interface: what they provide: ``IMeshProtocol`` or ``IHandler``.
    :param what: the key in the configuration, for the error's text.
    :param package: where to look; ``twisted.plugins`` unless told.
    :return: by name, in the order of ``names``.
    :raise ConfigurationError: a name is missing, broken or double.
    """
    if package is None:
        package = import_module("twisted.plugins")
    search = _Search(interface, package)
    chosen: dict[str, _T] = {}
    for name in names:
        if name in chosen:
            raise ConfigurationError(f"{what}: expected each name once, found {name!r} twice")
        chosen[name] = search.one(name, what)
    return chosen


def made(name: str, make: Callable[[], _T]) -> _T:
    """
    What the protocol of this name makes for the node.

    :raise ConfigurationError: it cannot.
    """
    try:
        return make()
    except Exception as error:
        # A stranger's code: its defect is told as that of the name that was configured.
        raise ConfigurationError(f"protocols: {name!r} is broken: {_oneLine(error)}") from error


class _Search:
    """Everything there is in a package, and what is wrong with it."""

    def __init__(self, interface: Any, package: ModuleType) -> None:
        self._interface = interface
        self._where = list(package.__path__)
        self._found: dict[str, list[tuple[str, Any]]] = {}
        self._broken: list[str] = []
        dropins = getCache(package)  # type: ignore[no-untyped-call]
        for module in _modules(package):
            if module.rpartition(".")[2] not in dropins:
                self._explain(module)
        for dropin in dropins.values():
            for plugin in self._wanted(dropin):
                self._load(dropin.moduleName, plugin)

    def one(self, name: str, what: str) -> Any:
        """The plugin of this name."""
        found = self._found.get(name, [])
        if len(found) == 1:
            module, plugin = found[0]
            self._verify(name, what, module, plugin)
            return plugin
        if found:
            modules = " and ".join(sorted(module for module, _ in found))
            raise ConfigurationError(f"{what}: {name!r} is there twice: in {modules}")
        known = ", ".join(sorted(self._found)) or "none"
        broken = f"; broken: {'; '.join(self._broken)}" if self._broken else ""
        raise ConfigurationError(
            f"{what}: expected the name of a plugin, found {name!r};"
            f" known: {known}; looked in {', '.join(self._where)}{broken}"
        )

    def _wanted(self, dropin: CachedDropin) -> Iterator[CachedPlugin]:
        for plugin in dropin.plugins:
            if any(provided.isOrExtends(self._interface) for provided in plugin.provided):
                yield plugin

    def _load(self, module: str, cached: CachedPlugin) -> None:
        try:
            plugin = cached.load()  # type: ignore[no-untyped-call]
            name = plugin.name
        except Exception as error:
            # Whatever a stranger's code raises is a reason to tell, not to pass on.
            self._broken.append(f"{module}.{cached.name} ({_oneLine(error)})")
        else:
            self._found.setdefault(name, []).append((module, plugin))

    def _explain(self, module: str) -> None:
        """A dropin that discovery passed over: find out why."""
        try:
            import_module(module)
        except Exception as error:
            self._broken.append(f"{module} ({_oneLine(error)})")

    def _verify(self, name: str, what: str, module: str, plugin: Any) -> None:
        try:
            verifyObject(self._interface, plugin)
        except Invalid as error:
            raise ConfigurationError(
                f"{what}: {name!r} in {module} is broken: {_oneLine(error)}"
            ) from error


def _modules(package: ModuleType) -> list[str]:
    """Every module in a package, whether it can be imported or not."""
    inside = getModule(package.__name__).iterModules()  # type: ignore[no-untyped-call]
    return [module.name for module in inside]


def _oneLine(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"
