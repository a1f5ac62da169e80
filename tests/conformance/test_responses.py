"""Hostile answers: refused, visibly cut off, or read alike by everybody."""

from collections.abc import Callable, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.corpus import Vector, responses
from tests.conformance.judging import judgeResponses
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import ResponsePassage, byteByByte, whole

_SHORT = 2_000


def passage(vector: Vector, cut: Callable[[bytes], Iterable[bytes]]) -> ResponsePassage:
    """What becomes of one vector."""
    return ResponsePassage.of(cut(vector.data), vector.method, vector.caller)


def disagreements(
    vectors: Sequence[Vector], cut: Callable[[bytes], Iterable[bytes]]
) -> dict[str, str]:
    """Every vector that is not read alike, and why."""
    found = {}
    for vector in vectors:
        try:
            judgeResponses(passage(vector, cut), vector.method)
        except Disagreement as disagreement:
            found[vector.name] = str(disagreement)
    return found


class ResponseTests(SynchronousTestCase):
    """Every answer of the corpus."""

    def test_corpus(self) -> None:
        """There are at least sixty hostile answers, each of them once."""
        vectors = responses()
        distinct = {(vector.data, vector.method, vector.caller) for vector in vectors}
        self.assertGreaterEqual(len(distinct), 60)
        self.assertEqual(len({vector.name for vector in vectors}), len(vectors))

    def test_verdicts(self) -> None:
        """Each answer goes on, is refused or is cut off as is due."""
        found = {v.name: tuple(passage(v, whole).verdicts) for v in responses()}
        self.assertEqual(found, {v.name: v.expect for v in responses()})

    def test_byteByByte(self) -> None:
        """The verdict does not depend on how the network cuts the bytes."""
        short = [v for v in responses() if len(v.data) <= _SHORT]
        found = {v.name: tuple(passage(v, byteByByte).verdicts) for v in short}
        self.assertEqual(found, {v.name: v.expect for v in short})

    def test_agreement(self) -> None:
        """h11 and llhttp read what goes on as we do, to the byte."""
        self.assertEqual(disagreements(responses(), whole), {})

    def test_agreementByteByByte(self) -> None:
        """The same when the bytes come one by one."""
        short = [v for v in responses() if len(v.data) <= _SHORT]
        self.assertEqual(disagreements(short, byteByByte), {})
