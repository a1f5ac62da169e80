"""A body of known length."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.protocols.http.body import SizedBody


class SizedBodyTests(SynchronousTestCase):
    """Where a body of known length ends."""

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.binary(max_size=40), st.binary(max_size=10), st.lists(st.integers(1, 9)))
    def test_anyCuts(self, body: bytes, after: bytes, sizes: list[int]) -> None:
        """Whatever the cuts, the body is the body and the rest is the rest."""
        sized = SizedBody(len(body))
        stream, given_, fed = body + after, b"", 0
        for size in [*sizes, len(stream) + 1]:
            piece = stream[fed : fed + size]
            fed += len(piece)
            given_ += sized.feed(piece)
            if sized.finished:
                break
        self.assertEqual((given_, sized.surplus + stream[fed:]), (body, after))

    def test_unfinished(self) -> None:
        """Until the last byte has come, it is not finished, and says how much is missing."""
        sized = SizedBody(3)
        sized.feed(b"ab")
        self.assertFalse(sized.finished)
        self.assertIn("1", repr(sized))
        sized.feed(b"c")
        self.assertTrue(sized.finished)
        self.assertIn("finished", repr(sized))
