"""
A great many messages that nobody wrote: refused, or read alike by everybody.

``EDGEMESH_MUTATIONS`` says how many; the default is a tenth of what continuous
integration takes, so that it costs a few seconds.
"""

import os
from collections.abc import Callable, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.corpus import Vector, requests, responses
from tests.conformance.judging import judgeRequests, judgeResponses
from tests.conformance.mutations import mutations
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import Forwarded, RequestPassage, ResponsePassage, whole

COUNT = int(os.environ.get("EDGEMESH_MUTATIONS", "20000"))
#: A quarter are answers.
_ANSWERS = COUNT // 4
_SHOWN = 10

Judged = list[Forwarded]


def request(data: bytes) -> Judged:
    """Judge what is forwarded of some bytes from a caller."""
    passage = RequestPassage.of(whole(data))
    judgeRequests(passage)
    return passage.messages


def answer(method: bytes, caller: int) -> Callable[[bytes], Judged]:
    """Judge what is forwarded of some bytes from an endpoint."""

    def judge(data: bytes) -> Judged:
        passage = ResponsePassage.of(whole(data), method, caller)
        judgeResponses(passage, method)
        return passage.messages

    return judge


def seeds(vectors: Sequence[Vector]) -> list[bytes]:
    """The corpus; what goes on as it is comes five times, or hardly anything would."""
    valid = [vector.data for vector in vectors if set(vector.expect) <= {"forward", "interim"}]
    return [vector.data for vector in vectors] + 4 * valid


class MutationTests(SynchronousTestCase):
    """Mutations of the corpus."""

    def agreement(self, inputs: Iterable[bytes], judge: Callable[[bytes], Judged]) -> None:
        """Everything is read alike; and enough goes on for that to mean something."""
        wrong = []
        tried = whole = 0
        for data in inputs:
            tried += 1
            try:
                whole += any(message.complete for message in judge(data))
            except Disagreement as disagreement:
                wrong.append(f"{data!r}: {disagreement}")
        self.assertEqual("\n".join(wrong[:_SHOWN]), "")
        self.assertGreater(whole, tried // 10)

    def test_requests(self) -> None:
        """Whatever a caller sends, nobody behind the mesh reads it differently."""
        self.agreement(mutations(seeds(requests()), COUNT - _ANSWERS, 1), request)

    def test_answers(self) -> None:
        """Whatever an endpoint answers, no caller reads it differently."""
        self.agreement(mutations(seeds(responses()), _ANSWERS // 2, 2), answer(b"GET", 1))

    def test_answersToHead(self) -> None:
        """Neither when it answers HEAD."""
        self.agreement(mutations(seeds(responses()), _ANSWERS // 4, 3), answer(b"HEAD", 1))

    def test_answersToOldCallers(self) -> None:
        """Nor when the caller speaks HTTP/1.0."""
        self.agreement(mutations(seeds(responses()), _ANSWERS // 4, 4), answer(b"GET", 0))

    def test_sameEveryTime(self) -> None:
        """A mutation that was found wrong once is there again."""
        once, again = (list(mutations(seeds(requests()), 200, 1)) for _ in range(2))
        self.assertEqual(once, again)
        self.assertGreater(len(set(once)), 190)
