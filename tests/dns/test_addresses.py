"""Addresses of name servers."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.addresses import Address, callerAt, nameServersIn, readAddress


class ReadAddressTests(SynchronousTestCase):
    """How people write them."""

    def test_forms(self) -> None:
        """Port 53 is meant when none is named."""
        forms = {
            "10.0.0.1": Address("10.0.0.1", 53),
            "10.0.0.1:5353": Address("10.0.0.1", 5353),
            "[::1]": Address("::1", 53),
            "[fd00::1]:0": Address("fd00::1", 0),
        }
        self.assertEqual({text: readAddress(text) for text in forms}, forms)

    def test_readable(self) -> None:
        """What is shown can be written in the configuration."""
        for text in ("10.0.0.1:5353", "[::1]:53"):
            self.assertEqual(str(readAddress(text)), text)

    def test_wrong(self) -> None:
        """A mistake is named."""
        for text in (
            "",
            "dns.test",
            "10.0.0.1:",
            "10.0.0.1:70000",
            "::1",
            "[10.0.0.1]",
            "[::1",
            "1.2.3:5",
        ):
            with self.assertRaisesRegex(ValueError, "expected an address such as"):
                readAddress(text)


class NameServersTests(SynchronousTestCase):
    """resolv.conf."""

    TEXT = """
# nameserver 192.0.2.9
; nameserver 192.0.2.8
search lan
nameserver 192.0.2.1
nameserver\t2001:db8::1 # main
nameserver fe80::1%eth0
nameserver 192.0.2.1
nameserver broken
options ndots:5
"""

    def test_order(self) -> None:
        """Each is taken once, in order; comments and mistakes are passed over."""
        hosts = [each.host for each in nameServersIn(self.TEXT)]
        self.assertEqual(hosts, ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"])

    def test_ours(self) -> None:
        """A name server does not ask itself."""
        ours = [Address("192.0.2.1", 53)]
        self.assertNotIn(ours[0], nameServersIn(self.TEXT, ours))


class CallerTests(SynchronousTestCase):
    """Who asked."""

    def test_mapped(self) -> None:
        """An IPv4 caller is the same on a socket for both versions of IP."""
        told = [callerAt(host) for host in ("::ffff:10.0.0.1", "10.0.0.1", "fd00::1")]
        self.assertEqual(told, ["10.0.0.1", "10.0.0.1", "fd00::1"])
