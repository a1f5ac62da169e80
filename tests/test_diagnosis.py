"""Tests of edgemesh.diagnosis."""

import io
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.cli import init
from edgemesh.diagnosis import problems


class ProblemsTests(SynchronousTestCase):
    """:func:`~edgemesh.diagnosis.problems`."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        init(self.folder, io.StringIO(), io.StringIO())
        self.file = self.folder / "edgemesh.yaml"
        self.add(f"manifests: {self.folder}/services.d", "manifests: services.d")

    def add(self, text: str, instead: str = "") -> None:
        """Change the configuration."""
        former = self.file.read_text()
        self.file.write_text(former.replace(instead, text) if instead else f"{former}{text}\n")

    def found(self) -> list[str]:
        """The problems of the configuration as it is now."""
        return problems(str(self.file), {"HOME": str(self.folder)}, MemoryReactorClock())

    def assertNamed(self, *words: str) -> None:
        """There is one problem, told in one line with all of these words."""
        (line,) = self.found()
        self.assertNotIn("\n", line)
        for word in words:
            self.assertIn(word, line)

    def test_none(self) -> None:
        """What ``edgemesh init`` writes is right."""
        self.assertEqual(self.found(), [])

    def test_configuration(self) -> None:
        """A mistake in the configuration is named as at start-up."""
        self.add("listners: []")
        self.assertNamed(str(self.file), "listners")

    def test_everyMissingPlugin(self) -> None:
        """All plugins that are missing are named at once, not one after the other."""
        self.add("protocols: [gopher, finger, tcp]")
        self.assertEqual(["gopher" in line for line in self.found()], [True, False])
        self.assertEqual(["finger" in line for line in self.found()], [False, True])

    def test_brokenManifest(self) -> None:
        """A file that cannot be used is named with what is wrong in it."""
        (self.folder / "services.d" / "bad.yaml").write_text("kind: Service\nspec: 5\n")
        self.assertNamed("services.d", "bad.yaml")

    def test_noFolder(self) -> None:
        """A folder that is not there is named; the policies' Services are missing with it."""
        self.add("manifests: /nowhere", f"manifests: {self.folder}/services.d")
        self.assertIn("/nowhere", self.found()[0])

    def test_unknownListenerService(self) -> None:
        """A listener of a Service that nobody described is named."""
        self.add("  - listen: tcp:18080\n    service: shop:80\n\nadmin:", "\nadmin:")
        self.assertNamed("listeners[1].service", "shop")

    def test_unknownListenerPort(self) -> None:
        """A port that the Service does not have, or one that must be said, is named."""
        self.add("  - listen: tcp:18080\n    service: hello:8080\n\nadmin:", "\nadmin:")
        self.assertNamed("listeners[1].service", "hello:8080", "80")

    def test_portByName(self) -> None:
        """A listener's port may be a name, or left out where there is one only."""
        (self.folder / "services.d" / "hello.yaml").write_text(
            "{apiVersion: v1, kind: Service, metadata: {name: hello}, "
            "spec: {ports: [{port: 80, name: web}, {port: 81, name: admin}]}}"
        )
        self.add("  - listen: tcp:18080\n    service: hello:admin\n\nadmin:", "\nadmin:")
        self.assertEqual(self.found(), [])
        self.add("hello.default.svc", "hello:admin")
        self.assertNamed("listeners[1].service", "hello.default.svc", "80, 81")

    def test_impossibleEndpoint(self) -> None:
        """An address that this machine cannot have is named as at start-up."""
        self.add("admin: ssl:18080:privateKey=/nowhere\n#", "admin:")
        self.assertNamed(str(self.file), "admin: expected", "ssl:18080")

    def test_beforeTheFirstStart(self) -> None:
        """A folder of services that the first start will make is not missed."""
        self.file.write_text(f"state: {self.folder}/state\n")
        self.assertEqual(self.found(), [])

    def test_unknownPolicyService(self) -> None:
        """A policy for a Service that nobody described is named: it is a typing mistake."""
        self.add("  helo.default: {retries: false}")
        self.assertNamed("policies.helo.default")
