"""Tests for edgemesh.meta.kinds."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.meta import kinds


class NameTests(SynchronousTestCase):
    """Which names Kubernetes lets objects have."""

    def accepted(self, kind: Any, text: str) -> bool:
        """Whether ``text`` is a name of this kind."""
        try:
            msgspec.convert(text, kind)
        except msgspec.ValidationError:
            return False
        return True

    def test_label(self) -> None:
        """One part of a DNS name: no dots, at most 63, no line break at the end."""
        good = ("a", "web-1", "0", "a" * 63)
        bad = ("", "A", "-a", "a-", "a.b", "a" * 64, "a\n", "a_b", "\xe9")
        for text in good + bad:
            self.assertEqual(self.accepted(kinds.Label, text), text in good, text)

    def test_name(self) -> None:
        """A whole DNS name: parts with dots between, at most 253."""
        good = ("a", "node-1.example.com", ".".join(["a" * 60] * 4))
        bad = ("", "a..b", ".a", "a.", "a.-b", ".".join(["a" * 63] * 4), "a.b\n")
        for text in good + bad:
            self.assertEqual(self.accepted(kinds.Name, text), text in good, text)


class LenienceTests(SynchronousTestCase):
    """What other versions of Kubernetes may write."""

    def test_unknownFields(self) -> None:
        """Fields that are not used are ignored, whatever is in them."""
        raw = {"metadata": {"name": "a", "uid": 5}, "status": {"x": []}, "spec": {"y": 1}}
        self.assertEqual(msgspec.convert(raw, kinds.Service).metadata.name, "a")

    def test_nulls(self) -> None:
        """Everything that may be left out may be null."""
        raw = {"metadata": {"name": "a", "labels": None}, "spec": None, "status": None}
        self.assertEqual(msgspec.convert(raw, kinds.Pod), kinds.Pod(kinds.About("a")))
