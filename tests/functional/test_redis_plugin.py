"""The Redis plugin as a stranger installs it, between real clients and a real redis-server."""

from __future__ import annotations

import ast
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import freePorts, python
from tests.functional.harness import HOST, ProcessesMixin, listenAt, service, until
from tests.functional.peers import program
from tests.functional.test_packaging import environment, run, source
from tests.sourcetree import ROOT

EXAMPLE = ROOT / "examples" / "redis-plugin"
#: What "a protocol in fifty lines" means.
MOST_LINES = 50


def linesOfCode(path: Path) -> int:
    """Lines that are neither blank, nor comments, nor docstrings."""
    text = path.read_text("utf-8")
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        isBody = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if isBody and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            documented.update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    return sum(
        bool(line) and not line.startswith("#") and number not in documented
        for number, line in lines
    )


@cache
def installed() -> Path:
    """A virtual environment with edgemesh and the plugin, both installed by pip."""
    folder = environment("environment-redis")
    example = folder / "redis-plugin"
    leaveOut = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "dropin.cache")
    shutil.copytree(EXAMPLE, example, ignore=leaveOut)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed")
    run(*pip, *options, source(), example, cwd=folder)
    return folder


class SizeTests(SynchronousTestCase):
    """How much it takes."""

    def test_fiftyLines(self) -> None:
        """The whole plugin has no more than fifty lines of code."""
        parts = (EXAMPLE / "edgemesh_redis.py", *EXAMPLE.glob("twisted/plugins/*.py"))
        self.assertEqual(len(parts), 2)
        self.assertLessEqual(sum(map(linesOfCode, parts)), MOST_LINES)

    def test_counted(self) -> None:
        """Blank lines, comments and docstrings are not code; everything else is."""
        sample = Path(self.mktemp())
        sample.write_text(
            '"""Text\nmore\n"""\n\n# comment\nx = (\n    1)\ndef f():\n    """Doc."""\n'
        )
        self.assertEqual(linesOfCode(sample), 3)


