"""Each way to install edgemesh gives a working twistd, twist and edgemesh."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh._version import __version__
from tests.sourcetree import ROOT

_BUILT = (".*", "build", "dist", "*.egg-info", "__pycache__", "_trial_temp*", "dropin.cache")
# Removed when the process ends.
_temporary = tempfile.TemporaryDirectory(prefix="edgemesh-packaging-")
_SCRIPTS = {
    "twistd": "from twisted.scripts.twistd import run\nrun()\n",
    "twist": "from twisted.application.twist._twist import Twist\nTwist.main()\n",
}


def run(*command: str | Path, cwd: Path) -> str:
    """What a command printed; its failure fails the test with all it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@cache
def scratch() -> Path:
    """A directory outside the tree; only the tests below put anything there."""
    return Path(_temporary.name)


@cache
def source() -> Path:
    """A copy of the tree as a clone has it, so that building leaves no traces in this one."""
    copy = scratch() / "source"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_BUILT))
    return copy


@cache
def built(kind: str) -> Path:
    """Build the ``wheel`` or the ``sdist`` with the project's own backend."""
    target = scratch() / kind
    target.mkdir()
    call = f"from setuptools import build_meta as b; b.build_{kind}({str(target)!r})"
    run(sys.executable, "-c", call, cwd=source())
    (archive,) = target.iterdir()
    return archive


def environment(name: str) -> Path:
    """
    Make a fresh virtual environment that sees this one's packages.

    A line in a ``.pth`` file adds a directory but does not run the ``.pth`` files
    in it, so an edgemesh that is installed here in place is not seen there.
    """
    folder = scratch() / name
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages-of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for script, text in _SCRIPTS.items():
        path = folder / "bin" / script
        path.write_text(f"#!{folder}/bin/python\n{text}")
        path.chmod(0o755)
    return folder


@cache
def installed(kind: str) -> Path:
    """Install into a fresh virtual environment, without asking a package index."""
    folder = environment(f"environment-{kind}")
    what = {"tree": [source()], "editable": ["--editable", source()]}.get(kind) or [built(kind)]
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed")
    run(*pip, "install", *options, *what, cwd=source())
    return folder


class ArchiveTests(SynchronousTestCase):
    """What is in the archives."""

    def test_wheel(self) -> None:
        """The wheel has the plugins and the starter files, and nothing that hides Twisted."""
        with zipfile.ZipFile(built("wheel")) as archive:
            names = set(archive.namelist())
        for name in (
            "edgemesh/py.typed",
            "edgemesh/starter/edgemesh.yaml",
            "edgemesh/starter/services.d/hello.yaml",
            "twisted/plugins/edgemesh_services.py",
        ):
            self.assertIn(name, names)
        self.assertEqual([n for n in names if re.match(r"twisted/.*__init__\.py", n)], [])
        self.assertEqual([n for n in names if n.startswith(("tests/", "conf/"))], [])

    def test_sdist(self) -> None:
        """The source archive is complete: its tests can be run, its example configuration read."""
        with tarfile.open(built("sdist")) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        for path in (
            *ROOT.glob("tests/**/*.py"),
            *ROOT.glob("conf/**/*.yaml"),
            *ROOT.glob("docs/**/*.rst"),
            *ROOT.glob("twisted/**/*.py"),
            *(ROOT / name for name in ("Makefile", "README.rst", "CHANGES.rst", "LICENSE")),
        ):
            self.assertIn(path.relative_to(ROOT).as_posix(), names)


class InstalledMixin:
    """What must work after every kind of installation, from any directory."""

    kind: str

    @property
    def folder(self) -> Path:
        """The virtual environment, made once for each kind."""
        return installed(self.kind)

    def command(self, name: str, *arguments: str) -> str:
        """Run an installed command where no source is."""
        elsewhere = Path(self.mktemp())  # type: ignore[attr-defined]
        elsewhere.mkdir()
        return run(self.folder / "bin" / name, *arguments, cwd=elsewhere)

    def test_twistd(self) -> None:
        """``twistd`` offers edgemesh and loads its options."""
        self.assertRegex(self.command("twistd", "--help"), r"\n +edgemesh  ")
        self.assertIn("--config", self.command("twistd", "edgemesh", "--help"))

    def test_twist(self) -> None:
        """``twist`` offers edgemesh and loads its options."""
        self.assertRegex(self.command("twist", "--help"), r"\n +edgemesh  ")
        self.assertIn("--config", self.command("twist", "edgemesh", "--help"))

    def test_edgemesh(self) -> None:
        """The console command is there, and its starter files with it."""
        self.assertIn("demo", self.command("edgemesh", "--help"))
        self.assertEqual(self.command("edgemesh", "--version"), f"edgemesh {__version__}\n")
        self.assertIn("hello.yaml", self.command("edgemesh", "init", "node"))

    def test_pluginsFound(self) -> None:
        """Every plugin module that the tree has is found from elsewhere."""
        script = (
            "import glob, twisted.plugins as plugins\n"
            "for folder in plugins.__path__: print(*glob.glob(folder + '/edgemesh_*.py'))\n"
        )
        found = self.command("python", "-c", script)
        for path in (ROOT / "twisted" / "plugins").glob("*.py"):
            self.assertIn(f"/{path.name}", found)


class PipInstallTests(InstalledMixin, SynchronousTestCase):
    """``pip install .``."""

    kind = "tree"


class EditableTests(InstalledMixin, SynchronousTestCase):
    """``pip install -e .``: the tree itself, edits included."""

    kind = "editable"

    def test_inPlace(self) -> None:
        """What is imported is the tree."""
        where = self.command("python", "-c", "import edgemesh; print(edgemesh.__file__)")
        self.assertTrue(where.startswith(str(source())), where)


class WheelTests(InstalledMixin, SynchronousTestCase):
    """``pip install`` of the wheel."""

    kind = "wheel"

    def test_byItself(self) -> None:
        """What is imported is the installed copy."""
        where = self.command("python", "-c", "import edgemesh; print(edgemesh.__file__)")
        self.assertTrue(where.startswith(str(self.folder)), where)


class ReactorTests(SynchronousTestCase):
    """Who starts the program chooses the reactor."""

    def test_notInstalledByImports(self) -> None:
        """Loading every module of edgemesh and every plugin leaves the choice open."""
        script = (
            "import pkgutil, importlib, sys, edgemesh\n"
            "for m in pkgutil.walk_packages(edgemesh.__path__, 'edgemesh.'):\n"
            "    importlib.import_module(m.name)\n"
            "from twisted.plugin import IPlugin, getPlugins\n"
            "list(getPlugins(IPlugin))\n"
            "sys.exit('twisted.internet.reactor' in sys.modules)\n"
        )
        run(sys.executable, "-c", script, cwd=ROOT)
