"""
The corpus through the whole node: what really reaches an endpoint and a caller.

What the parser alone lets pass is known from ``passage``; here the bytes are those
of the transports, and the verdicts are the statuses that callers get.
"""

from collections.abc import Callable, Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.conversations import answer, ask, asSent, split, statuses
from tests.conformance.corpus import Vector, Verdict, requests, responses
from tests.conformance.judging import judgeRequests, judgeResponses
from tests.conformance.mutations import COUNT, mutations, weighted
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import RequestPassage, ResponsePassage, byteByByte, whole

#: Through the whole node they take longer.
_MUTATIONS = COUNT // 40
#: One byte at a time is slow here.
_SHORT = 150

Cut = Callable[[bytes], Iterable[bytes]]


def statusOf(verdict: Verdict) -> list[int]:
    """The status a caller gets for a request with this verdict."""
    if isinstance(verdict, int):
        return [verdict]
    return {"forward": [200], "tunnel": [405], "more": []}[verdict]


def judgeAsked(vector: Vector, cut: Cut) -> None:
    """Send a request through the node; see that all is as it should be."""
    heard = ask(cut(vector.data))
    expected = [status for verdict in vector.expect for status in statusOf(verdict)]
    if statuses(heard.answers) != expected:
        raise Disagreement(f"answered {statuses(heard.answers)}, not {expected}")
    passage = RequestPassage.of(cut(vector.data))
    parts = [message for message in passage.messages if not message.complete]
    sent = asSent([m for m in passage.messages if m.complete], heard.requests)
    # Nothing of a request leaves when its first segment is malformed already.
    passage.messages = sent + (asSent(parts, [heard.rest]) if heard.rest else [])
    judgeRequests(passage)


def judgeAnswered(vector: Vector, cut: Cut) -> None:
    """Send an answer through the node; see that all is as it should be."""
    heard = answer(vector, cut(vector.data))
    passage = ResponsePassage.of(cut(vector.data), vector.method, vector.caller)
    refused = [verdict for verdict in vector.expect if isinstance(verdict, int)]
    if "broken" in vector.expect and not heard.reset:
        # Nothing of it had left when it was found out.
        passage.messages.pop()
        refused = [502]
    if heard.reset != any(not message.complete for message in passage.messages):
        raise Disagreement(f"reset: {heard.reset}")
    passage.messages, rest = split(passage.messages, heard.answers)
    if statuses(rest) != refused:
        raise Disagreement(f"{rest!r} follows, not {refused}")
    judgeResponses(passage, vector.method)


class NodeTests(SynchronousTestCase):
    """The corpus through a node."""

    def verdicts(
        self, vectors: Sequence[Vector], judge: Callable[[Vector, Cut], None], cut: Cut
    ) -> dict[str, str]:
        """Every vector that goes wrong, and why."""
        wrong = {}
        for vector in vectors:
            try:
                judge(vector, cut)
            except Disagreement as disagreement:
                wrong[vector.name] = str(disagreement)
        return wrong

    def test_requests(self) -> None:
        """Callers get the status that is due; endpoints get what everybody reads alike."""
        self.assertEqual(self.verdicts(requests(), judgeAsked, whole), {})

    def test_requestsByteByByte(self) -> None:
        """The same when every byte comes by itself."""
        short = [vector for vector in requests() if len(vector.data) <= _SHORT]
        self.assertEqual(self.verdicts(short, judgeAsked, byteByByte), {})

    def test_answers(self) -> None:
        """Callers get an answer everybody reads alike, a 502, or a reset."""
        self.assertEqual(self.verdicts(responses(), judgeAnswered, whole), {})

    def test_answersByteByByte(self) -> None:
        """The same when every byte comes by itself."""
        short = [vector for vector in responses() if len(vector.data) <= _SHORT]
        self.assertEqual(self.verdicts(short, judgeAnswered, byteByByte), {})

    def test_mutatedRequests(self) -> None:
        """What nobody wrote fares like what the parser alone makes of it."""
        made = []
        for data in mutations(weighted(requests()), _MUTATIONS, 5):
            verdicts = tuple(RequestPassage.of(whole(data)).verdicts)
            made.append(Vector(repr(data), "ours", verdicts, data))
        self.assertEqual(self.verdicts(made, judgeAsked, whole), {})

    def test_mutatedAnswers(self) -> None:
        """The same of answers."""
        made = []
        for data in mutations(weighted(responses()), _MUTATIONS, 6):
            verdicts = tuple(ResponsePassage.of(whole(data)).verdicts)
            made.append(Vector(repr(data), "ours", verdicts, data))
        self.assertEqual(self.verdicts(made, judgeAnswered, whole), {})
