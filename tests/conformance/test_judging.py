"""The judges themselves: what they must not let pass."""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.judging import judgeRequests, judgeResponses
from tests.conformance.oracles import Disagreement
from tests.conformance.passage import Forwarded, RequestPassage, ResponsePassage

Start = tuple[bytes, ...]


def asks(head: bytes, body: bytes = b"", payload: bytes = b"", complete: bool = True) -> None:
    """Judge a request that we believe to be a POST to / with this payload."""
    passage = RequestPassage()
    passage.messages.append(Forwarded((b"POST", b"/"), head, body, payload, complete))
    judgeRequests(passage)


def answers(head: bytes, body: bytes = b"", payload: bytes = b"", complete: bool = True) -> None:
    """Judge an answer that we believe to be a 200 with this payload."""
    passage = ResponsePassage(b"GET", 1)
    passage.messages.append(Forwarded((b"200",), head, body, payload, complete))
    judgeResponses(passage, b"GET")


class JudgingTests(SynchronousTestCase):
    """Had the mesh let it pass, somebody would say so."""

    def fields(self, *lines: bytes) -> bytes:
        """The head of a POST to / with these lines."""
        return b"\r\n".join((b"POST / HTTP/1.1", b"Host: b", *lines, b"", b""))

    def answer(self, *lines: bytes) -> bytes:
        """The head of a 200 with these lines."""
        return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", b""))

    def assertNoticed(self, judge: Callable[..., None], *case: object) -> None:
        """Somebody reads this otherwise."""
        self.assertRaises(Disagreement, judge, *case)

    def test_good(self) -> None:
        """What is read alike passes."""
        asks(self.fields())
        asks(self.fields(b"Content-Length: 3"), b"abc", b"abc")
        asks(self.fields(b"Transfer-Encoding: chunked"), b"3\r\nabc\r\n0\r\n\r\n", b"abc")
        asks(self.fields(b"Content-Length: 5"), b"abc", b"abc", False)
        answers(self.answer(b"Content-Length: 3"), b"abc", b"abc")

    def test_smuggled(self) -> None:
        """Two lengths, both framings, a strange coding, a surplus."""
        self.assertNoticed(
            asks, self.fields(b"Content-Length: 3", b"Content-Length: 4"), b"abc", b"abc"
        )
        both = self.fields(b"Content-Length: 3", b"Transfer-Encoding: chunked")
        self.assertNoticed(asks, both, b"0\r\n\r\n")
        self.assertNoticed(asks, self.fields(b"Transfer-Encoding: xchunked"), b"0\r\n\r\n")
        self.assertNoticed(asks, self.fields(b"Content-Length: 3"), b"abcd", b"abcd")
        self.assertNoticed(asks, self.fields(), b"GET /2 HTTP/1.1\r\nHost: b\r\n\r\n")

    def test_otherBytes(self) -> None:
        """Another payload, method or target than we believe."""
        self.assertNoticed(asks, self.fields(b"Content-Length: 3"), b"abc", b"abd")
        self.assertNoticed(asks, b"PUT / HTTP/1.1\r\nHost: b\r\n\r\n")
        self.assertNoticed(asks, b"POST /2 HTTP/1.1\r\nHost: b\r\n\r\n")

    def test_ends(self) -> None:
        """A message that ends for one and not for the other."""
        self.assertNoticed(asks, self.fields(b"Content-Length: 3"), b"abc", b"abc", False)
        self.assertNoticed(asks, self.fields(b"Content-Length: 4"), b"abc", b"abc", True)
        chunked = self.fields(b"Transfer-Encoding: chunked")
        self.assertNoticed(asks, chunked, b"3\nabc\r\n0\r\n\r\n", b"abc")
        self.assertNoticed(asks, chunked, b'3;a="\r\nabc\r\n0\r\n\r\n', b"abc")
        self.assertNoticed(answers, self.answer(b"Content-Length: 4"), b"abc", b"abc")

    def test_heads(self) -> None:
        """Control bytes, folds, bare line ends, no Host or two, and what may not leave."""
        for line in (
            b"X: \x01",
            b"X: \0",
            b"X: a\x7f",
            b"X: 1\r\n 2",
            b"X: 1\nY: 2",
            b"X: 1\rY: 2",
        ):
            self.assertNoticed(asks, self.fields(line))
            self.assertNoticed(answers, self.answer(line, b"Content-Length: 0"))
        for line in (b"Host: b", b"Keep-Alive: 1", b"TE: trailers", b"X-Edgemesh-Caller: me"):
            self.assertNoticed(asks, self.fields(line))
        self.assertNoticed(asks, b"POST / HTTP/1.1\r\n\r\n")

    def test_answers(self) -> None:
        """Both framings, two lengths, a second answer, a cut that cannot be seen."""
        length, coding = b"Content-Length: 5", b"Transfer-Encoding: chunked"
        self.assertNoticed(answers, self.answer(length, coding), b"0\r\n\r\n")
        self.assertNoticed(answers, self.answer(length, b"Content-Length: 6"), b"hello", b"hello")
        self.assertNoticed(answers, self.answer(b"Content-Length: 0") * 2)
        self.assertNoticed(answers, self.answer(), b"abc", b"abc", False)
