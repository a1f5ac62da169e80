"""Tests of the Redis plugin; run them with ``python -m twisted.trial test_edgemesh_redis``."""

from edgemesh_redis import CommandInspector, Redis, RedisResolver
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.metrics import Tally
from edgemesh.protocols.tcp.inspecting import RefusedInStream
from edgemesh.testing import Conversation, protocolTests


def command(*strings):
    """A command as it is on the wire."""
    parts = [b"*%d\r\n" % len(strings)]
    parts += [b"$%d\r\n%s\r\n" % (len(string), string) for string in strings]
    return b"".join(parts)


TALK = Conversation(
    opening=command(b"PING"),
    upload=b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$8388608\r\n",
    answer=b"$8388608\r\n",
    foreign=(b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"*hello", b"* LIST", b"EHLO x\r\n"),
)


class PromisesTests(protocolTests(Redis("redis", RedisResolver()), TALK)):
    """What every protocol of the mesh promises."""


class InspectorTests(SynchronousTestCase):
    """Commands are counted and refused, wherever the network cuts them."""

    # The value of SET looks like a command, and is none.
    passing = command(b"SET", b"k", command(b"FLUSHALL")) + command(b"get", b"k") + command(b"PING")

    def setUp(self):
        self.tally = Tally("redis_commands", "Commands seen.", "command")

    def passed(self, data, size):
        """What gets through when the bytes come in pieces of this size; and the refusal."""
        inspector = CommandInspector(self.tally, [b"FLUSHALL"])
        passed = b""
        try:
            for start in range(0, len(data), size):
                passed += inspector.fromCaller(data[start : start + size])
        except RefusedInStream as refusal:
            return passed + refusal.forward, refusal.reply
        return passed, None

    def test_everySplitPoint(self):
        """All bytes pass unchanged, and each command counts once."""
        for size in range(1, len(self.passing) + 1):
            self.setUp()
            self.assertEqual(self.passed(self.passing, size), (self.passing, None))
            self.assertEqual(self.tally.counts, {"SET": 1, "GET": 1, "PING": 1})

    def test_refused(self):
        """What stands before a refused command passes, it and what follows does not."""
        data = self.passing + command(b"FlushAll") + command(b"PING")
        for size in range(1, len(data) + 1):
            reply = b"-NOPERM the mesh refuses FLUSHALL\r\n"
            self.assertEqual(self.passed(data, size), (self.passing, reply))

    def test_notUnderstood(self):
        """What the server might read otherwise than we do never reaches it."""
        for data in (
            b"FLUSHALL\r\n",
            b"*-1\r\n",
            b"*1\r\n$3\r\nFLUSHALL\r\n",
            b"*1\r\n$9\r\nFLUSHALL\r\n",
            b"*1\r\n$8\r\nFLUSH\nALL\r\n",
            command(b"SET").replace(b"*1", b"*2") + b"$-1\r\n",
        ):
            passed, reply = self.passed(data, len(data))
            self.assertNotIn(b"FLUSHALL", passed)
            self.assertIn(b"BROKEN", reply)

    def test_bounded(self):
        """However long a command's beginning is drawn out, little of it is kept."""
        inspector = CommandInspector(self.tally, [])
        self.assertRaises(RefusedInStream, inspector.fromCaller, b"*1\r\n$99\r\n" + b"A" * 99)
