"""Golden data: used when it is there, missed when it should be."""

import os

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.conformance.captures import VARIABLE, captures


class CaptureTests(SynchronousTestCase):
    """Finding the data."""

    def test_unset(self) -> None:
        """Whoever has no data sees why tests are skipped."""
        self.patch(os, "environ", {})
        self.assertIn(VARIABLE, str(self.assertRaises(SkipTest, captures, "msg_")))

    def test_missing(self) -> None:
        """Data that should be there and is not fails the tests."""
        self.patch(os, "environ", {VARIABLE: self.mktemp()})
        self.assertIn("msg_", str(self.assertRaises(AssertionError, captures, "msg_")))

    def test_found(self) -> None:
        """Files are found by the beginning of their names, with what is known of them."""
        folder = self.mktemp()
        os.makedirs(f"{folder}/kubeedge")
        for name, text in (
            ("msg_b.json", "{}"),
            ("msg_b.json.desc.json", '{"contentGoType": "string"}'),
            ("msg_a.bin", "a"),
            ("msg_c.sql", "c"),
            ("meta_1.json", "[]"),
        ):
            with open(f"{folder}/kubeedge/{name}", "w", encoding="ascii") as file:
                file.write(text)
        self.patch(os, "environ", {VARIABLE: folder})
        found = [(c.name, c.data, c.goType) for c in captures("msg_")]
        self.assertEqual(found, [("msg_a.bin", b"a", ""), ("msg_b.json", b"{}", "string")])
