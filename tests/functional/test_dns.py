"""The name server and real clients: dig, dnspython, and the C library's own stub."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.processes import Program, freePorts, python
from tests.functional.harness import ProcessesMixin
from tests.functional.peers import program

FULL = "svc.cluster.local"
#: What a caller waits at most when nothing is known: a second, and some for a busy machine.
PROMPT = 1.3


class NameServerTestCase(ProcessesMixin, SynchronousTestCase):
    """Our name server, one upstream server, and one that nobody answers at."""

    host = "127.0.0.1"

    def setUp(self) -> None:
        self.upstream, upstreamPort = self.serve("upstream", "upstream")
        self.dead = f"127.0.0.1:{freePorts(1)[0]}"
        listen = f"[{self.host}]:0" if ":" in self.host else f"{self.host}:0"
        upstreams = (self.dead, f"127.0.0.1:{upstreamPort}")
        self.server, self.port = self.serve("mesh", "mesh", listen, *upstreams)

    def serve(self, name: str, *arguments: str) -> tuple[Program, int]:
        """Start a name server; and its port."""
        running = self.start(name, python("-m", "tests.functional.nameservers", *arguments))

        def port() -> int | None:
            match = re.search(r"^([0-9]+)$", running.said(), re.MULTILINE)
            return int(match[1]) if match else None

        return running, running.waitFor("port", port)

    def dig(self, *arguments: str) -> str:
        """What dig prints."""
        where = (program("dig", "bind9-dnsutils"), f"@{self.host}", "-p", str(self.port))
        done = subprocess.run(
            [*where, "+tries=1", "+timeout=5", *arguments],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        # dig says so when the counts or the records of a reply are wrong.
        self.assertNotRegex(
            done.stdout + done.stderr, "(?i)malformed|extra bytes|warning: (?!.local)"
        )
        return done.stdout

    def short(self, *arguments: str) -> list[str]:
        """The values alone."""
        return self.dig("+short", *arguments).splitlines()

    def udp(self, name: str, kind: str = "A", **options: object) -> dns.message.Message:
        """dnspython's view, over UDP."""
        asked = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
        return dns.query.udp(asked, self.host, port=self.port, timeout=5)

    def tcp(self, name: str, kind: str = "A") -> dns.message.Message:
        """The same over TCP."""
        asked = dns.message.make_query(name, kind)
        return dns.query.tcp(asked, self.host, port=self.port, timeout=5)


class DigTests(NameServerTestCase):
    """dig."""

    def test_forms(self) -> None:
        """Every form of a name, in any spelling, over UDP and TCP."""
        for name in ("web", "web.default", "web.default.svc", f"web.default.{FULL}", "WEB.Default"):
            self.assertEqual(self.short(name), ["10.96.0.7"], name)
            self.assertEqual(self.short("+tcp", name), ["10.96.0.7"], name)

    def test_missingType(self) -> None:
        """A name with IPv4 only has no AAAA, and exists."""
        told = self.dig(f"old.default.{FULL}", "AAAA")
        self.assertRegex(told, r"status: NOERROR")
        self.assertRegex(told, r"ANSWER: 0, AUTHORITY: 1")
        self.assertRegex(self.dig(f"none.default.{FULL}", "AAAA"), r"status: NXDOMAIN")

    def test_headless(self) -> None:
        """A headless name, its pods, its port and the way back."""
        pods = [self.short(f"{pod}.db.default.svc")[0] for pod in ("db-0", "db-1")]
        self.assertEqual(sorted(self.short("db")), sorted(pods))
        self.assertEqual(self.short("-x", pods[0]), [f"db-0.db.default.{FULL}."])
        ports = self.short(f"_pg._tcp.db.default.{FULL}", "SRV")
        expected = [f"0 100 5432 {pod}.db.default.{FULL}." for pod in ("db-0", "db-1")]
        self.assertEqual(sorted(ports), expected)

    def test_truncated(self) -> None:
        """What fits is told with the flag, and the rest over TCP, without being asked."""
        cut = self.dig("many", "+noedns", "+ignore")
        self.assertRegex(cut, r"flags: qr aa tc rd ra; QUERY: 1, ANSWER: 30,")
        self.assertRegex(self.dig("many", "+bufsize=4096", "+ignore"), r"tc .*ANSWER: 74,")
        self.assertEqual(len(self.short("many")), 200)

    def test_refused(self) -> None:
        """ANY and other classes are refused."""
        self.assertRegex(self.dig("web", "ANY"), r"status: REFUSED")
        self.assertRegex(self.dig("version.bind", "CH", "TXT"), r"status: REFUSED")

    def test_forwarded(self) -> None:
        """Names of others come from upstream, large ones too; no name there is no name here."""
        self.assertEqual(self.short("small.test"), ["192.0.2.80"])
        self.assertEqual(len(self.short("big.test", "TXT")), 30)
        self.assertRegex(self.dig("none.test"), r"status: NXDOMAIN")


