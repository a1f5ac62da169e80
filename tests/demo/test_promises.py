"""Tests of edgemesh.demo.promises."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.demo.promises import COURSE, balanced, limited, mended, withoutFailing
from tests.demo.samples import ANSWER, HOPS, REFUSED, call

ADDRESSES = {"b-1": "127.0.0.1:8001", "b-2": "127.0.0.1:8002"}
SECOND = call(2, replace(ANSWER, app="b-2"), replace(HOPS, endpoint="127.0.0.1:8002"))


def kept(promises: list) -> list[bool]:
    """Which were kept."""
    return [promise.kept for promise in promises]


class BalancedTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.promises.balanced`."""

    def test_kept(self) -> None:
        """Each instance answers as often as the other."""
        self.assertEqual(kept(balanced([call(1), SECOND], ADDRESSES)), [True, True, True])

    def test_oneSided(self) -> None:
        """One instance that gets everything breaks the promise."""
        self.assertEqual(kept(balanced([call(1), call(2)], ADDRESSES)), [True, False, True])

    def test_notAnswered(self) -> None:
        """So does a call without a good answer."""
        failed = replace(SECOND, answer=replace(SECOND.answer, status=503))
        self.assertFalse(balanced([call(1), failed], ADDRESSES)[0].kept)

    def test_logDisagrees(self) -> None:
        """So does an access log that names another instance than the one that answered."""
        wrong = replace(SECOND, hops=HOPS)
        self.assertEqual(kept(balanced([call(1), wrong], ADDRESSES)), [True, True, False])


class LimitedTests(SynchronousTestCase):
    """:func:`~edgemesh.demo.promises.limited`."""

    def judged(self, passed: int, refused: int) -> list[bool]:
        """With a limit of 10 a second, 5 at once, after 0.1 s: 6 may pass."""
        return kept(limited([ANSWER] * passed + [REFUSED] * refused, 10, 5, 0.1))

    def test_kept(self) -> None:
        """The burst and a share of the limit pass, the rest is refused."""
        self.assertEqual(self.judged(6, 4), [True, True])

    def test_tooMany(self) -> None:
        """One more than the limit allows breaks the promise."""
        self.assertEqual(self.judged(7, 3), [False, True])

    def test_tooFew(self) -> None:
        """So does a limit that refuses what it should let pass."""
        self.assertEqual(self.judged(4, 6), [False, True])

    def test_noneRefused(self) -> None:
        """So does a limit that never bites."""
        self.assertFalse(self.judged(6, 0)[1])

    def test_otherFailure(self) -> None:
        """A call that failed in another way is not counted as refused."""
        answers = [ANSWER] * 5 + [REFUSED, replace(ANSWER, status=503)]
        self.assertEqual(kept(limited(answers, 10, 5, 0.1)), [False, True])

    def test_noRetryAfter(self) -> None:
        """A refusal must say when to try again."""
        answers = [ANSWER] * 5 + [replace(REFUSED, retryAfter="")]
        self.assertEqual(kept(limited(answers, 10, 5, 0.1)), [True, False])


class GuardedTests(SynchronousTestCase):
    """A failing instance is left out and taken back."""

    def test_goesOn(self) -> None:
        """The others answer everything."""
        self.assertTrue(withoutFailing([ANSWER, ANSWER], "b-2").kept)

    def test_stillAsked(self) -> None:
        """A call that the failing instance got breaks the promise, even a good one."""
        self.assertFalse(withoutFailing([ANSWER, SECOND.answer], "b-2").kept)

    def test_noCalls(self) -> None:
        """Nothing called, nothing shown."""
        self.assertFalse(withoutFailing([], "b-2").kept)

    def test_mended(self) -> None:
        """Open, one probe, closed, and everybody answers."""
        answers = [ANSWER, SECOND.answer]
        self.assertEqual(kept(mended(answers, COURSE, ADDRESSES)), [True, True])

    def test_otherCourse(self) -> None:
        """A circuit that closes without a probe breaks the promise."""
        states = ["CLOSED", "OPEN", "CLOSED"]
        self.assertEqual(kept(mended([ANSWER], states, ADDRESSES)), [False, False])
