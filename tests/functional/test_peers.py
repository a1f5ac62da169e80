"""Tests of tests.functional.peers."""

import os
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.peers import REQUIRED, program


class ProgramTests(SynchronousTestCase):
    """:func:`~tests.functional.peers.program`."""

    def test_there(self) -> None:
        """A program that every machine has is found."""
        self.assertTrue(os.access(program("sh"), os.X_OK))

    def test_missing(self) -> None:
        """On somebody's own machine a missing program skips the test and says what to install."""
        self.patch(os, "environ", {})
        missing = self.assertRaises(SkipTest, program, "no-such-program", "some-package")
        self.assertIn("apt install some-package", str(missing))

    def test_required(self) -> None:
        """Where every program must be there, a missing one fails the test."""
        self.patch(os, "environ", {REQUIRED: "1"})
        self.assertRaises(AssertionError, program, "no-such-program")
