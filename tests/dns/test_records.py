"""Records of our own on the wire."""

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.records import (
    addressRecord,
    dotted,
    encode,
    isPlain,
    pointerRecord,
    serverRecord,
    soaRecord,
)
from tests.dns.net import query, read


class RecordTests(SynchronousTestCase):
    """dnspython reads what we write."""

    def test_all(self) -> None:
        """Every kind of record is read as it was meant."""
        asked = query("a.test")
        records = [
            addressRecord(b"a.test", 5, "192.0.2.1"),
            addressRecord(b"a.test", 5, "fd00::1"),
            serverRecord(b"a.test", 5, b"b.a.test", 80),
            pointerRecord(b"a.test", 5, b"c.a.test"),
        ]
        answer = encode(asked, 0, records, [soaRecord(b"test", 5, b"test", 2**32 + 7)], records[:1])
        reply = read(answer.reply(asked, 512))
        told = [each.to_text() for each in (*reply.answer, *reply.authority, *reply.additional)]
        self.assertEqual(
            told,
            [
                "a.test. 5 IN A 192.0.2.1",
                "a.test. 5 IN AAAA fd00::1",
                "a.test. 5 IN SRV 0 100 80 b.a.test.",
                "a.test. 5 IN PTR c.a.test.",
                "test. 5 IN SOA ns.dns.test. hostmaster.test. 7 7200 1800 86400 5",
                "a.test. 5 IN A 192.0.2.1",
            ],
        )

    def test_pointsAtTheQuestion(self) -> None:
        """A name that is in the question costs two bytes, in whatever spelling it came."""
        asked = query("A.TEST")
        answer = encode(asked, 0, [addressRecord(b"a.test", 5, "192.0.2.1")], [], [])
        self.assertEqual(len(answer.raw), 12 + len(asked.question) + 16)

    def test_plain(self) -> None:
        """A label with a dot in it cannot be written with dots."""
        self.assertEqual(
            [isPlain(("a", "b")), isPlain(("a.b",)), isPlain(("",))], [True, False, False]
        )
        self.assertEqual(dotted(("a", "\xe9")), b"a.\xe9")
