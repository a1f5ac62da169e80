"""Tests for edgemesh.protocols.limits."""

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.limits import Limits


class LimitsTests(SynchronousTestCase):
    """Sizes and times that protect the node."""

    def test_positive(self) -> None:
        """No limit can be switched off by zero, or turned around."""
        for name in Limits.__struct_fields__:
            for wrong in (0, -1, None):
                self.assertRaises(msgspec.ValidationError, msgspec.convert, {name: wrong}, Limits)

    def test_unknown(self) -> None:
        """A limit that does not exist is refused rather than ignored."""
        self.assertRaises(msgspec.ValidationError, msgspec.convert, {"heads": 1}, Limits)
