"""Tests for edgemesh.meta.model."""

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta.model import Metadata, Service, portKey


class ModelTests(SynchronousTestCase):
    """The values that everybody shares."""

    def test_portKey(self) -> None:
        """A service port is written as people write it."""
        self.assertEqual(portKey("default", "web", 80), "web.default:80")

    def test_frozen(self) -> None:
        """Nobody can change what others are reading."""
        with self.assertRaises(FrozenInstanceError):
            Service("default", "web", ()).name = "other"  # type: ignore[misc]

    def test_ownMappings(self) -> None:
        """Two empty values share nothing."""
        self.assertIsNot(Metadata().services, Metadata().services)
