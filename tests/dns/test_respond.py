"""From a query's bytes to a reply's."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import dns.flags
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.dns.forward import Forwarder, Found
from edgemesh.dns.names import Directory
from edgemesh.dns.packets import Malformed
from edgemesh.dns.queries import Ask
from edgemesh.dns.respond import Responder
from edgemesh.dns.virtual import MemoryListenerRows, VirtualAddresses, holdersIn
from edgemesh.meta.model import Metadata, Pod, Service, ServicePort
from tests.dns.net import Net, answered, code, lines, meshOf, read, wire


class Elsewhere(Forwarder):
    """A forwarder that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.waiting: list[Deferred[Found]] = []

    def find(self, ask: Ask) -> Deferred[Found]:
        self.asked.append(ask)
        self.waiting.append(Deferred())
        return self.waiting[-1]


class ResponderTests(SynchronousTestCase):
    """Who answers, and what is counted."""

    def setUp(self) -> None:
        self.elsewhere = Elsewhere()
        self.replies: list[bytes] = []
        virtual = VirtualAddresses(IPv4Network("198.18.0.0/24"), MemoryListenerRows())
        virtual.update(holdersIn(meshOf(), False), 0.0)
        self.responder = Responder(Directory(meshOf(), virtual), self.elsewhere, mostWaiting=2)
        self.counts = self.responder.counts

    def take(self, data: bytes, caller: str = "192.0.2.200", streamed: bool = False) -> None:
        """A caller asks."""
        self.responder.take(data, caller, streamed, self.replies.append)

    def test_local(self) -> None:
        """A name of the mesh is answered from memory."""
        self.take(wire("web"))
        self.assertEqual(lines(self.replies[0]), ["web. 5 IN A 10.96.0.7"])
        self.assertTrue(read(self.replies[0]).flags & dns.flags.AA)
        self.assertEqual((self.counts.local, self.elsewhere.asked), (1, []))

    def test_caller(self) -> None:
        """A pod's bare names are meant in its own namespace."""
        mesh = replace(meshOf(), pods={("shop", "c"): Pod("shop", "c", addresses=("10.244.0.9",))})
        self.responder.directory = replace(self.responder.directory, metadata=mesh)
        self.take(wire("web"), "10.244.0.9")
        self.assertEqual(lines(self.replies[0]), ["web. 5 IN A 10.96.1.7"])

    def test_forwarded(self) -> None:
        """Any other name is asked for elsewhere; how it was found is counted."""
        answer = answered(wire("a.test"), "a.test. 60 IN A 192.0.2.9")
        kinds = (
            Found(answer),
            Found(answer, 1.0, True),
            Found(answer, 99.0, True, True),
            Found(None),
        )
        for found in kinds:
            self.take(wire("a.test"))
            self.elsewhere.waiting[-1].callback(found)
        self.assertEqual([code(each) for each in self.replies], ["NOERROR"] * 3 + ["SERVFAIL"])
        counted = (self.counts.asked, self.counts.cached, self.counts.stale, self.counts.failed)
        self.assertEqual(counted, (1, 1, 1, 1))
        self.assertEqual(self.responder.waiting, 0)

    def test_crowded(self) -> None:
        """Too many callers waiting: one more gets SERVFAIL at once."""
        for _ in range(3):
            self.take(wire("a.test"))
        self.assertEqual([code(each) for each in self.replies], ["SERVFAIL"])
        self.assertEqual((self.counts.crowded, self.responder.waiting), (1, 2))
        self.elsewhere.waiting[0].callback(Found(None))
        self.take(wire("a.test"))
        self.assertEqual(len(self.elsewhere.asked), 3)

    def test_refused(self) -> None:
        """ANY is refused and nobody is asked."""
        self.take(wire("web", "ANY"))
        self.assertEqual((code(self.replies[0]), self.counts.refused), ("REFUSED", 1))

    def test_malformed(self) -> None:
        """Garbage gets no reply and is counted."""
        for data in (b"", b"garbage", self.reply()):
            with self.assertRaises(Malformed):
                self.take(data)
        self.assertEqual((self.counts.malformed, len(self.replies)), (3, 1))

    def reply(self) -> bytes:
        """Something that was sent."""
        self.take(wire("web"))
        return self.replies[0]

    def test_truncated(self) -> None:
        """What does not fit into a datagram fits into a stream."""
        ports = (ServicePort(80),)
        addresses = tuple(f"10.96.2.{number}" for number in range(1, 200))
        many = Metadata({("default", "many"): Service("default", "many", ports, addresses)})
        self.responder.directory = replace(self.responder.directory, metadata=many)
        for data, streamed in (
            (wire("many"), False),
            (wire("many", edns=4096), False),
            (wire("many"), True),
        ):
            self.take(data, streamed=streamed)
        told = [len(lines(each)) for each in self.replies]
        self.assertEqual(told, [(512 - 22) // 16, (1232 - 22 - 11) // 16, 199])
        self.assertEqual(
            [
                len(each) <= limit
                for each, limit in zip(self.replies, (512, 1232, 65_535), strict=True)
            ],
            [True] * 3,
        )
        flags = [bool(read(each).flags & dns.flags.TC) for each in self.replies]
        self.assertEqual((flags, self.counts.truncated), ([True, True, False], 2))

    def test_unknownYet(self) -> None:
        """Before metadata is there a name of the mesh fails, and is not denied."""
        self.responder.directory = replace(
            self.responder.directory, metadata=Metadata(), known=False
        )
        self.take(wire("web"))
        self.assertEqual((code(self.replies[0]), self.counts.failed), ("SERVFAIL", 1))

    def test_defect(self) -> None:
        """A defect is logged, and leaves room for the next caller."""
        self.elsewhere.find = lambda ask: fail(ZeroDivisionError())  # type: ignore[method-assign]
        self.take(wire("a.test"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.responder.waiting, 0)

    def test_repr(self) -> None:
        """The log shows the counts."""
        self.assertIn("malformed 0", repr(self.counts))
        self.assertEqual(Net().open, [])
