"""The suites pass for what is right, and fail for what is wrong."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.mesh import Accepted
from edgemesh.protocols.tcp.plugin import TCP, OpaqueProtocol
from edgemesh.protocols.tcp.resolver import TCPResolver
from edgemesh.testing import Conversation, assertResolves, protocolTests

TALK = Conversation(opening=b"ping")


class TCPTests(protocolTests(TCP, TALK)):  # type: ignore[misc]
    """What is relayed as it is keeps every promise."""


@implementer(IResolver)
class Scripted:
    """
    A resolver with a verdict for each length.

    :param script: one letter for each: R, U or C; the last one for all longer ones.
    """

    name = "scripted"

    def __init__(self, script: str) -> None:
        self.script = script
        self.asked = 0

    def resolve(self, data: bytes, quiet: bool) -> Verdict:
        self.asked += 1
        letter = self.script[min(len(data), len(self.script)) - 1]
        if letter == "?":  # not pure
            letter = "UC"[self.asked % 2]
        return {"R": Verdict.REJECTED, "U": Verdict.UNDECIDED, "C": Verdict.CONFIRMED}[letter]


class AssertResolvesTests(SynchronousTestCase):
    """The check of resolvers."""

    def passes(self, script: str, verdict: Verdict) -> bool:
        """Whether a resolver with such a script passes."""
        try:
            assertResolves(self, Scripted(script), b"abcd", verdict)
        except self.failureException:
            return False
        return True

    def test_right(self) -> None:
        """Undecided first, then the verdict; or the verdict at once; or never decided."""
        self.assertTrue(self.passes("UUUC", Verdict.CONFIRMED))
        self.assertTrue(self.passes("C", Verdict.CONFIRMED))
        self.assertTrue(self.passes("UR", Verdict.REJECTED))
        self.assertTrue(self.passes("U", Verdict.UNDECIDED))

    def test_wrong(self) -> None:
        """Another verdict, a change of mind, no verdict, or a memory."""
        self.assertFalse(self.passes("UUUR", Verdict.CONFIRMED))
        self.assertFalse(self.passes("RC", Verdict.CONFIRMED))
        self.assertFalse(self.passes("CUC", Verdict.CONFIRMED))
        self.assertFalse(self.passes("U", Verdict.CONFIRMED))
        self.assertFalse(self.passes("UC", Verdict.UNDECIDED))
        self.assertFalse(self.passes("?", Verdict.CONFIRMED))


class Deaf(Protocol):
    """A server that reads everything, as fast as it can, and does nothing."""


class DeafProtocol(OpaqueProtocol):
    """A protocol whose server keeps no promise."""

    def server(self, accepted: Accepted) -> IProtocol:
        return Deaf()


class ProtocolTestsTests(SynchronousTestCase):
    """The suite for whole protocols."""

    def outcome(self, protocol: OpaqueProtocol, talk: Conversation) -> tuple[int, int]:
        """How many tests ran, and how many of them did not pass."""
        case = protocolTests(protocol, talk)
        result = TestResult()
        for name in dir(case):
            if name.startswith("test_"):
                case(name).run(result)
        return result.testsRun, len(result.failures) + len(result.errors)

    def test_right(self) -> None:
        """A protocol that keeps its promises passes."""
        ran, failed = self.outcome(TCP, TALK)
        self.assertEqual((ran >= 9, failed), (True, 0))

    def test_wrong(self) -> None:
        """A server that does nothing passes only what no server is asked for."""
        ran, failed = self.outcome(DeafProtocol("deaf", TCPResolver()), TALK)
        self.assertEqual(ran - failed, 3)

    def test_foreign(self) -> None:
        """A resolver that takes everything is found out."""
        _, failed = self.outcome(TCP, Conversation(opening=b"ping", foreign=(b"x",)))
        self.assertEqual(failed, 1)
