"""Names of addresses."""

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.reverse import addressOf, written


class ReverseTests(SynchronousTestCase):
    """``in-addr.arpa`` and ``ip6.arpa``."""

    @settings(derandomize=True, max_examples=50, deadline=None)
    @given(st.ip_addresses())
    def test_everyAddress(self, address: object) -> None:
        """The reverse name of every address is understood."""
        pointer = ip_address(str(address)).reverse_pointer
        self.assertEqual(addressOf(tuple(pointer.split("."))), str(address))

    def test_others(self) -> None:
        """Parts of a reverse name, and mistakes, stand for nothing."""
        for name in (
            "arpa", "in-addr.arpa", "10.in-addr.arpa", "1.2.3.256.in-addr.arpa",
            "01.2.3.4.in-addr.arpa", "0.1.2.3.4.in-addr.arpa", "1.ip6.arpa", "x.2.3.4.in-addr.arpa",
            ".".join(["10"] * 32) + ".ip6.arpa", "+1.2.3.4.in-addr.arpa",
        ):  # fmt: skip
            self.assertEqual(addressOf(tuple(name.split("."))), "", name)

    def test_written(self) -> None:
        """Every spelling of an address is the same one."""
        self.assertEqual((written("FD00:0::7"), written("")), ("fd00::7", ""))
