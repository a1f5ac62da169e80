"""Tests of edgemesh.tap."""

import io
import os
import sys
from pathlib import Path

from twisted.application.service import IServiceCollection, IServiceMaker
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from edgemesh._version import __version__
from edgemesh.tap import Options, makeService


class TapTestCase(SynchronousTestCase):
    """Somebody with an empty home and files to try."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.patch(os, "environ", {"HOME": str(self.home)})

    def parsed(self, text: str) -> Options:
        """The options of a configuration file with this text."""
        file = self.home / "edgemesh.yaml"
        file.write_text(f"state: {self.home}/state\n{text}")
        options = Options()
        options.parseOptions(["--config", str(file)])
        return options

    def oneLine(self, end: SystemExit) -> str:
        """What Python prints for this end: one line, with status 1."""
        self.assertIsInstance(end.code, str)
        self.assertNotIn("\n", str(end.code))
        self.assertTrue(str(end.code).startswith("edgemesh: "))
        return str(end.code)


class OptionsTests(TapTestCase):
    """:class:`~edgemesh.tap.Options`."""

    def test_noFile(self) -> None:
        """Without a configuration the defaults are there."""
        options = Options()
        options.parseOptions([])
        self.assertIn("127.0.0.1", options.config.admin)

    def test_file(self) -> None:
        """``-c`` and ``--config`` name the file."""
        file = self.home / "mine.yaml"
        file.write_text("node: edge-7\n")
        for arguments in (["-c", str(file)], [f"--config={file}"]):
            options = Options()
            options.parseOptions(arguments)
            self.assertEqual(options.config.node, "edge-7")

    def test_mistake(self) -> None:
        """A key that does not exist ends the program with one line that names it."""
        end = self.assertRaises(SystemExit, self.parsed, "listners: []\n")
        self.assertIn("listners", self.oneLine(end))
        self.assertIn("edgemesh.yaml", self.oneLine(end))

    def test_missingFile(self) -> None:
        """A file that is not there is one line, not a traceback."""
        options = Options()
        end = self.assertRaises(SystemExit, options.parseOptions, ["-c", "nowhere.yaml"])
        self.assertIn("nowhere.yaml", self.oneLine(end))

    def test_reread(self) -> None:
        """A reload finds the file again, wherever the program has gone since."""
        self.addCleanup(os.chdir, os.getcwd())
        options = self.parsed("node: before\n")
        os.chdir(self.home)
        options.parseOptions(["-c", "edgemesh.yaml"])
        (self.home / "edgemesh.yaml").write_text("node: after\n")
        os.chdir("/")
        self.assertEqual(options.read().node, "after")

    def test_version(self) -> None:
        """``--version`` is edgemesh's own, not Twisted's."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        end = self.assertRaises(SystemExit, Options().parseOptions, ["--version"])
        self.assertEqual((end.code, out.getvalue()), (0, f"edgemesh {__version__}\n"))


class MakeServiceTests(TapTestCase):
    """:func:`~edgemesh.tap.makeService`."""

    def test_opensNothing(self) -> None:
        """Composing a node listens nowhere, dials nobody and sets no timer."""
        reactor = MemoryReactorClock()
        service = makeService(self.parsed("node: edge-1\n"), reactor)
        self.assertEqual(reactor.tcpServers + reactor.unixServers + reactor.tcpClients, [])
        self.assertEqual(reactor.getDelayedCalls(), [])
        self.assertTrue(list(IServiceCollection(service)))
        self.assertFalse((self.home / "state").exists())

    def test_namedServices(self) -> None:
        """The parts of the node can be asked for by name."""
        service = makeService(self.parsed("node: edge-1\n"), MemoryReactorClock())
        names = {part.name for part in IServiceCollection(service)}
        self.assertLessEqual({"manifests", "admin", "reload", "process"}, names)
        self.assertNotIn(None, names)

    def test_transportServers(self) -> None:
        """Each protocol has its transport server, with or without an address."""
        service = makeService(
            self.parsed("transportServers: {http: 'tcp:0:interface=127.0.0.1'}\n"),
            MemoryReactorClock(),
        )
        names = {part.name for part in IServiceCollection(service)}
        wanted = {f"transport-{protocol}" for protocol in ("http", "grpc", "tls", "tcp")}
        self.assertLessEqual(wanted, names)

    def test_missingPlugin(self) -> None:
        """A protocol that nobody provides ends the program with one line that names it."""
        options = self.parsed("protocols: [gopher, tcp]\n")
        end = self.assertRaises(SystemExit, makeService, options, MemoryReactorClock())
        self.assertIn("edgemesh.yaml: protocols: ", self.oneLine(end))
        self.assertIn("gopher", self.oneLine(end))

    def test_impossibleEndpoint(self) -> None:
        """An address of a kind that this machine cannot have is one line that names its key."""
        for key, text, where in (
            ("admin", "admin: '{}'\n", "pigeon:18080"),
            ("listeners[0].listen", "listeners: [{{listen: '{}', proxy: true}}]\n", "ssl:18080"),
            ("transportServers.http", "transportServers: {{http: '{}'}}\n", "systemd:index=9"),
        ):
            options = self.parsed(text.format(where))
            end = self.assertRaises(SystemExit, makeService, options, MemoryReactorClock())
            line = self.oneLine(end)
            self.assertIn(f"edgemesh.yaml: {key}: expected ", line)
            self.assertIn(where, line)


class PluginTests(SynchronousTestCase):
    """``twisted/plugins/edgemesh_services.py``."""

    def test_found(self) -> None:
        """Twisted finds exactly one ``edgemesh`` and loads it from here."""
        (maker,) = (p for p in getPlugins(IServiceMaker) if p.tapname == "edgemesh")
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
