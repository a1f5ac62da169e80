"""A great many messages that nobody wrote: refused, or read alike by everybody."""

from collections.abc import Callable, Iterable

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.corpus import requests, responses
from tests.conformance.judging import judgeRequests, judgeResponses
from tests.conformance.mutations import COUNT, mutations, weighted
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import Forwarded, RequestPassage, ResponsePassage, whole

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
        self.agreement(mutations(weighted(requests()), COUNT - _ANSWERS, 1), request)

    def test_answers(self) -> None:
        """Whatever an endpoint answers, no caller reads it differently."""
        self.agreement(mutations(weighted(responses()), _ANSWERS // 2, 2), answer(b"GET", 1))

    def test_answersToHead(self) -> None:
        """Neither when it answers HEAD."""
        self.agreement(mutations(weighted(responses()), _ANSWERS // 4, 3), answer(b"HEAD", 1))

    def test_answersToOldCallers(self) -> None:
        """Nor when the caller speaks HTTP/1.0."""
        self.agreement(mutations(weighted(responses()), _ANSWERS // 4, 4), answer(b"GET", 0))

    def test_sameEveryTime(self) -> None:
        """A mutation that was found wrong once is there again."""
        once, again = (list(mutations(weighted(requests()), 200, 1)) for _ in range(2))
        self.assertEqual(once, again)
        self.assertGreater(len(set(once)), 190)
