"""``docs/acceptance.rst`` is complete, and the tests it names exist."""

import csv
from importlib import import_module
from itertools import chain

from twisted.trial.unittest import SynchronousTestCase

from tests.sourcetree import ROOT

#: Every row of the design.
ROWS = [
    *(f"S{number:02}" for number in range(1, 81)),
    *(f"C{number}" for number in range(1, 4)),
    *(f"K{number}" for number in range(1, 6)),
]
#: What one node without interception can show.
IN_SCOPE = {
    *("S03", "S06", "S44"),
    *(f"S{number}" for number in range(25, 42)),
    *(f"K{number}" for number in range(1, 6)),
}


def table() -> list[list[str]]:
    """The rows of all tables: number, words, tests."""
    text = (ROOT / "docs" / "acceptance.rst").read_text("utf-8")
    lines = [line.strip() for line in text.splitlines() if line[:4] in ("   S", "   C", "   K")]
    return list(csv.reader(lines, skipinitialspace=True))


def isTest(name: str) -> bool:
    """Whether a test class or test method of this full name exists."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None and (parts[-1].startswith("test") or isinstance(found, type))
    return False


class AcceptanceTests(SynchronousTestCase):
    """The table of what the design asks for."""

    def test_complete(self) -> None:
        """Every row stands there exactly once, in order, with words of its own."""
        rows = table()
        self.assertEqual([row[0] for row in rows], ROWS)
        self.assertEqual([row for row in rows if len(row) != 3 or len(row[1]) < 20], [])

    def test_testsExist(self) -> None:
        """A test that is named can be run."""
        named = chain.from_iterable(row[2].split() for row in table())
        missing = [name for name in named if name not in ("later", "open") and not isTest(name)]
        self.assertEqual(missing, [])

    def test_inScope(self) -> None:
        """What is built names its tests; what is not says ``later``."""
        unproven = {row[0] for row in table() if not row[2].startswith("tests.")}
        self.assertEqual(unproven & IN_SCOPE, set())

    def test_isTest(self) -> None:
        """A name with a mistake is noticed."""
        here = f"{__name__}.AcceptanceTests"
        self.assertTrue(isTest(here))
        self.assertTrue(isTest(f"{here}.test_isTest"))
        self.assertFalse(isTest(f"{here}.test_isTset"))
        self.assertFalse(isTest("tests.test_nowhere.Tests.test_x"))
