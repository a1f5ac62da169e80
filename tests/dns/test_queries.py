"""Queries as callers send them."""

import dns.flags
import dns.message
import dns.opcode
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.packets import (
    BAD_VERSION,
    FORMAT_ERROR,
    NOT_IMPLEMENTED,
    REFUSED,
    Malformed,
)
from edgemesh.dns.queries import LARGEST_QUERY, Ask, askBytes, readQuery, refuse
from tests.dns.net import query, read, respond, wire


class ReadTests(SynchronousTestCase):
    """What a query asks."""

    def test_plain(self) -> None:
        """A query without OPT takes 512 bytes."""
        found = query("WEB.Default", "AAAA")
        self.assertEqual(found.labels, ("web", "default"))
        self.assertEqual((found.type, found.size, found.edns), (28, 512, False))
        self.assertEqual(found.refusal, 0)

    def test_spelling(self) -> None:
        """Every spelling asks the same; the caller's own is kept for the reply."""
        small, capital = query("web.default"), query("WEB.default")
        self.assertEqual(small.ask, capital.ask)
        self.assertIn(b"WEB", capital.question)

    def test_typesThatLookLikeLetters(self) -> None:
        """A type's number is not taken for a letter."""
        high, low = query("a.test", "TYPE16705"), query("a.test", "TYPE24929")
        self.assertNotEqual(high.ask, low.ask)

    def test_sizes(self) -> None:
        """The size that a caller says counts, between 512 and 1232."""
        sizes = [query("a.test", edns=said).size for said in (100, 512, 1000, 1232, 4096, 65535)]
        self.assertEqual(sizes, [512, 512, 1000, 1232, 1232, 1232])

    def test_signaturesWanted(self) -> None:
        """DO and CD make it another question: the answer has other records."""
        signed = query("a.test", want_dnssec=True)
        unchecked = query("a.test", flags=dns.flags.RD | dns.flags.CD)
        self.assertEqual(signed.ask, Ask(signed.ask.question, True, False))
        self.assertEqual(unchecked.ask, Ask(signed.ask.question, False, True))

    def test_everyCut(self) -> None:
        """A query that is cut anywhere is dropped."""
        whole = wire("web.default", edns=1232)
        for length in range(len(whole)):
            with self.assertRaises(Malformed):
                readQuery(whole[:length])

    def test_response(self) -> None:
        """A response is no query: two servers must not talk to each other forever."""
        with self.assertRaises(Malformed):
            readQuery(respond(wire("a.test")))

    def test_tooLong(self) -> None:
        """A query that is longer than any honest one is dropped."""
        with self.assertRaises(Malformed):
            readQuery(wire("a.test") + bytes(LARGEST_QUERY))

    @settings(derandomize=True, max_examples=100, deadline=None)
    @given(st.binary(max_size=100))
    def test_garbage(self, data: bytes) -> None:
        """Garbage is dropped, or understood; never anything else."""
        try:
            found = readQuery(data)
        except Malformed:
            return
        self.assertTrue(found.refusal or found.question)

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.integers(0, 40), st.integers(0, 255))
    def test_flippedBytes(self, at: int, byte: int) -> None:
        """A query with any byte changed is dropped or understood."""
        data = bytearray(wire("web.default", edns=1232))
        data[at % len(data)] = byte
        self.test_garbage.hypothesis.inner_test(self, bytes(data))  # type: ignore[attr-defined]


class RefusalTests(SynchronousTestCase):
    """What is not answered, and how that is said."""

    def test_types(self) -> None:
        """ANY and zone transfers are refused."""
        for kind in ("ANY", "AXFR", "IXFR", "MAILA", "MAILB"):
            self.assertEqual(query("web", kind).refusal, REFUSED, kind)

    def test_class(self) -> None:
        """Other classes than the Internet's are refused."""
        self.assertEqual(readQuery(wire("version.bind", "TXT", rdclass="CH")).refusal, REFUSED)

    def test_manyQuestions(self) -> None:
        """A query with two questions, or none, gets FORMERR."""
        two = dns.message.make_query("a.test", "A")
        two.question.append(dns.message.make_query("b.test", "A").question[0])
        none = bytes(12)
        for data in (two.to_wire(), none):
            found = readQuery(data)
            self.assertEqual(found.refusal, FORMAT_ERROR)
            self.assertEqual(read(refuse(found, found.refusal)).question, [])

    def test_opcode(self) -> None:
        """An update or a notification is not implemented; the reply repeats the opcode."""
        asked = dns.message.make_query("a.test", "SOA")
        asked.set_opcode(dns.opcode.NOTIFY)
        found = readQuery(asked.to_wire())
        self.assertEqual(found.refusal, NOT_IMPLEMENTED)
        self.assertEqual(read(refuse(found, found.refusal)).opcode(), dns.opcode.NOTIFY)

    def test_version(self) -> None:
        """A later version of EDNS gets BADVERS."""
        found = readQuery(dns.message.make_query("a.test", "A", use_edns=1).to_wire())
        self.assertEqual(found.refusal, BAD_VERSION)
        reply = read(refuse(found, found.refusal))
        self.assertEqual((reply.rcode(), reply.edns), (BAD_VERSION, 0))

    def test_twoOPT(self) -> None:
        """Two OPT records are one too many."""
        data = bytearray(wire("a.test", edns=1232))
        data += data[-11:]
        data[11] = 2
        self.assertEqual(readQuery(bytes(data)).refusal, FORMAT_ERROR)

    def test_reply(self) -> None:
        """A refusal has the caller's number, question and flags."""
        found = query("WeB", "ANY", edns=1232)
        reply = read(refuse(found, REFUSED))
        self.assertEqual((reply.id, reply.rcode()), (found.id, REFUSED))
        self.assertEqual(reply.question[0].name.to_text(), "WeB.")
        self.assertEqual(dns.flags.to_text(reply.flags), "QR RD RA")
        self.assertEqual(reply.payload, 1232)


class AskTests(SynchronousTestCase):
    """What an upstream server is asked."""

    def test_edns(self) -> None:
        """It is asked for datagrams that pass everywhere, and for signatures if wanted."""
        signed = query("A.test", want_dnssec=True).ask
        sent = read(askBytes(7, signed, True))
        self.assertEqual(
            (sent.id, sent.payload, sent.question[0].name.to_text()), (7, 1232, "a.test.")
        )
        self.assertTrue(sent.ednsflags & dns.flags.DO)
        self.assertEqual(dns.flags.to_text(sent.flags), "RD")

    def test_old(self) -> None:
        """A server that is older than EDNS is asked without."""
        sent = read(askBytes(7, query("a.test").ask, False))
        self.assertEqual(sent.edns, -1)
