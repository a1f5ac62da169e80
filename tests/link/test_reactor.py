"""Tests for :mod:`edgemesh.link.reactor`."""

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.link.reactor import LinkReactor

ASKED = [name for name in vars(LinkReactor) if not name.startswith("_")]


class LinkReactorTests(SynchronousTestCase):
    """What links ask of a reactor."""

    def test_everyReactor(self) -> None:
        """Every reactor of this system can carry links."""
        self.assertIn("addWriter", ASKED)
        for reactor in (EPollReactor, PollReactor, SelectReactor, AsyncioSelectorReactor):
            self.assertEqual([name for name in ASKED if not hasattr(reactor, name)], [])