class RedisTests(ProcessesMixin, SynchronousTestCase):
    """One node with the plugin, one listener for a service."""

    def setUp(self) -> None:
        server = program("redis-server")
        self.redis, self.port = freePorts(2)
        options = ("--save", "", "--appendonly", "no", "--daemonize", "no")
        where = ("--bind", HOST, "--port", str(self.redis))
        redis = self.start("redis", (server, *where, *options))
        redis.waitFor("connection", lambda: self._accepts(self.redis))
        self.mesh = self.node(
            {
                "protocols": ["redis", "http", "grpc", "tls", "tcp"],
                "listeners": [{"listen": listenAt(self.port), "service": "store.default:80"}],
            },
            {"store.yaml": service("store", self.redis)},
            command=lambda path: [
                str(installed() / "bin" / "twistd"),
                *("-n", "--pidfile=", "edgemesh", "--config", str(path)),
            ],
            # Nothing but what is installed.
            environ={"PYTHONPATH": "", "EDGEMESH_REDIS_REFUSE": "FLUSHALL,CONFIG"},
        )

    def _accepts(self, port: int) -> bool | None:
        with socket.socket() as caller:
            return True if caller.connect_ex((HOST, port)) == 0 else None

    def connected(self) -> socket.socket:
        """A caller of the mesh."""
        caller = socket.create_connection((HOST, self.port), timeout=10)
        self.addCleanup(caller.close)
        return caller

    def exchange(self, said: bytes, length: int) -> bytes:
        """Say something on a connection of its own; so many bytes of the answer."""
        caller = self.connected()
        caller.sendall(said)
        return received(caller, length)

    def counted(self, command: str) -> float:
        """How often the metrics say this command came."""
        return self.mesh.metric("edgemesh_redis_commands_total", command=command)

    def test_client(self) -> None:
        """redis-cli works through the mesh, and its commands are counted by name."""
        cli = (program("redis-cli", "redis-tools"), "-h", HOST, "-p", str(self.port))
        for arguments, answer in ((("set", "k", "some text"), "OK"), (("GET", "k"), "some text")):
            done = subprocess.run((*cli, *arguments), capture_output=True, text=True, timeout=10)
            self.assertEqual(done.stdout, f"{answer}\n", done.stderr)
        self.assertEqual((self.counted("SET"), self.counted("GET")), (1, 1))

    def test_pipelined(self) -> None:
        """Commands sent in one go are answered in their order, and each one counts."""
        said, answers = b"", b""
        for number in range(500):
            value = b"%d" % number * (number % 7 + 1)
            said += command(b"SET", b"key", value) + command(b"GET", b"key")
            answers += b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
        self.assertEqual(self.exchange(said, len(answers)), answers)
        self.assertEqual((self.counted("SET"), self.counted("GET")), (500, 500))

    def test_large(self) -> None:
        """A value of some MiB passes in both directions as it is."""
        value = bytes(range(256)) * 16_384
        answers = b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
        said = command(b"SET", b"large", value) + command(b"GET", b"large")
        self.assertEqual(self.exchange(said, len(answers)), answers)

    def test_refused(self) -> None:
        """FLUSHALL is refused after what was asked before it, and flushes nothing."""
        said = command(b"SET", b"k", b"1") + command(b"GET", b"k")
        caller = self.connected()
        caller.sendall(said + command(b"flushall") + command(b"GET", b"k"))
        answers = b"+OK\r\n$1\r\n1\r\n-NOPERM the mesh refuses FLUSHALL\r\n"
        self.assertEqual(received(caller, len(answers)), answers)
        self.assertEqual(caller.recv(100), b"")
        self.assertEqual(self.exchange(command(b"GET", b"k"), 7), b"$1\r\n1\r\n")
        self.assertEqual((self.counted("FLUSHALL"), self.counted("GET")), (1, 2))

    def test_reasonTold(self) -> None:
        """A refusal inside a connection is counted with its reason, like any other."""
        caller = self.connected()
        caller.sendall(command(b"CONFIG", b"GET", b"*"))
        self.assertIn(b"CONFIG", received(caller, 100))
        caller.close()
        where = {"service": "store.default:80", "protocol": "redis", "reason": "MR"}
        refusals = until(
            "the refusal in the metrics",
            lambda: self.mesh.metric("edgemesh_requests_total", **where) or None,
        )
        self.assertEqual(refusals, 1)

    def test_otherProtocols(self) -> None:
        """On the same listener HTTP and unknown protocols work as they do without the plugin."""
        app = self.app("b-1")
        self.mesh.write("store.yaml", service("store", app))
        until("the app behind the service", lambda: self._serves(app))
        answer = self.exchange(b"GET /resource HTTP/1.1\r\nHost: x\r\n\r\n", 15)
        self.assertEqual(answer, b"HTTP/1.1 200 OK")
        # The app takes it for HTTP/0.9 and complains; it came to it as it is.
        self.assertIn(b"400", self.exchange(b"HELLO there\r\n", 500))
        opened = "edgemesh_connections_opened_total"
        self.assertEqual(self.mesh.metric(opened, protocol="http"), 1)
        self.assertEqual(self.mesh.metric(opened, protocol="tcp"), 1)
        self.assertEqual(self.mesh.metric(opened, protocol="redis"), 0)

    def _serves(self, app: int) -> bool | None:
        (endpoint,) = self.mesh.services()["store.default:80"]["endpoints"]
        return True if endpoint["address"] == f"{HOST}:{app}" else None


class OwnTests(SynchronousTestCase):
    """The tests that come with the plugin."""

    def test_pass(self) -> None:
        """They pass where it is installed."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        shutil.copy(EXAMPLE / "test_edgemesh_redis.py", folder)
        trial = (installed() / "bin" / "python", *python("-m", "twisted.trial")[1:])
        self.assertIn("PASSED", run(*trial, "test_edgemesh_redis", cwd=folder))


def command(*strings: bytes) -> bytes:
    """A command as it is on the wire."""
    parts = (b"$%d\r\n%s\r\n" % (len(string), string) for string in strings)
    return b"*%d\r\n%s" % (len(strings), b"".join(parts))


def received(caller: socket.socket, length: int) -> bytes:
    """So many bytes, or fewer when the connection ends before."""
    data = b""
    while len(data) < length and (more := caller.recv(length - len(data))):
        data += more
    return data
