# -*- test-case-name: tests.testing.test_suites -*-
"""
What every protocol promises, as tests: for a resolver, and for a whole protocol.

Knows what callers and endpoints of the protocol say only from the
:class:`Conversation` it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from unittest import TestCase

from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.interfaces import IMeshProtocol, IResolver, ITransportClient, Verdict
from edgemesh.testing.ladder import Ladder
from edgemesh.testing.memory import Wire

_PIECE = bytes(65_536)
#: A transport's buffer, a read, and what is on its way: all that may be held of one stream.
_MOST_HELD = 4 * len(_PIECE)


@dataclass(frozen=True, slots=True)
class Conversation:
    """
    What the caller and the endpoint of a protocol say.

    :ivar opening: the first bytes of a caller, whole enough to be recognised and to
        lead to an endpoint.
    :ivar upload: the beginning of a call after which the caller may send at least
        4 MiB of any bytes; ``opening`` when empty.
    :ivar answer: the endpoint's beginning after which it may send at least 4 MiB
        of any bytes.
    :ivar foreign: beginnings that are certainly another protocol's.
    :ivar halfClose: a caller that has sent its FIN still gets its answer.
    """

    opening: bytes
    upload: bytes = b""
    answer: bytes = b""
    foreign: tuple[bytes, ...] = ()
    halfClose: bool = True


def assertResolves(testCase: TestCase, resolver: IResolver, data: bytes, verdict: Verdict) -> None:
    """
    Check a resolver at every split point of ``data``.

    Until it decides it says ``UNDECIDED``; what it decides is ``verdict``, and it
    stays so; asked again, it says the same.

    :param testCase: the test that fails otherwise.
    :param verdict: what it makes of all of ``data``.
    """
    decided = False
    for end in range(1, len(data) + 1):
        seen = data[:end]
        found = resolver.resolve(seen, False)
        _require(testCase, resolver.resolve(seen, False) is found, f"not pure at {seen!r}")
        if found is Verdict.UNDECIDED:
            _require(testCase, not decided, f"undecided again at {seen!r}")
        else:
            _require(testCase, found is verdict, f"{found} at {seen!r}")
            decided = True
    _require(testCase, decided or verdict is Verdict.UNDECIDED, f"never decided on {data!r}")


def _require(testCase: TestCase, condition: bool, otherwise: str) -> None:
    if not condition:
        raise testCase.failureException(otherwise)


def protocolTests(protocol: IMeshProtocol, conversation: Conversation) -> type[ProtocolSuite]:
    """
    A test case for one protocol, to subclass.

    :param protocol: the plugin.
    """
    return type(
        "ProtocolTests",
        (ProtocolSuite,),
        {"protocol": protocol, "conversation": conversation},
    )


class ProtocolSuite(SynchronousTestCase):
    """What every protocol promises; see :func:`protocolTests`."""

    protocol: IMeshProtocol
    conversation: Conversation

    def setUp(self) -> None:
        # Trial must not run this class by itself, but what is made from it.
        if not hasattr(self, "conversation"):
            self.skipTest("a suite without a protocol")

    def _begin(self, first: bytes) -> tuple[Ladder, Wire, Wire]:
        """A call that has reached its endpoint."""
        ladder = Ladder(self.protocol)
        caller = ladder.caller()
        ladder.say(caller, first)
        return ladder, caller, ladder.accepts()

    def _pour(self, ladder: Ladder, source: Wire) -> int:
        """Let one side say 4 MiB; return how much of it was read."""
        for _ in range(64):
            source.says(_PIECE)
        for _ in range(32):
            ladder.loop.turn()
        unread = sum(len(piece) for piece in source.fake.incoming if piece)
        return 64 * len(_PIECE) - unread

    def test_interfaces(self) -> None:
        """The plugin, its resolver, server and client are what they have to be."""
        ladder = Ladder(self.protocol)
        protocol = ladder.protocol
        verifyObject(IMeshProtocol, protocol)
        verifyObject(IResolver, protocol.resolver())
        verifyObject(ITransportClient, ladder.mesh.clients[protocol.name])
        verifyObject(IProtocol, ladder.caller().protocol)

    def test_everySplitPoint(self) -> None:
        """Wherever the network cuts the first bytes, they are recognised."""
        resolver = self.protocol.resolver()
        assertResolves(self, resolver, self.conversation.opening, Verdict.CONFIRMED)

    def test_foreign(self) -> None:
        """Another protocol's first bytes are left to it."""
        resolver = self.protocol.resolver()
        for data in self.conversation.foreign:
            assertResolves(self, resolver, data, Verdict.REJECTED)

    def test_slowEndpoint(self) -> None:
        """A caller is not read faster than its endpoint takes the bytes, and none is lost."""
        talk = self.conversation
        ladder, caller, endpoint = self._begin(talk.upload or talk.opening)
        ladder.hear(endpoint)
        endpoint.fake.room = 0
        self.assertLessEqual(self._pour(ladder, caller), _MOST_HELD)
        endpoint.fake.room = 1 << 30
        for _ in range(32):
            ladder.loop.turn()
        self.assertGreaterEqual(len(endpoint.heard), 64 * len(_PIECE))

    def test_slowCaller(self) -> None:
        """An endpoint is not read faster than the caller takes its answer, and none is lost."""
        talk = self.conversation
        ladder, caller, endpoint = self._begin(talk.opening)
        caller.fake.room = 0
        endpoint.says(talk.answer or b"!")
        self.assertLessEqual(self._pour(ladder, endpoint), _MOST_HELD)
        caller.fake.room = 1 << 30
        for _ in range(32):
            ladder.loop.turn()
        self.assertGreaterEqual(len(caller.heard), 64 * len(_PIECE))

    def test_callerEnds(self) -> None:
        """When the caller has ended, the endpoint learns of it."""
        ladder, caller, endpoint = self._begin(self.conversation.opening)
        ladder.end(caller)
        _require(self, endpoint.fake.finished or endpoint.fake.closed, "the endpoint was not told")
        if self.conversation.halfClose:
            ladder.say(endpoint, self.conversation.answer or b"!")
            _require(self, bool(ladder.hear(caller)), "the answer did not pass")
            ladder.end(endpoint)
        _require(self, caller.fake.closed and endpoint.fake.closed, "a connection is left")
        self._assertSettled(ladder)

    def test_callerResets(self) -> None:
        """When the caller's connection is reset, the endpoint is free at once."""
        ladder, caller, endpoint = self._begin(self.conversation.opening)
        ladder.reset(caller)
        _require(self, endpoint.fake.closed, "the endpoint is not free")
        self._assertSettled(ladder)

    def test_endpointResets(self) -> None:
        """An answer that breaks off in the middle does not look like a whole one."""
        ladder, caller, endpoint = self._begin(self.conversation.opening)
        ladder.say(endpoint, self.conversation.answer or b"!")
        ladder.reset(endpoint)
        _require(self, caller.fake.reset, "the caller was not reset")
        self._assertSettled(ladder)

    def test_abort(self) -> None:
        """When the node shuts down for good, every connection goes and every call is settled."""
        ladder, caller, endpoint = self._begin(self.conversation.opening)
        for server in tuple(ladder.mesh.live):
            server.drain()
        for server in tuple(ladder.mesh.live):
            server.abort()
        ladder.loop.turn()
        _require(self, caller.fake.closed and endpoint.fake.closed, "a connection is left")
        self._assertSettled(ladder)

    def _assertSettled(self, ladder: Ladder) -> None:
        """One call was made; it has ended once and nothing is left of it."""
        state = (len(ladder.ended), ladder.inFlight, len(ladder.mesh.live))
        _require(self, state == (1, 0, 0), f"ended, in flight, connections: {state}")
