"""Tests of what the README promises, as far as reading can tell."""

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT

_README = (ROOT / "README.rst").read_text("utf-8")
_LINKS = re.compile(r"`[^`<]+ <([^>`]+)>`_")
_TARGETS = re.compile(r"^([a-z]+):", re.MULTILINE)


def blocks(language: str) -> list[str]:
    """The code blocks in one language, without their indentation."""
    found = re.findall(rf"\.\. code:: {language}\n\n((?:    .*\n|\n)+)", _README)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() + "\n" for block in found]


class ReadmeTests(SynchronousTestCase):
    """``README.rst``."""

    def test_service(self) -> None:
        """The service that is shown is the one that ``edgemesh init`` writes."""
        starter = ROOT / "edgemesh" / "starter" / "services.d" / "hello.yaml"
        self.assertEqual(blocks("yaml"), [starter.read_text("utf-8")])

    def test_makeTargets(self) -> None:
        """What is to be made can be made."""
        targets = _TARGETS.findall((ROOT / "Makefile").read_text("utf-8"))
        asked = re.findall(r"^make (\w+)$", blocks("sh")[0], re.MULTILINE)
        self.assertEqual(asked, ["demo", "test"])
        self.assertLessEqual(set(asked), set(targets))

    def test_links(self) -> None:
        """Every file that is pointed to exists."""
        named = _LINKS.findall(_README) + re.findall(r"^``([\w./]+)``  ", _README, re.MULTILINE)
        missing = [name for name in named if "://" not in name and not (ROOT / name).exists()]
        self.assertGreater(len(named), 5)
        self.assertEqual(missing, [])

    def test_oneSentenceALine(self) -> None:
        """Lines of prose are whole sentences, so that a change shows what it changes."""
        broken = [
            line
            for line in _README.splitlines()
            if re.search(r"[a-z]\. [A-Z]", line) and not line.startswith((" ", "*", "Licence"))
        ]
        self.assertEqual(broken, [])
