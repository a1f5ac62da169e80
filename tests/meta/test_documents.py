"""Tests for edgemesh.meta.documents."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.documents import MAX_ALIASED, MAX_DEPTH, decodeText, readJSON, readYAML

_fewer = settings(derandomize=True, max_examples=60, deadline=None, database=None)


class DecodeTextTests(SynchronousTestCase):
    """Bytes of a file as text."""

    def test_markSkipped(self) -> None:
        """A file that an editor began with a byte order mark is read."""
        self.assertEqual(decodeText(b"\xef\xbb\xbfa: 1", "f"), "a: 1")

    def test_notUTF8(self) -> None:
        """A file in another encoding is named, with the place of the odd byte."""
        error = self.assertRaises(ConfigurationError, decodeText, b"ab\xff", "f.yaml")
        self.assertEqual(str(error), "f.yaml: expected UTF-8 text, found byte 0xff at 2")


class ReadYAMLTests(SynchronousTestCase):
    """YAML -> plain values."""

    def refused(self, text: str) -> str:
        """The one line that is said of ``text``."""
        line = str(self.assertRaises(ConfigurationError, readYAML, text, "f.yaml"))
        self.assertTrue(line.startswith("f.yaml: "), line)
        self.assertEqual(line.splitlines(), [line])
        return line

    def test_documents(self) -> None:
        """Every document of a file counts, empty ones too."""
        self.assertEqual(readYAML("a: 1\n---\n---\n- b\n", "f"), [{"a": 1}, None, ["b"]])

    def test_dateStaysText(self) -> None:
        """A label that looks like a date is the text that was written."""
        self.assertEqual(readYAML("d: 2020-01-02", "f"), [{"d": "2020-01-02"}])

    def test_mergeKeys(self) -> None:
        """Anchors and merge keys work, and what a mapping says itself wins."""
        text = "a: &a {x: 1, y: 1}\nb: {c: &c {<<: *a, x: 2}}\nd: {<<: *c}\n"
        self.assertEqual(readYAML(text, "f")[0]["d"], {"x": 2, "y": 1})  # type: ignore[index]

    def test_duplicateKey(self) -> None:
        """A key given twice is an error with its line, however deep it is."""
        line = self.refused("a:\n  - b: 1\n    'b': 2\n")
        self.assertEqual(line, "f.yaml: line 3: expected each key once, found 'b' again")

    def test_sameKeyElsewhere(self) -> None:
        """The same key in two mappings, or as a value, is no duplicate."""
        text = "a: a\nb: {a: b, c: {a: 1}}\nd: [a, a, {a: 1}, {a: 2}]\n"
        self.assertEqual(len(readYAML(text, "f")), 1)

    def test_complexKey(self) -> None:
        """Keys that are no text are an error, and do not confuse what follows."""
        self.refused("? [a]\n: b\nc: d\n")
        self.refused("{{a: 1}: 2}")

    def test_aliasBomb(self) -> None:
        """A few lines that stand for thousands of millions of values are refused at once."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
        self.assertIn(
            f"aliases that stand for at most {MAX_ALIASED}", self.refused("\n".join(lines))
        )

    def test_aliasOfItself(self) -> None:
        """A value that contains itself is refused."""
        self.assertIn("found *a", self.refused("a: &a [*a]"))

    def test_aliasOfNothing(self) -> None:
        """An alias of another document's anchor is refused."""
        self.assertIn("found *a", self.refused("a: &a 1\n---\nb: *a"))

    def test_deep(self) -> None:
        """Deep nesting is refused before it costs time."""
        self.assertIn(f"at most {MAX_DEPTH} levels", self.refused("[" * 50_000))
        self.assertIn(f"at most {MAX_DEPTH} levels", self.refused("- " * 50_000))

    def test_deepEnough(self) -> None:
        """Nesting up to the bound is read."""
        self.assertEqual(len(readYAML("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f")), 1)

    def test_notYAML(self) -> None:
        """A slip of the pen is named with its line."""
        line = self.refused("a: 1\nb: c: d\n")
        self.assertIn("f.yaml: line 2: not YAML: mapping values are not allowed", line)

    def test_oddInput(self) -> None:
        """Tags and numbers that PyYAML itself stumbles over are one line too."""
        for text in ("!!bool maybe", "!!int ''", "0b_", "!!float x", "a: =", "\x00", "9" * 5_000):
            self.refused(text)

    def test_tags(self) -> None:
        """Nothing but plain values is made, whatever a tag asks for."""
        for tag in ("!!python/object:os.system", "!!set", "!!binary", "!!omap", "!mine"):
            self.refused(f"{tag} {{a: b}}")

    @_fewer
    @given(st.text(alphabet="ab:-[]{}&*!?|>%@'\"# \n\t<=0.~,", max_size=60))
    def test_anything(self, text: str) -> None:
        """Whatever a file contains, it is values or one line."""
        try:
            readYAML(text, "f")
        except ConfigurationError as error:
            self.assertEqual(len(str(error).splitlines()), 1)


class ReadJSONTests(SynchronousTestCase):
    """JSON -> plain values."""

    def refused(self, text: str) -> str:
        """The one line that is said of ``text``."""
        return str(self.assertRaises(ConfigurationError, readJSON, text, "f.json"))

    def test_value(self) -> None:
        """JSON is read."""
        self.assertEqual(readJSON('{"a": [1, null, true]}', "f"), {"a": [1, None, True]})

    def test_duplicateKey(self) -> None:
        """A key given twice is an error."""
        self.assertEqual(
            self.refused('{"b": 1, "a": 1, "a": 2}'),
            "f.json: expected each key once, found 'a' again",
        )

    def test_notJSON(self) -> None:
        """What is no JSON, or only Python's idea of it, is one line."""
        for text in ("", "{", "NaN", "[" * 100_000, "1" * 5_000, '{"a"', '"\\ud800"'):
            self.assertIn("not JSON: ", self.refused(text))

    @_fewer
    @given(st.text(alphabet='{}[]:,"\\u0eE+-.tfn ', max_size=60))
    def test_anything(self, text: str) -> None:
        """Whatever a file contains, it is a value or one line."""
        try:
            readJSON(text, "f")
        except ConfigurationError as error:
            self.assertEqual(len(str(error).splitlines()), 1)
