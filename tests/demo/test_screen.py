"""Tests of edgemesh.demo.screen."""

from __future__ import annotations

import io
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.promises import Promise
from edgemesh.demo.screen import Screen, Tone
from tests.demo.samples import ANSWER, REFUSED, STOPPED, call


class Output(io.TextIOWrapper):
    """Where a screen writes to, as bytes."""

    def __init__(self, encoding: str, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def shown(self) -> list[str]:
        """The lines so far."""
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding).splitlines()


def table(output: Output, environ: dict[str, str] | None = None) -> list[str]:
    """A table with one answered and one refused call."""
    screen = Screen(output, environ or {})
    screen.header()
    screen.calls([call(1), call(2, REFUSED, STOPPED)])
    return output.shown()


class TableTests(SynchronousTestCase):
    """Rows and columns."""

    def test_row(self) -> None:
        """A row has the call's number, hops, instance, status and time."""
        row = table(Output("utf-8"))[2]
        cells = [cell.strip() for cell in row.split("│")]
        way = "router→LB→QPS→Biz keeper"
        self.assertEqual(cells, ["1", way, "QPS", "b-1", "200", "", "1.2"])

    def test_refused(self) -> None:
        """A refused call shows where it ended, why, and that no instance answered."""
        cells = [cell.strip() for cell in table(Output("utf-8"))[3].split("│")]
        self.assertEqual(cells, ["2", "router→LB→QPS", "", "none", "429", "RL", "1.2"])

    def test_aligned(self) -> None:
        """Columns stand below each other."""
        header, rule, *rows = table(Output("utf-8"))
        places = [i for i, character in enumerate(header) if character == "│"]
        self.assertEqual(places, [i for i, character in enumerate(rule) if character == "┼"])
        for row in rows:
            self.assertEqual(places, [i for i, character in enumerate(row) if character == "│"])

    def test_width(self) -> None:
        """It fits into 80 columns, with large numbers too."""
        output = Output("utf-8")
        screen = Screen(output, {})
        screen.header()
        screen.calls([call(9999, replace(ANSWER, milliseconds=12345.6))])
        self.assertLessEqual(max(map(len, output.shown())), 80)

    def test_groups(self) -> None:
        """Calls that went and ended alike share a row with their number and median time."""
        output = Output("utf-8")
        slow = replace(ANSWER, milliseconds=9.0)
        calls = [call(1), call(2, REFUSED, STOPPED), call(3, slow), call(4, slow)]
        Screen(output, {}).groups(calls)
        rows = [[cell.strip() for cell in row.split("│")] for row in output.shown()]
        self.assertEqual([(row[0], row[4], row[6]) for row in rows[:1]], [("3 x", "200", "9.0")])
        self.assertEqual([(row[0], row[4]) for row in rows[1:]], [("1 x", "429")])


class LookTests(SynchronousTestCase):
    """Colours and characters."""

    def test_plainFile(self) -> None:
        """What goes to a file or pipe has no colours."""
        self.assertNotIn("\x1b", "".join(table(Output("utf-8"))))

    def test_terminal(self) -> None:
        """On a terminal a good status is green, a refused one yellow."""
        rows = table(Output("utf-8", terminal=True))
        self.assertIn("\x1b[32m200", rows[2])
        self.assertIn("\x1b[33m429", rows[3])

    def test_noColour(self) -> None:
        """``NO_COLOR`` and dumb terminals are respected."""
        for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\x1b", "".join(table(Output("utf-8", terminal=True), environ)))

    def test_ascii(self) -> None:
        """Where only ASCII can be shown the table is as wide and as aligned."""
        rows = table(Output("ascii"))
        self.assertIn("router>LB>QPS>Biz keeper", rows[2])
        self.assertEqual([len(row) for row in rows], [len(row) for row in table(Output("utf-8"))])

    def test_otherEncodings(self) -> None:
        """Latin-1 terminals get ASCII, not question marks or a traceback."""
        output = Output("latin-1")
        Screen(output, {}).promise(Promise(True, "kept → shown"))
        self.assertEqual(output.shown(), [" ok kept > shown"])

    def test_promises(self) -> None:
        """A broken promise looks different from a kept one."""
        output = Output("utf-8", terminal=True)
        screen = Screen(output, {})
        screen.promise(Promise(True, "this"))
        screen.promise(Promise(False, "that"))
        kept, broken = output.shown()
        self.assertIn("✓", kept)
        self.assertIn("✗", broken)

    def test_tones(self) -> None:
        """A line is painted as a whole and set back at its end."""
        output = Output("utf-8", terminal=True)
        Screen(output, {}).line("done", Tone.GOOD)
        self.assertEqual(output.shown(), ["\x1b[32mdone\x1b[0m"])
