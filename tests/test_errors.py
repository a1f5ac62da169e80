# -*- test-case-name: tests.test_errors -*-
"""The one table of how a call can fail."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from edgemesh import errors
from edgemesh.errors import (
    CALLER_GONE,
    CIRCUIT_OPEN,
    FAILURES,
    RATE_LIMITED,
    ConfigurationError,
    Failure,
    LocalProtocolError,
    MeshError,
    Refused,
    RemoteProtocolError,
)

DOCUMENTED = Path(__file__).parents[1] / "docs" / "failures.rst"
#: The gRPC status codes that mean a failure.
GRPC = range(1, 17)


class TableTests(SynchronousTestCase):
    """Every failure has one status in each protocol and one word."""

    def test_complete(self) -> None:
        """Each named failure is in the table, and no two share a reason word."""
        named = [value for value in vars(errors).values() if isinstance(value, Failure)]
        self.assertEqual(list(FAILURES.values()), named)
        self.assertEqual(len({row.reason for row in named}), len(named))

    def test_words(self) -> None:
        """A reason is two capitals, as Envoy's users know them, and says what it means."""
        for reason, row in FAILURES.items():
            self.assertEqual(reason, row.reason)
            self.assertRegex(reason, r"\A[A-Z]{2}\Z")
            self.assertRegex(row.meaning, r"\A[a-z].*[^.]\Z", reason)

    def test_statuses(self) -> None:
        """Callers get statuses that their libraries know."""
        known = {status.value for status in HTTPStatus} | {CALLER_GONE.http}
        for row in FAILURES.values():
            self.assertIn(row.http, known, row.reason)
            self.assertGreaterEqual(row.http, 400, row.reason)
            self.assertIn(row.grpc, GRPC, row.reason)

    def test_promised(self) -> None:
        """The statuses that users were promised stay as they are."""
        promised = {"NE": 503, "CB": 503, "RL": 429, "UF": 503, "UT": 504, "NR": 404, "UD": 503}
        self.assertEqual({reason: FAILURES[reason].http for reason in promised}, promised)
        self.assertEqual(RATE_LIMITED.grpc, 8)

    def test_fault(self) -> None:
        """An endpoint is only blamed for what it did: 5xx, and never a refusal of ours."""
        blamed = {row.reason for row in FAILURES.values() if row.endpointFault}
        self.assertEqual(blamed & {"RL", "CB", "BH", "NE", "NR", "DC", "BR", "DR", "IE"}, set())
        self.assertTrue(all(FAILURES[reason].http >= 500 for reason in blamed))

    def test_documented(self) -> None:
        """The documentation has the same table, row by row."""
        rows = re.findall(
            r"   \* - ``(\w+)``\n     - (\d+)\n     - (\d+)\n     - (.+)\n     - (yes|no)\n",
            DOCUMENTED.read_text("utf-8"),
        )
        self.assertEqual(
            [
                Failure(r, int(http), int(grpc), text, by == "yes")
                for r, http, grpc, text, by in rows
            ],
            list(FAILURES.values()),
        )


class ExceptionTests(SynchronousTestCase):
    """What carries the rows."""

    def test_refused(self) -> None:
        """A refusal says what exactly, when to come back and whom it concerns."""
        refusal = Refused(
            CIRCUIT_OPEN, "web.default:80", retryAfter=1.5, status=204, endpointOnly=True
        )
        self.assertEqual(
            (refusal.failure, refusal.detail, refusal.retryAfter, refusal.status),
            (CIRCUIT_OPEN, "web.default:80", 1.5, 204),
        )
        self.assertTrue(refusal.endpointOnly)
        self.assertIn("CB", str(refusal))

    def test_plainly(self) -> None:
        """Without a detail it says what the row means, and concerns the whole service."""
        refusal = Refused(RATE_LIMITED)
        self.assertEqual(refusal.detail, RATE_LIMITED.meaning)
        self.assertEqual(
            (refusal.retryAfter, refusal.status, refusal.endpointOnly), (None, 0, False)
        )

    def test_kinds(self) -> None:
        """Whose fault it was is a type, and all of them can be caught as the mesh's."""
        kinds = (Refused, RemoteProtocolError, LocalProtocolError, ConfigurationError)
        for kind in kinds:
            others = [other for other in kinds if other is not kind]
            self.assertTrue(issubclass(kind, MeshError))
            self.assertFalse(issubclass(kind, tuple(others)))

    def test_remote(self) -> None:
        """A peer's broken bytes carry the row to answer with."""
        error = RemoteProtocolError(errors.BAD_REQUEST, "two Content-Lengths")
        self.assertEqual((error.failure.http, error.detail), (400, "two Content-Lengths"))
