"""The answers that the mesh gives in its own name."""

from __future__ import annotations

import h11
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import CALLER_GONE, FAILURES, METHOD_REFUSED, RATE_LIMITED
from edgemesh.protocols.http.answers import CLOSE, KEEP_ALIVE, localAnswer


def read(answer: bytes, method: bytes = b"GET") -> tuple[h11.Response, bytes, bytes]:
    """What another implementation makes of an answer: head, body, what is left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "b")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    head = client.next_event()
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += bytes(event.data)
    return head, body, client.trailing_data[0]


class LocalAnswerTests(SynchronousTestCase):
    """A row of the failure table as bytes."""

    def test_everyFailure(self) -> None:
        """Each row has its own status and reason, and a body that says what it means."""
        for reason, failure in FAILURES.items():
            if failure is CALLER_GONE:
                continue
            head, body, rest = read(localAnswer(failure, b""))
            fields = dict(head.headers)
            self.assertEqual((head.status_code, rest), (failure.http, b""))
            self.assertEqual(fields[b"x-edgemesh-reason"], reason.encode())
            self.assertIn(failure.meaning.encode(), body)

    def test_bodyless(self) -> None:
        """An answer to HEAD says how long the body would be, and has none."""
        head, body, rest = read(localAnswer(RATE_LIMITED, b"", bodyless=True), b"HEAD")
        self.assertEqual((body, rest), (b"", b""))
        self.assertIn(b"content-length", dict(head.headers))

    def test_noContent(self) -> None:
        """A 204 has no body and no length."""
        head, body, rest = read(localAnswer(RATE_LIMITED, b"", status=204))
        self.assertEqual((head.status_code, body, rest), (204, b"", b""))
        self.assertNotIn(b"content-length", dict(head.headers))

    def test_retryAfter(self) -> None:
        """Whole seconds, at least one: zero would invite the caller at once."""
        for seconds, said in ((0.0, b"1"), (0.2, b"1"), (1.2, b"2"), (30.0, b"30")):
            head, _, _ = read(localAnswer(RATE_LIMITED, b"", retryAfter=seconds))
            self.assertEqual(dict(head.headers)[b"retry-after"], said)

    def test_allow(self) -> None:
        """A refused method says which are taken (RFC 9110 section 15.5.6)."""
        head, _, _ = read(localAnswer(METHOD_REFUSED, b""))
        self.assertIn(b"GET", dict(head.headers)[b"allow"])

    def test_connection(self) -> None:
        """It says what becomes of the connection."""
        for field in (CLOSE, KEEP_ALIVE):
            self.assertIn(field, localAnswer(RATE_LIMITED, field))

    def test_unnamedStatus(self) -> None:
        """A status that nobody has named has no phrase."""
        self.assertEqual(localAnswer(RATE_LIMITED, b"", 299)[:15], b"HTTP/1.1 299 \r\n")
