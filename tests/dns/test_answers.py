"""Answers that are sent on: cut, aged, with nothing else changed."""

import dns.flags
import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.answers import STALE_TTL, Answer, compose
from edgemesh.dns.packets import LARGEST_STREAMED, Malformed
from tests.dns.net import answered, code, lines, query, read, respond, wire

SOA = "test. 300 IN SOA ns.test. first\\.last.test. 1 2 3 4 60"


class ReplyTests(SynchronousTestCase):
    """What a caller gets of an answer."""

    def test_caller(self) -> None:
        """A reply has the caller's number and spelling, whoever was answered first."""
        answer = answered(wire("a.test"), "a.test. 60 IN A 192.0.2.1")
        mine = query("A.Test", id=77)
        reply = read(answer.reply(mine, 512))
        self.assertEqual((reply.id, reply.question[0].name.to_text()), (77, "A.Test."))
        self.assertEqual(lines(answer.reply(mine, 512)), ["A.Test. 60 IN A 192.0.2.1"])

    def test_age(self) -> None:
        """Time that has passed is taken off, and never goes below nothing."""
        answer = answered(wire("a.test"), "a.test. 60 IN A 192.0.2.1")
        for age, left in ((0.0, 60), (12.9, 48), (70.0, 0)):
            self.assertIn(f" {left} IN A", lines(answer.reply(query("a.test"), 512, age))[0])

    def test_stale(self) -> None:
        """An answer beyond its time is good for 30 seconds."""
        answer = answered(wire("a.test"), "a.test. 60 IN A 192.0.2.1")
        reply = answer.reply(query("a.test"), 512, 900.0, stale=True)
        self.assertEqual(read(reply).answer[0].ttl, STALE_TTL)

    def test_unknownTypes(self) -> None:
        """A record of a type that nobody here knows arrives as it was sent."""
        line = "a.test. 60 IN TYPE65280 \\# 4 01020304"
        answer = answered(wire("a.test", "TYPE65280"), line)
        self.assertEqual(lines(answer.reply(query("a.test", "TYPE65280"), 512)), [line])

    def test_oddNames(self) -> None:
        """A dot inside a label stays inside it."""
        answer = answered(wire("a.test"), soa=SOA)
        soa = read(answer.reply(query("a.test"), 512)).authority[0][0]
        self.assertEqual(soa.rname.labels[0], b"first.last")

    def test_codes(self) -> None:
        """NXDOMAIN is passed on."""
        self.assertEqual(
            code(answered(wire("a.test"), code="NXDOMAIN").reply(query("a.test"), 512)), "NXDOMAIN"
        )

    def test_verified(self) -> None:
        """Only who asks learns that the upstream server verified signatures."""
        response = dns.message.from_wire(respond(wire("a.test"), "a.test. 60 IN A 192.0.2.1"))
        response.flags |= dns.flags.AD
        answer = Answer(response.to_wire())
        for flags, told in ((dns.flags.RD, False), (dns.flags.RD | dns.flags.AD, True)):
            reply = read(answer.reply(query("a.test", flags=flags), 512))
            self.assertEqual(bool(reply.flags & dns.flags.AD), told)

    def test_OPT(self) -> None:
        """The upstream server's OPT record is not the caller's business; ours is."""
        response = dns.message.make_response(dns.message.from_wire(wire("a.test", edns=4096)))
        answer = Answer(response.to_wire())
        self.assertEqual(read(answer.reply(query("a.test"), 512)).edns, -1)
        self.assertEqual(read(answer.reply(query("a.test", edns=800), 800)).payload, 1232)


