"""Tests for edgemesh.protocols.listenat."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.protocols.listenat import BACKLOG, ListenAt, endpointAt, listenAt, withBacklog


class ListenAtTests(SynchronousTestCase):
    """Server endpoint strings, before there is a reactor."""

    def test_understood(self) -> None:
        """The common kinds are understood, others passed on."""
        self.assertEqual(
            [
                listenAt("tcp:80"),
                listenAt("tcp:port=0:interface=127.0.0.1:backlog=9"),
                listenAt(r"tcp:80:interface=\:\:1"),
                listenAt("unix:/run/a.sock:mode=660"),
                listenAt("systemd:domain=INET:index=0"),
            ],
            [
                ListenAt("tcp", "", 80),
                ListenAt("tcp", "127.0.0.1", 0),
                ListenAt("tcp", "::1", 80),
                ListenAt("unix", "/run/a.sock"),
                ListenAt("systemd", "systemd:domain=INET:index=0"),
            ],
        )

    def test_refused(self) -> None:
        """What Twisted would stumble over at start is refused before."""
        for text in (
            "",
            "80",
            "127.0.0.1:80",
            "TCP:80",
            "tcp",
            "tcp:",
            "tcp:http",
            "tcp:65536",
            "tcp:-1",
            "tcp:\u0661",
            "tcp:80:127.0.0.1",
            "tcp:80:interfaces=127.0.0.1",
            "tcp:80:interface=::1",
            "unix:",
            "unix:a:modus=1",
            "unix:a:mode=rw",
            "tcp:80:backlog=many",
            "tcp:80\\",
        ):
            self.assertRaises(ValueError, listenAt, text)

    def test_backlog(self) -> None:
        """Many callers may come at once, unless the configuration says for how many to wait."""
        self.assertEqual(
            [
                withBacklog(text)
                for text in ("tcp:80", "unix:a", "tcp:80:backlog=5", "systemd:index=0")
            ],
            [
                f"tcp:80:backlog={BACKLOG}",
                f"unix:a:backlog={BACKLOG}",
                "tcp:80:backlog=5",
                "systemd:index=0",
            ],
        )

    def test_clashes(self) -> None:
        """Two cannot listen at one place; port 0 is always another one."""

        def clash(one: str, other: str) -> bool:
            found = listenAt(one).clashesWith(listenAt(other))
            self.assertEqual(found, listenAt(other).clashesWith(listenAt(one)))
            return found

        self.assertTrue(clash("tcp:80", "tcp:80"))
        self.assertTrue(clash("tcp:80", "tcp:80:interface=10.0.0.1"))
        self.assertTrue(clash("unix:/a", "unix:/a"))
        self.assertFalse(clash("tcp:80:interface=10.0.0.1", "tcp:80:interface=10.0.0.2"))
        self.assertFalse(clash("tcp:80", "tcp:81"))
        self.assertFalse(clash("tcp:0", "tcp:0"))
        self.assertFalse(clash("unix:/a", "unix:/b"))
        self.assertFalse(clash("unix:/a", "tcp:80"))

    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(st.text(alphabet="tcpunix:=\\0189./afe", max_size=20))
    def test_asTwisted(self, text: str) -> None:
        """What is accepted as TCP or UNIX, Twisted takes as well."""
        for prefix in ("tcp:", "unix:"):
            try:
                listenAt(prefix + text)
            except ValueError:
                continue
            serverFromString(MemoryReactorClock(), prefix + text)


class EndpointAtTests(SynchronousTestCase):
    """Server endpoint strings, once there is a reactor."""

    def test_made(self) -> None:
        """Making one opens nothing; listening then has room for many callers."""
        reactor = MemoryReactorClock()
        endpoint = endpointAt(reactor, "tcp:80", "admin")
        self.assertEqual(reactor.tcpServers, [])
        self.successResultOf(endpoint.listen(Factory()))
        self.assertEqual(reactor.tcpServers[0][0], 80)
        self.assertEqual(reactor.tcpServers[0][2], BACKLOG)

    def test_impossible(self) -> None:
        """Whatever is wrong with one is one line that begins with the key."""
        for text in ("pigeon:1", "ssl:1:privateKey=/nowhere", "systemd:index=9", "fd:x"):
            error = self.assertRaises(
                ConfigurationError, endpointAt, MemoryReactorClock(), text, "admin"
            )
            self.assertTrue(str(error).startswith("admin: expected "), str(error))
            self.assertIn(text, str(error))
            self.assertTrue(str(error).isprintable(), str(error))
