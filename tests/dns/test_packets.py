"""Where names and records begin and end."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.packets import Malformed, opt, readName, skipName, walk
from tests.dns.net import wire

HEAD = bytes(12)


class NameTests(SynchronousTestCase):
    """Names on the wire."""

    def test_labels(self) -> None:
        """A name is the same in capitals."""
        self.assertEqual(readName(HEAD + b"\3WeB\2ns\0rest"), (("web", "ns"), 20))

    def test_root(self) -> None:
        """The root is a name without labels."""
        self.assertEqual(readName(HEAD + b"\0"), ((), 13))

    def test_everyCut(self) -> None:
        """A name that is cut anywhere is refused, not guessed."""
        whole = HEAD + b"\3web\2ns\0"
        for length in range(12, len(whole)):
            with self.assertRaises(Malformed):
                readName(whole[:length])
            with self.assertRaises(Malformed):
                skipName(whole[:length], 12)

    def test_pointers(self) -> None:
        """A pointer ends a record's name; in a question there is nothing to point at."""
        self.assertEqual(skipName(b"\1a\xc0\x0c", 0), 4)
        with self.assertRaises(Malformed):
            readName(HEAD + b"\xc0\x0c")

    def test_unknownLabels(self) -> None:
        """The label types that nobody uses are refused."""
        for first in (b"\x40", b"\x80"):
            with self.assertRaises(Malformed):
                skipName(first + bytes(80), 0)

    def test_tooLong(self) -> None:
        """A name has at most 255 bytes."""
        label = b"\x3f" + b"a" * 63
        self.assertEqual(len(readName(HEAD + label * 3 + b"\x3d" + b"a" * 61 + b"\0")[0]), 4)
        with self.assertRaises(Malformed):
            readName(HEAD + label * 4 + b"\0")


class RecordTests(SynchronousTestCase):
    """Where records lie."""

    def test_found(self) -> None:
        """A record is found with its type and its time."""
        data = b"\1a\0" + b"\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4" + opt(0)
        first, second = walk(data, 0, [1, 0, 1])
        self.assertEqual((first.section, first.type, first.ttl, first.end), (0, 1, 60, 17))
        self.assertEqual(data[first.ttlAt : first.ttlAt + 4], b"\0\0\0\x3c")
        self.assertEqual((second.section, second.type, second.end), (2, 41, len(data)))

    def test_everyCut(self) -> None:
        """A record that is cut anywhere is refused."""
        data = b"\1a\0" + b"\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
        for length in range(len(data)):
            with self.assertRaises(Malformed):
                walk(data[:length], 0, [1, 0, 0])

    def test_shortSOA(self) -> None:
        """A SOA record without room for its numbers is refused."""
        with self.assertRaises(Malformed):
            walk(b"\0\0\6\0\1\0\0\0\0\0\4abcd", 0, [0, 1, 0])

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.binary(max_size=80), st.lists(st.integers(0, 65_535), min_size=3, max_size=3))
    def test_garbage(self, data: bytes, counts: list[int]) -> None:
        """Garbage is refused; whatever is accepted lies within the bytes."""
        try:
            spans = walk(data, 0, counts)
        except Malformed:
            return
        self.assertEqual(len(spans), sum(counts))
        self.assertTrue(all(span.end <= len(data) for span in spans))

    def test_realQuery(self) -> None:
        """What a stub sends is understood."""
        data = wire("web.default", edns=4096)
        self.assertEqual(readName(data)[0], ("web", "default"))