class TruncationTests(SynchronousTestCase):
    """Answers that are larger than a datagram."""

    def answer(self, count: int, size: int) -> tuple[Answer, list[str]]:
        """An answer with so many TXT records."""
        records = [f'big.test. 60 IN TXT "{str(at).zfill(4)}{"x" * size}"' for at in range(count)]
        return answered(wire("big.test", "TXT"), *records), records

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(st.integers(1, 40), st.integers(0, 200), st.integers(512, 1232), st.booleans())
    def test_wholeRecords(self, count: int, size: int, limit: int, edns: bool) -> None:
        """A cut reply is sound, fits, has whole records in order, and says that it is cut."""
        answer, records = self.answer(count, size)
        reply = answer.reply(query("big.test", "TXT", edns=1232 if edns else 0), limit)
        self.assertLessEqual(len(reply), limit)
        told = lines(reply)
        self.assertEqual(told, records[: len(told)])
        self.assertEqual(bool(read(reply).flags & dns.flags.TC), len(told) < count)
        if len(told) < count:
            whole = answer.reply(query("big.test", "TXT"), LARGEST_STREAMED)
            next_ = (len(whole) - len(answer.reply(query("big.test", "TXT"), 12))) // count
            self.assertGreater(len(reply) + next_, limit)

    def test_streamed(self) -> None:
        """Over TCP all of it goes out."""
        answer, records = self.answer(40, 200)
        reply = answer.reply(query("big.test", "TXT"), LARGEST_STREAMED)
        self.assertEqual(lines(reply), records)
        self.assertFalse(read(reply).flags & dns.flags.TC)

    def test_additional(self) -> None:
        """Leaving out what was only additional is no truncation."""
        response = dns.message.from_wire(respond(wire("a.test"), "a.test. 60 IN A 192.0.2.1"))
        extra = dns.rrset.from_text(
            "b.test.", 60, "IN", "TXT", '"' + "x" * 250 + '"', '"' + "y" * 250 + '"'
        )
        response.additional.append(extra)
        reply = read(Answer(response.to_wire()).reply(query("a.test"), 512))
        self.assertEqual((len(reply.answer), reply.flags & dns.flags.TC), (1, 0))
        self.assertEqual(sum(map(len, reply.additional)), 1)


class LifetimeTests(SynchronousTestCase):
    """For how long an answer may be repeated."""

    def test_shortest(self) -> None:
        """The shortest time of all its records counts."""
        answer = answered(
            wire("a.test"), "a.test. 60 IN CNAME b.test.", "b.test. 20 IN A 192.0.2.1"
        )
        self.assertEqual(answer.lifetime, 20)

    def test_negative(self) -> None:
        """That there is nothing holds as long as the zone says."""
        for minimum, ttl, expected in ((60, 300, 60), (900, 30, 30), (90_000, 90_000, 900)):
            soa = f"test. {ttl} IN SOA ns.test. h.test. 1 2 3 4 {minimum}"
            answer = answered(wire("a.test"), code="NXDOMAIN", soa=soa)
            self.assertEqual(answer.lifetime, expected)

    def test_unvouched(self) -> None:
        """That there is nothing is not remembered when no zone vouches for it."""
        self.assertEqual(answered(wire("a.test"), code="NXDOMAIN").lifetime, 0)

    def test_caps(self) -> None:
        """A day is the longest; a time that cannot be is none."""
        for ttl, expected in ((10_000_000, 86_400), (0x7FFF_FFFF, 86_400), (0, 0)):
            answer = answered(wire("a.test"), f"a.test. {ttl} IN A 192.0.2.1")
            self.assertEqual(answer.lifetime, expected)
        raw = bytearray(respond(wire("a.test"), "a.test. 60 IN A 192.0.2.1"))
        raw[-10] = 0x80
        self.assertEqual(Answer(bytes(raw)).lifetime, 0)


class ReadTests(SynchronousTestCase):
    """What counts as an answer."""

    def test_everyCut(self) -> None:
        """An answer that is cut anywhere is none."""
        whole = respond(wire("a.test"), "a.test. 60 IN A 192.0.2.1", soa=SOA)
        for length in range(len(whole)):
            with self.assertRaises(Malformed):
                Answer(whole[:length])

    def test_query(self) -> None:
        """A query is no answer."""
        with self.assertRaises(Malformed):
            Answer(wire("a.test"))

    def test_truncated(self) -> None:
        """A truncated answer says so, wherever it was cut."""
        whole = respond(wire("a.test"), "a.test. 60 IN A 192.0.2.1", truncated=True)
        self.assertTrue(Answer(whole[:-3]).truncated)

    @settings(derandomize=True, max_examples=100, deadline=None)
    @given(st.binary(max_size=60))
    def test_garbage(self, data: bytes) -> None:
        """Garbage is refused, or can be sent on within the limit."""
        asked = query("a.test")
        try:
            answer = compose(asked, 0, [1, 1, 1], data)
        except Malformed:
            return
        self.assertLessEqual(len(answer.reply(asked, 512)), 512)

    def test_repr(self) -> None:
        """The log shows what it is."""
        answer = answered(wire("a.test"), "a.test. 60 IN A 192.0.2.1")
        self.assertEqual(repr(answer), "<Answer code 0, 1 records, for 60 s>")
