"""Tests for edgemesh.meta.shapes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.meta.shapes import check, shown

Small = Annotated[int, msgspec.Meta(ge=1, le=5)]
Key = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]+\Z", description="str of a to z")]


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    """Something with one of everything."""

    number: Small = 1
    share: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    word: Literal["x", "y"] = "x"
    text: str | None = None
    flag: bool = True
    either: int | str = 0
    many: list[Small] = []
    keyed: dict[Key, Small] = {}

    def __post_init__(self) -> None:
        if self.number == 4:
            raise ValueError("expected no four, found 4")


class Tree(msgspec.Struct):
    """Something with depth."""

    leaf: Leaf
    leaves: dict[str, dict[str, Leaf]] = {}


class CheckTests(SynchronousTestCase):
    """Plain values -> checked ones."""

    def line(self, value: object) -> str:
        """What is said of ``value``."""
        return str(self.assertRaises(ConfigurationError, check, value, Tree, "f"))

    def leaf(self, **keys: Any) -> str:
        """What is said of a leaf with these keys."""
        return self.line({"leaf": keys})

    def test_good(self) -> None:
        """A value that fits is made into its type; what is unknown is ignored where it may be."""
        self.assertEqual(check({"leaf": {"number": 2}, "x": 1}, Tree, "f"), Tree(Leaf(number=2)))

    def test_root(self) -> None:
        """A wrong whole has no path."""
        self.assertEqual(self.line([]), "f: expected a mapping, found a list")

    def test_missing(self) -> None:
        """A key that must be there is named."""
        self.assertEqual(self.line({}), "f: leaf: expected a mapping, found nothing")

    def test_unknown(self) -> None:
        """An unknown key is told together with those that are known."""
        self.assertEqual(
            self.leaf(nummer=1),
            "f: leaf.nummer: expected one of either, flag, keyed, many, number, share, text, word, "
            "found an unknown key",
        )

    def test_types(self) -> None:
        """Each type is told in words."""
        self.assertEqual(
            [
                self.leaf(**{key: [1, "a"]}).partition(": expected ")[2]
                for key in Leaf.__match_args__
            ],
            [
                "int from 1 to 5, found a list",
                "number above 0, found a list",
                "one of x, y, found a list",
                "str, found a list",
                "true or false, found a list",
                "int or str, found a list",
                "int from 1 to 5, found 'a'",
                "a mapping, found a list",
            ],
        )

    def test_bounds(self) -> None:
        """A number beyond its bounds is told with them."""
        self.assertEqual(self.leaf(number=9), "f: leaf.number: expected int from 1 to 5, found 9")
        self.assertIn("found a huge number", self.leaf(number=16**9_000))

    def test_index(self) -> None:
        """The wrong item of a list is named by its index."""
        self.assertIn("f: leaf.many[1]: expected", self.leaf(many=[1, 0]))

    def test_key(self) -> None:
        """The wrong member of a mapping is named by its key, however deep."""
        leaves = {"a": {"b": {}}, "c": {"d": {}, "e": {"many": [1, 2, 0]}}}
        self.assertEqual(
            self.line({"leaf": {}, "leaves": leaves}),
            "f: leaves.c.e.many[2]: expected int from 1 to 5, found 0",
        )

    def test_wrongKey(self) -> None:
        """A key that is not as keys have to be is shown."""
        self.assertEqual(
            self.leaf(keyed={"a": 1, "B": 1}),
            "f: leaf.keyed: expected keys that are str of a to z, found 'B'",
        )
        self.assertIn("expected keys that are str, found 1", self.line({"leaf": {1: 2}}))

    def test_ownRule(self) -> None:
        """A rule of the type's own is told as it is."""
        self.assertEqual(self.leaf(number=4), "f: leaf: expected no four, found 4")

    def test_path(self) -> None:
        """The path of a part begins where the part is."""
        error = self.assertRaises(ConfigurationError, check, {"flag": 1}, Leaf, "f", "a.b")
        self.assertEqual(str(error), "f: a.b.flag: expected true or false, found 1")

    def test_trap(self) -> None:
        """Who wrote off, or a number, for a text learns to quote it."""
        self.assertIn("found false (YAML reads on, off, yes and no", self.leaf(text=False))
        self.assertIn("found 5 (quote it)", self.leaf(text=5))
        self.assertNotIn("quote", self.leaf(number="5"))

    def test_oneLine(self) -> None:
        """Line breaks and the like in keys and values do not reach the log."""
        for value in (
            {"leaf": {"a\nb": 1}},
            {"leaf": {"word": "a\nb"}},
            {"leaf": {}, "leaves": {"\n": 1}},
        ):
            self.assertTrue(self.line(value).isprintable())

    def test_looksLikeMessage(self) -> None:
        """A value or key that imitates an error message is only shown."""
        self.assertIn("leaf.word: expected one of", self.leaf(word="q - at `$.leaf`"))
        self.assertIn("found an unknown key", self.leaf(**{"x` - at `$.q": 1}))

    def test_surrogate(self) -> None:
        """Text that cannot be encoded is refused."""
        self.assertIn("half a surrogate pair", self.leaf(word="\ud800"))

    plain = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["leaf", "leaves", *Leaf.__match_args__]) | st.text(max_size=2),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )

    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(plain)
    def test_anything(self, value: object) -> None:
        """Any value fits or is one line."""
        try:
            check({"leaf": value, "leaves": {"a": value}}, Tree, "f")
        except ConfigurationError as error:
            self.assertTrue(str(error).isprintable(), str(error))


class ShownTests(SynchronousTestCase):
    """Values in an error line."""

    def test_short(self) -> None:
        """Values are shown short."""
        values = [None, True, "a" * 99, 10**40, 1.5, [], {}]
        self.assertEqual(
            [shown(value) for value in values],
            ["null", "true", repr("a" * 57 + "..."), "a huge number", "1.5", "a list", "a mapping"],
        )