class PythonTests(NameServerTestCase):
    """dnspython."""

    def test_spelling(self) -> None:
        """The question comes back in the caller's own spelling."""
        reply = self.udp("wEb.DeFault")
        self.assertEqual(reply.question[0].name.to_text(), "wEb.DeFault.")
        self.assertEqual([each.address for each in reply.answer[0]], ["10.96.0.7"])

    def test_sizes(self) -> None:
        """Every reply is sound and within what the caller takes."""
        for size in (512, 700, 1232, 4096):
            reply = self.udp("many", use_edns=0, payload=size)
            self.assertTrue(reply.flags & dns.flags.TC)
            self.assertLessEqual(len(reply.to_wire()), min(size, 1232))
        self.assertEqual(len(self.tcp("many").answer[0]), 200)

    def test_pipelined(self) -> None:
        """Many queries on one connection are all answered."""
        with socket.create_connection((self.host, self.port), 5) as connection:
            connection.settimeout(5)
            asked = [dns.message.make_query(f"web.default.{FULL}", "A") for _ in range(100)]
            for each in asked:
                dns.query.send_tcp(connection, each)
            told = {dns.query.receive_tcp(connection)[0].id for _ in asked}
        self.assertEqual(told, {each.id for each in asked})

    def test_garbage(self) -> None:
        """Garbage gets no reply, and everybody else their answers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.2)
            for data in (b"", b"x", bytes(12), b"\xff" * 600, os.urandom(100)):
                sender.sendto(data, (self.host, self.port))
        self.assertEqual(self.udp("web").rcode(), dns.rcode.NOERROR)
        self.assertNotIn("Traceback", self.server.said())

    def test_slowName(self) -> None:
        """A name that upstream never answers fails within a second, and delays no other."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(5)
            began = time.monotonic()
            sender.sendto(
                dns.message.make_query("slow.test", "A").to_wire(), (self.host, self.port)
            )
            self.assertEqual(self.udp("small.test").rcode(), dns.rcode.NOERROR)
            self.assertLess(time.monotonic() - began, 0.5)
            reply = dns.message.from_wire(sender.recv(512))
        self.assertEqual(reply.rcode(), dns.rcode.SERVFAIL)
        self.assertLess(time.monotonic() - began, PROMPT)

    def test_offline(self) -> None:
        """Without upstream: what was known stays, what was not fails at once, ours is there."""
        self.udp("brief.test")
        self.upstream.stop()
        time.sleep(1.1)
        began = time.monotonic()
        stale = self.udp("brief.test")
        self.assertLess(time.monotonic() - began, PROMPT)
        began = time.monotonic()
        unknown = self.udp("unknown.test")
        self.assertLess(time.monotonic() - began, PROMPT)
        self.assertEqual((stale.rcode(), stale.answer[0].ttl), (dns.rcode.NOERROR, 30))
        self.assertEqual(unknown.rcode(), dns.rcode.SERVFAIL)
        self.assertEqual(self.udp("web").rcode(), dns.rcode.NOERROR)

    def test_ends(self) -> None:
        """Asked to end while a name is waited for, it ends at once and well."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(
                dns.message.make_query("slow.test", "A").to_wire(), (self.host, self.port)
            )
            self.udp("web")
            began = time.monotonic()
            self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - began, 3.0)
        self.assertNotIn("Traceback", self.server.said())


class SixTests(NameServerTestCase):
    """On an IPv6 address."""

    host = "::1"

    def setUp(self) -> None:
        if not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text():
            self.skipTest("this machine has no IPv6")
        super().setUp()

    def test_both(self) -> None:
        """UDP and TCP."""
        for reply in (self.udp("web", "AAAA"), self.tcp("web", "AAAA")):
            self.assertEqual([each.address for each in reply.answer[0]], ["fd00:96::7"])


class StubTests(NameServerTestCase):
    """The C library, as every app uses it, with a search list like a pod's."""

    def getent(self, port53: str, name: str) -> list[str]:
        """The IPv4 addresses that an app gets, with a resolv.conf of its own."""
        folder = self.folder()
        resolv = folder / "resolv.conf"
        search = f"default.{FULL} {FULL} cluster.local lan"
        resolv.write_text(f"nameserver {port53}\nsearch {search}\noptions ndots:5 timeout:3\n")
        script = 'mount --bind "$1" /etc/resolv.conf && exec getent ahostsv4 "$2"'
        done = subprocess.run(
            [program("unshare", "util-linux"), "--mount", "sh", "-c", script, "sh", resolv, name],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        return sorted({line.split()[0] for line in done.stdout.splitlines()})

    def test_apps(self) -> None:
        """Every form of a name, headless and foreign names too, and no name at all."""
        if os.geteuid() != 0:
            self.skipTest("only root may listen on port 53 and replace resolv.conf for one app")
        unshare = [program("unshare", "util-linux"), "--mount", "true"]
        if subprocess.run(unshare, capture_output=True, timeout=20).returncode:
            self.skipTest("this root may not make a mount namespace")
        host = "127.53.53.53"
        self.serve("apps", "mesh", f"{host}:53", f"127.0.0.1:{self.serve('other', 'upstream')[1]}")
        before = os.stat("/etc/resolv.conf")
        for name in ("web", "web.default", "web.default.svc", f"web.default.{FULL}"):
            self.assertEqual(self.getent(host, name), ["10.96.0.7"], name)
        self.assertEqual(len(self.getent(host, "db")), 2)
        self.assertEqual(self.getent(host, "small.test"), ["192.0.2.80"])
        self.assertEqual(self.getent(host, "none.test"), [])
        self.assertEqual(os.stat("/etc/resolv.conf"), before)
