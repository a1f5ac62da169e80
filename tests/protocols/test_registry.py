"""Tests of edgemesh/protocols/registry.py."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.interfaces import IMeshProtocol
from edgemesh.protocols.registry import find, made

GOOD = """
from edgemesh.protocols.tcp.plugin import OpaqueProtocol
from edgemesh.protocols.tcp.resolver import TCPResolver
{name} = OpaqueProtocol("{name}", TCPResolver())
"""
HOLLOW = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from edgemesh.interfaces import IMeshProtocol

@implementer(IPlugin, IMeshProtocol)
class Hollow:
    name = "hollow"

hollow = Hollow()
"""


class FindTests(SynchronousTestCase):
    """A configuration that names plugins either gets them all or stops with one clear line."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        self.name = f"dropins{id(self)}"
        self.root.joinpath(self.name).mkdir(parents=True)
        sys.path.insert(0, str(self.root))
        self.addCleanup(sys.path.remove, str(self.root))
        self.addCleanup(self._forget)
        self.write("__init__", "")

    def _forget(self) -> None:
        for name in [one for one in sys.modules if one.partition(".")[0] == self.name]:
            del sys.modules[name]

    def write(self, module: str, source: str) -> None:
        """A dropin."""
        self.root.joinpath(self.name, f"{module}.py").write_text(source)

    @property
    def package(self) -> ModuleType:
        """Where the dropins are."""
        return import_module(self.name)

    def find(self, *names: str) -> dict[str, object]:
        """Look for these."""
        return find(names, IMeshProtocol, "protocols", self.package)

    def failure(self, *names: str) -> str:
        """What is said when looking for these fails."""
        return str(self.assertRaises(ConfigurationError, self.find, *names))

    def test_order(self) -> None:
        """Plugins come in the order of the configuration, whatever order they lie in."""
        self.write("a", GOOD.format(name="one"))
        self.write("b", GOOD.format(name="two"))
        self.assertEqual(list(self.find("two", "one")), ["two", "one"])

    def test_missing(self) -> None:
        """A missing name is told with what there is and where it looked."""
        self.write("a", GOOD.format(name="one"))
        text = self.failure("redis")
        for part in ("protocols", "'redis'", "known: one", str(self.root)):
            self.assertIn(part, text)
        self.assertNotIn("\n", text)

    def test_brokenDropin(self) -> None:
        """A dropin that cannot be imported is named, with its error."""
        self.write("a", "import nothing_of_this_name")
        text = self.failure("redis")
        self.assertIn("nothing_of_this_name", text)
        self.assertIn(f"{self.name}.a", text)
        self.flushLoggedErrors(ImportError)

    def test_brokenSinceCached(self) -> None:
        """A dropin that worked at the last start and does not any more is told as well."""
        self.write("a", GOOD.format(name="one"))
        self.find("one")
        self._forget()
        self.write("a", "raise RuntimeError('worn out')")
        cache = self.root.joinpath(self.name, "dropin.cache")
        cache.touch()
        text = self.failure("one")
        self.assertIn("worn out", text)
        self.flushLoggedErrors(RuntimeError)

    def test_brokenNeighbour(self) -> None:
        """A broken dropin that nobody asked for does no harm."""
        self.write("a", "raise RuntimeError('not ours')")
        self.write("b", GOOD.format(name="one"))
        self.assertEqual(list(self.find("one")), ["one"])
        self.flushLoggedErrors(RuntimeError)

    def test_doublePlugin(self) -> None:
        """Two plugins of one name are both named."""
        self.write("a", GOOD.format(name="one"))
        self.write("b", GOOD.format(name="one"))
        text = self.failure("one")
        self.assertIn(f"{self.name}.a", text)
        self.assertIn(f"{self.name}.b", text)

    def test_doubleName(self) -> None:
        """A name that is configured twice is refused."""
        self.write("a", GOOD.format(name="one"))
        self.assertIn("twice", self.failure("one", "one"))

    def test_incomplete(self) -> None:
        """A plugin that lacks what it promises is refused at start-up, not at the first call."""
        self.write("a", HOLLOW)
        text = self.failure("hollow")
        self.assertIn("broken", text)
        self.assertNotIn("\n", text)

    def test_builtIn(self) -> None:
        """The built-in protocols register as a stranger's would."""
        found = find(["grpc", "tls", "tcp"], IMeshProtocol, "protocols")
        self.assertEqual([plugin.name for plugin in found.values()], ["grpc", "tls", "tcp"])


class MadeTests(SynchronousTestCase):
    """A protocol that is found but does not work stops start-up with one clear line as well."""

    def test_works(self) -> None:
        """What it makes is what the node gets."""
        self.assertEqual(made("good", lambda: 7), 7)

    def test_defect(self) -> None:
        """Its defect is named, with the name that was configured, in one line."""

        def broken() -> None:
            raise ValueError("no\nresolver")

        problem = self.assertRaises(ConfigurationError, made, "bad", broken)
        self.assertEqual(str(problem), "protocols: 'bad' is broken: ValueError: no resolver")
