"""Tests for :mod:`edgemesh.link.pending`."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.link.pending import MOST, REMEMBERED, AnswerCounts, Pending, Unanswered
from tests.link.samples import messages, query


class PendingTests(SynchronousTestCase):
    """Requests that wait."""

    def setUp(self) -> None:
        self.pending: Pending[str] = Pending()
        self.ours, self.theirs = messages("c"), messages("s")
        self.request = query(self.ours)
        self.answer = self.theirs.newRespByMessage(self.request, None)

    def test_taken(self) -> None:
        """Each answer goes to who asked, in whatever order they come."""
        second = query(self.ours)
        self.pending.add(self.request, "first")
        self.pending.add(second, "second")
        self.assertEqual(self.pending.take(self.theirs.newRespByMessage(second, 1)), "second")
        self.assertEqual(self.pending.take(self.answer), "first")
        self.assertEqual(self.pending.counts, AnswerCounts(taken=2))
        self.assertEqual(len(self.pending), 0)

    def test_duplicate(self) -> None:
        """A second answer is dropped and counted."""
        self.pending.add(self.request, "first")
        self.pending.take(self.answer)
        self.assertIsNone(self.pending.take(self.answer))
        self.assertEqual(self.pending.counts, AnswerCounts(taken=1, duplicate=1))

    def test_late(self) -> None:
        """An answer after the asker gave up is dropped and counted."""
        self.pending.add(self.request, "first")
        self.assertEqual(self.pending.giveUp(self.request.header.msg_id), "first")
        self.assertIsNone(self.pending.giveUp(self.request.header.msg_id))
        self.assertIsNone(self.pending.take(self.answer))
        self.assertEqual(self.pending.counts, AnswerCounts(late=1))

    def test_unknown(self) -> None:
        """An answer to what nobody asked is dropped and counted."""
        self.assertIsNone(self.pending.take(self.answer))
        self.assertEqual(self.pending.counts, AnswerCounts(unknown=1))
        self.assertIn("unknown=1", repr(self.pending))

    def test_oldError(self) -> None:
        """An error of an old peer, with the wrong parent, goes to the oldest such request."""
        again = query(self.ours)
        other = query(self.ours, "default/service/c")
        for request, waiter in ((other, "other"), (self.request, "first"), (again, "again")):
            self.pending.add(request, waiter)
        error = self.theirs.newErrorMessage(self.request, "boom", oldParent=True)
        self.assertEqual(self.pending.take(error), "first")
        self.assertEqual(self.pending.take(error), "again")
        self.assertIsNone(self.pending.take(error))
        self.assertEqual(len(self.pending), 1)

    def test_lost(self) -> None:
        """With the link, nobody waits any more."""
        self.pending.add(self.request, "first")
        ((request, waiter),) = [(w.request, w.waiter) for w in self.pending.giveUpAll()]
        self.assertEqual((request, waiter), (self.request, "first"))
        self.assertEqual(self.pending.giveUpAll(), [])

    def test_bound(self) -> None:
        """Only so many may wait."""
        for _ in range(MOST):
            self.pending.add(query(self.ours), "x")
        self.assertRaises(Unanswered, self.pending.add, query(self.ours), "x")
        self.assertEqual(len(self.pending), MOST)

    def test_remembers(self) -> None:
        """What has ended is remembered for a while, not for ever."""
        self.pending.add(self.request, "first")
        self.pending.take(self.answer)
        for _ in range(REMEMBERED):
            request = query(self.ours)
            self.pending.add(request, "x")
            self.pending.giveUp(request.header.msg_id)
        self.pending.take(self.answer)
        self.assertEqual(self.pending.counts, AnswerCounts(taken=1, unknown=1))

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from(["add", "take", "giveUp"]), max_size=40), st.randoms())
    def test_once(self, steps: list[str], random) -> None:  # type: ignore[no-untyped-def]
        """Whatever happens, everybody who asks is told once at most."""
        pending: Pending[str] = Pending()
        asked, told = [], []
        for step in steps:
            if step == "add":
                asked.append(query(self.ours))
                pending.add(asked[-1], asked[-1].header.msg_id)
            elif asked:
                request = random.choice(asked)
                if step == "take":
                    told.append(pending.take(self.theirs.newRespByMessage(request, None)))
                else:
                    told.append(pending.giveUp(request.header.msg_id))
        known = [one for one in told if one is not None]
        self.assertEqual(len(known), len(set(known)))
        self.assertEqual(len(pending) + len(known), len(asked))
