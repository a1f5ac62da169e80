"""Tests of edgemesh.state."""

from pathlib import Path

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.state import StateDirectory


class StateDirectoryTests(SynchronousTestCase):
    """:class:`~edgemesh.state.StateDirectory`."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.state = self.home / "state" / "edgemesh"

    def start(self, manifests: Path) -> None:
        """Start the service."""
        StateDirectory(str(self.state), str(manifests)).startService()

    def test_firstStart(self) -> None:
        """A new user finds a folder to put services into; nobody else may look at the state."""
        self.start(self.state / "services.d")
        self.assertTrue((self.state / "services.d").is_dir())
        self.assertEqual(self.state.stat().st_mode & 0o777, 0o700)

    def test_asItIs(self) -> None:
        """What is there already stays as it is."""
        self.state.mkdir(0o755, parents=True)
        self.state.chmod(0o755)
        self.start(self.state / "services.d")
        self.assertEqual(self.state.stat().st_mode & 0o777, 0o755)

    def test_elsewhere(self) -> None:
        """A folder of services that the user has chosen is the user's to make."""
        self.start(self.home / "conf")
        self.assertTrue(self.state.is_dir())
        self.assertFalse((self.home / "conf").exists())

    def test_impossible(self) -> None:
        """Where the state cannot be, the log says so and calls go on."""
        (self.home / "state").write_text("a file")
        lines: list[str] = []

        def observe(event: object) -> None:
            lines.append(str(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.start(self.state / "services.d")
        (line,) = lines
        self.assertIn(str(self.state), line)
