"""Servers that speak first, callers that speak late, and protocols nobody has heard of."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import freePorts
from tests.functional.database import Database, query, startDatabase
from tests.functional.harness import HOST, Node, listenAt, service
from tests.functional.peers import program
from tests.functional.standing import Standing, untilListening
from tests.functional.talkers import Talker, echo, greeting

SMTP = b"220 mail.test ESMTP\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
FTP = b"220-Welcome\r\n220 ready\r\n"
#: Seconds that detection may cost a server that speaks first, and some for a busy machine.
MOST_LOST = 0.05 + 0.01
#: Seconds until a caller that wrote without a line end has its answer, and some more.
MOST_QUIET = 0.1
TRIES = 11


class Scene:
    """
    A node with nothing configured but where its services are.

    :ivar direct: the services' own ports, by name.
    :ivar mesh: their listeners' ports, by name.
    :ivar proxy: the proxy listener.
    """

    def __init__(self) -> None:
        standing = Standing()
        smtp, ftp, echoing = Talker(greeting(SMTP)), Talker(greeting(FTP)), Talker(echo)
        for talker in (smtp, ftp, echoing):
            standing.addCleanup(talker.close)
        self.echoing = echoing
        self.direct = {
            "smtp": smtp.port,
            "ftp": ftp.port,
            "echo": echoing.port,
            "web": standing.app("b-1"),
            "redis": _redis(standing),
        }
        self.mesh = dict(zip(self.direct, freePorts(len(self.direct)), strict=True))
        (self.proxy,) = freePorts(1)
        self.node = _node(standing, self.direct, self.mesh, self.proxy)


def _node(standing: Standing, direct: dict[str, int], mesh: dict[str, int], proxy: int = 0) -> Node:
    listeners: list[dict[str, object]] = [
        {"listen": listenAt(port), "service": f"{name}.default:80"} for name, port in mesh.items()
    ]
    listeners.append({"listen": listenAt(proxy), "proxy": True})
    manifests = {f"{name}.yaml": service(name, port) for name, port in direct.items()}
    return standing.node({"listeners": listeners}, manifests)


def _redis(standing: Standing) -> int:
    (port,) = freePorts(1)
    options = ("--save", "", "--appendonly", "no", "--daemonize", "no")
    where = ("--bind", HOST, "--port", str(port))
    untilListening(standing.start("redis", (program("redis-server"), *where, *options)), port)
    return port


@cache
def scene() -> Scene:
    """Start it, once."""
    return Scene()


@cache
def database() -> tuple[Database, int]:
    """MariaDB, and the port at which a node offers it."""
    standing = Standing()
    made = startDatabase(standing)
    (port,) = freePorts(1)
    _node(standing, {"db": made.port}, {"db": port})
    return made, port


class Caller:
    """One connection; what it reads is never more than there is."""

    def __init__(self, port: int) -> None:
        self.began = time.monotonic()
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, text: bytes) -> None:
        """Send it now; ``began`` is this moment."""
        self.began = time.monotonic()
        self.socket.sendall(text)

    def hear(self, length: int) -> bytes:
        """So many bytes, or fewer when there are no more."""
        heard = b""
        while len(heard) < length and (part := self.socket.recv(length - len(heard))):
            heard += part
        return heard

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


def median(one: Callable[[], float]) -> float:
    """Of some tries."""
    return statistics.median(one() for _ in range(TRIES))


class GreetingTests(SynchronousTestCase):
    """A server that speaks first."""

    def greeted(self, port: int, banner: bytes) -> float:
        """Seconds until the banner is here."""
        with Caller(port) as caller:
            self.assertEqual(caller.hear(len(banner)), banner)
            return caller.elapsed

    def soon(self, direct: int, mesh: int, banner: bytes) -> None:
        """The banner comes through the mesh not much later than without it."""
        alone = median(lambda: self.greeted(direct, banner))
        through = median(lambda: self.greeted(mesh, banner))
        self.assertLess(through - alone, MOST_LOST)

    def test_smtp(self) -> None:
        """A mail server's greeting loses a few hundredths of a second."""
        self.soon(scene().direct["smtp"], scene().mesh["smtp"], SMTP)

    def test_ftp(self) -> None:
        """So does that of a file server, which greets in two lines."""
        self.soon(scene().direct["ftp"], scene().mesh["ftp"], FTP)

    def test_dialogue(self) -> None:
        """After the greeting the two go on in turns."""
        with Caller(scene().mesh["smtp"]) as caller:
            self.assertEqual(caller.hear(len(SMTP)), SMTP)
            for line in (b"EHLO here\r\n", b"MAIL FROM:<a@here>\r\n", b"QUIT\r\n"):
                caller.say(line)
                self.assertEqual(caller.hear(4 + len(line)), b"250 " + line)

    def test_tunnel(self) -> None:
        """Through a tunnel of the proxy the greeting follows the proxy's answer."""
        with Caller(scene().proxy) as caller:
            caller.say(b"CONNECT smtp:80 HTTP/1.1\r\nHost: smtp:80\r\n\r\n")
            heard = caller.hear(len(CONNECTED + SMTP))
        self.assertEqual(heard, CONNECTED + SMTP)

    def test_callerEndsFirst(self) -> None:
        """A caller that only listens, and says so by FIN at once, hears the greeting."""
        for _ in range(5):
            with Caller(scene().mesh["smtp"]) as caller:
                caller.socket.shutdown(socket.SHUT_WR)
                self.assertEqual(caller.hear(1000), SMTP)

    def test_oneConnection(self) -> None:
        """Recognising costs the server no second connection."""
        before = scene().echoing.connections
        for text in (b"", b"ping\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            with Caller(scene().mesh["echo"]) as caller:
                if not text:
                    time.sleep(0.05)
                caller.say(text or b"late\n")
                caller.hear(4)
        self.assertEqual(scene().echoing.connections, before + 3)


class DatabaseTests(SynchronousTestCase):
    """MariaDB with its stock client."""

    def test_statements(self) -> None:
        """A real login and a few statements."""
        _, port = database()
        said = query(
            port,
            "CREATE OR REPLACE TABLE t (n INT, s LONGTEXT);"
            "INSERT INTO t VALUES (1, REPEAT('abc', 200000)), (2, 'short');"
            "SELECT n, LENGTH(s) FROM t ORDER BY n;",
        )
        self.assertEqual(said, "n\tLENGTH(s)\n1\t600000\n2\t5\n")

    def test_large(self) -> None:
        """A result of some size comes whole."""
        _, port = database()
        said = query(port, "SELECT REPEAT('0123456789', 300000) AS text;")
        self.assertEqual(said, "text\n" + "0123456789" * 300_000 + "\n")

    def test_soon(self) -> None:
        """The server's greeting loses a few hundredths of a second."""
        made, port = database()

        def greeted(where: int) -> float:
            with Caller(where) as caller:
                self.assertIn(b"MariaDB", caller.hear(60))
                return caller.elapsed

        alone = median(lambda: greeted(made.port))
        self.assertLess(median(lambda: greeted(port)) - alone, MOST_LOST)


class LateCallerTests(SynchronousTestCase):
    """A caller that says nothing for a while."""

    def test_http(self) -> None:
        """After five silent seconds a request typed in two pieces is HTTP all the same."""
        seen = {"service": "web.default:80", "protocol": "http"}
        before = scene().node.metric("edgemesh_requests_total", **seen)
        with Caller(scene().mesh["web"]) as caller:
            time.sleep(5)
            caller.say(b"GET /resour")
            time.sleep(0.2)
            caller.say(b"ce HTTP/1.1\r\nHost: web\r\n\r\n")
            answer = caller.hear(15)
        self.assertEqual(answer, b"HTTP/1.1 200 OK")
        self.assertEqual(scene().node.metric("edgemesh_requests_total", **seen), before + 1)

    def test_pieces(self) -> None:
        """A request may come as slowly as somebody types."""
        with Caller(scene().mesh["web"]) as caller:
            for piece in (b"G", b"ET /", b" HTTP/1.1\r", b"\nHost: web\r\n", b"\r\n"):
                caller.say(piece)
                time.sleep(0.06)
            self.assertEqual(caller.hear(15), b"HTTP/1.1 200 OK")

    def test_redis(self) -> None:
        """A client that opens its connection long before it uses it."""
        with Caller(scene().mesh["redis"]) as caller:
            time.sleep(0.5)
            caller.say(b"PING\r\n")
            self.assertEqual(caller.hear(7), b"+PONG\r\n")


class UnknownProtocolTests(SynchronousTestCase):
    """Whatever is not recognised is passed on as it is."""

    def test_redisClient(self) -> None:
        """redis-cli works without anybody knowing Redis."""
        cli = (program("redis-cli", "redis-tools"), "-h", HOST, "-p", str(scene().mesh["redis"]))
        for arguments, answer in ((("set", "k", "some text"), "OK"), (("GET", "k"), "some text")):
            done = subprocess.run((*cli, *arguments), capture_output=True, text=True, timeout=10)
            self.assertEqual(done.stdout, f"{answer}\n", done.stderr)

    def test_redisInline(self) -> None:
        """Commands typed by hand, even where they look like a method of HTTP."""
        for said, answer in (
            (b"SET word text\r\n", b"+OK\r\n"),
            (b"GET word\r\n", b"$4\r\ntext\r\n"),
            (b"OPTIONS\r\n", b"-ERR unknown command"),
            (b"PING\r\n", b"+PONG\r\n"),
        ):
            with Caller(scene().mesh["redis"]) as caller:
                caller.say(said)
                self.assertEqual(caller.hear(len(answer)), answer, said)

    def answered(self, said: bytes) -> float:
        """Seconds until it comes back."""
        with Caller(scene().mesh["echo"]) as caller:
            caller.say(said)
            self.assertEqual(caller.hear(len(said)), said)
            return caller.elapsed

    def test_line(self) -> None:
        """A line that is no HTTP is passed on at once."""
        self.assertLess(median(lambda: self.answered(b"hello there\n")), MOST_LOST)

    def test_noLineEnd(self) -> None:
        """A word without a line end, such as ZooKeeper's, waits a moment only."""
        self.assertLess(median(lambda: self.answered(b"ruok")), MOST_QUIET)
        self.assertLess(median(lambda: self.answered(b"some text")), MOST_QUIET)

    def test_binary(self) -> None:
        """Bytes that are no text are passed on at once."""
        self.assertLess(median(lambda: self.answered(b"\x00\x00\x00\x11\x00\x12")), MOST_LOST)

    def test_likeTLS(self) -> None:
        """What begins like TLS and is none is passed on whole."""
        self.assertLess(median(lambda: self.answered(b"\x16\x03\x01\x00\x04\x7f\x00\x00\x00")), 1)
