"""Hostile requests: refused, or read alike by everybody."""

from collections.abc import Callable, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.corpus import Vector, requests
from tests.conformance.judging import judgeRequests
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import RequestPassage, byteByByte, whole

#: Beyond this many bytes, one at a time takes long and shows nothing new.
_SHORT = 2_000


def disagreements(
    vectors: Sequence[Vector], cut: Callable[[bytes], Iterable[bytes]]
) -> dict[str, str]:
    """Every vector that is not read alike, and why."""
    found = {}
    for vector in vectors:
        try:
            judgeRequests(RequestPassage.of(cut(vector.data)))
        except Disagreement as disagreement:
            found[vector.name] = str(disagreement)
    return found


class RequestTests(SynchronousTestCase):
    """Every request of the corpus."""

    def test_corpus(self) -> None:
        """There are at least two hundred hostile requests, each of them once."""
        vectors = requests()
        self.assertGreaterEqual(len({vector.data for vector in vectors}), 200)
        self.assertEqual(len({vector.name for vector in vectors}), len(vectors))

    def test_verdicts(self) -> None:
        """Each request goes on or is refused with the status that is due."""
        found = {v.name: tuple(RequestPassage.of(whole(v.data)).verdicts) for v in requests()}
        self.assertEqual(found, {v.name: v.expect for v in requests()})

    def test_byteByByte(self) -> None:
        """The verdict does not depend on how the network cuts the bytes."""
        short = [v for v in requests() if len(v.data) <= _SHORT]
        found = {v.name: tuple(RequestPassage.of(byteByByte(v.data)).verdicts) for v in short}
        self.assertEqual(found, {v.name: v.expect for v in short})

    def test_agreement(self) -> None:
        """h11 and llhttp read what goes on as we do, to the byte."""
        self.assertEqual(disagreements(requests(), whole), {})

    def test_agreementByteByByte(self) -> None:
        """The same when the bytes come one by one."""
        short = [v for v in requests() if len(v.data) <= _SHORT]
        self.assertEqual(disagreements(short, byteByByte), {})
