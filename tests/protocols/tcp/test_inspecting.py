"""Tests of edgemesh/protocols/tcp/inspecting.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import RATE_LIMITED
from edgemesh.protocols.tcp.inspecting import RefusedInStream


class RefusedInStreamTests(SynchronousTestCase):
    """A plugin says in one exception all that happens next."""

    def test_parts(self) -> None:
        """It names what still goes out, what the caller hears, and the reason."""
        refused = RefusedInStream(b"GET\r\n", b"-ERR\r\n", RATE_LIMITED)
        self.assertEqual((refused.forward, refused.reply), (b"GET\r\n", b"-ERR\r\n"))
        self.assertIs(refused.failure, RATE_LIMITED)
        self.assertEqual(str(refused), "RL")
