"""Tests for edgemesh.meta.reading."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.reading import Reading, addressOf

_OCTETS = ("0", "00", "1", "9", "10", "99", "127", "169", "170", "223", "224", "255", "256")


class AddressOfTests(SynchronousTestCase):
    """The address of an endpoint."""

    def test_oneSpelling(self) -> None:
        """However an address is written, it is one endpoint."""
        spelled = {
            "10.0.0.1": "10.0.0.1",
            "::ffff:10.0.0.1": "10.0.0.1",
            "2001:DB8:0::1": "2001:db8::1",
            "127.0.0.1": "127.0.0.1",
            "::1": "::1",
        }
        self.assertEqual({text: addressOf(text) for text in spelled}, spelled)

    def test_refused(self) -> None:
        """Names, and addresses that nobody can be reached at, are refused."""
        for text in (
            "",
            "web",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1:80",
            "[::1]",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "::ffff:0.0.0.0",
            "169.254.169.254",
            "::ffff:169.254.1.1",
            "fe80::1",
            "2001:db8::1%eth0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ):
            self.assertRaises(ValueError, addressOf, text)

    @settings(derandomize=True, max_examples=200, deadline=None, database=None)
    @given(st.lists(st.sampled_from(_OCTETS), max_size=5))
    def test_shortcut(self, octets: list[str]) -> None:
        """An IPv4 address is taken or refused as the standard library says."""
        text = ".".join(octets)
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            self.assertRaises(ValueError, addressOf, text)
            return
        if address.is_multicast or address.is_link_local or octets[0] == "0" or address.is_reserved:
            return
        self.assertEqual(addressOf(text), str(address))

    @settings(derandomize=True, max_examples=60, deadline=None, database=None)
    @given(st.ip_addresses() | st.text(alphabet="0123456789abcdef:.%", max_size=20))
    def test_anything(self, text: object) -> None:
        """Any text is refused, or an address that is its own spelling."""
        try:
            spelled = addressOf(str(text))
        except ValueError:
            return
        self.assertEqual(spelled, addressOf(spelled))
        self.assertFalse(ipaddress.ip_address(spelled).is_multicast)


class ReadingTests(SynchronousTestCase):
    """One object that is being read."""

    def setUp(self) -> None:
        self.at = Reading("Service web.default", "f: document 1, Service web.default", {}, [])

    def test_wrong(self) -> None:
        """An error names file, document, object, key, expected and found."""
        self.assertEqual(
            str(self.at.wrong("a.b", "more", None)),
            "f: document 1, Service web.default: a.b: expected more, found null",
        )

    def test_address(self) -> None:
        """A wrong address is such an error."""
        error = self.assertRaises(ConfigurationError, self.at.address, "x", "a[0]")
        self.assertIn(
            "a[0]: expected an IP address that an endpoint can have, found 'x'", str(error)
        )

    def test_problems(self) -> None:
        """Several problems of one object are one line."""
        self.at.problem("one")
        self.at.problem("two")
        self.assertEqual(self.at.problems, {"Service web.default": "one; two"})

    def test_tcpOnly(self) -> None:
        """Ports of other transports are left out, with a note."""
        self.assertEqual([self.at.tcpOnly(t, 5) for t in (None, "TCP", "UDP")], [True, True, False])
        self.assertEqual(self.at.notes, ["Service web.default: UDP port 5 is not served"])
