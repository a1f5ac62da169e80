"""
Redis for edgemesh: recognise RESP, count commands by name, refuse some.

A command on the wire is an array of strings; the first is its name::

    -> *2 CRLF $3 CRLF GET CRLF $5 CRLF color CRLF

Anything else (inline commands, wrong lengths) is refused, so that whatever reaches
the server has been understood here.
"""

import os
import re

from zope.interface import implementer

from edgemesh.errors import METHOD_REFUSED
from edgemesh.interfaces import IResolver, Verdict
from edgemesh.protocols.tcp.inspecting import IInspector, RefusedInStream
from edgemesh.protocols.tcp.plugin import OpaqueProtocol
from edgemesh.protocols.tcp.server import TCPServer

#: What is not a command counts under this name, and never passes.
_BROKEN = b"(BROKEN)"
#: Commands that do not pass, separated by commas; for example ``FLUSHALL,CONFIG``.
_REFUSED = os.environ.get("EDGEMESH_REDIS_REFUSE", "").upper().encode().split(b",")
#: A command up to its name; the length of a further string; what may become either.
_COMMAND = re.compile(rb"\*([1-9]\d{0,6})\r\n\$(\d{1,2})\r\n([\w.-]{1,64})\r\n")
_STRING = re.compile(rb"\$(\d{1,9})\r\n")
_BEGUN = re.compile(rb"\*(\d{1,7}\r?\n?\$?\d{0,2}\r?\n?[\w.-]{0,64}\r?)?|\$\d{0,9}\r?")


@implementer(IResolver)
class RedisResolver:
    """A client's connection begins with a command."""

    name = "redis"

    def resolve(self, data, quiet):
        if _COMMAND.match(data):
            return Verdict.CONFIRMED
        return Verdict.UNDECIDED if _BEGUN.fullmatch(data) else Verdict.REJECTED


@implementer(IInspector)
class CommandInspector:
    """Reads one caller's commands; keeps back no more than the beginning of one."""

    def __init__(self, counts, refused):
        self._counts, self._refused = counts, {*refused, _BROKEN}
        # Strings of this command that have not begun; bytes of the present one to come.
        self._kept, self._strings, self._rest = b"", 0, 0

    def fromCaller(self, data):
        data, done = self._kept + data, self._rest
        while done < len(data):
            found = (_STRING if self._strings else _COMMAND).match(data, done)
            if not found and _BEGUN.fullmatch(data, done):
                break
            done = self._pass(found, data[:done])
        self._kept, self._rest = data[done:], max(0, done - len(data))
        return data[:done]

    def _pass(self, found, before):
        """Where what was found ends; a command is counted and may be refused."""
        if found and self._strings:
            self._strings -= 1
            return found.end() + int(found[1]) + 2
        name = found[3].upper() if found and int(found[2]) == len(found[3]) else _BROKEN
        self._counts.add(name.decode("ascii"))
        if name in self._refused:
            raise RefusedInStream(before, b"-NOPERM the mesh refuses %s\r\n" % name, METHOD_REFUSED)
        self._strings = int(found[1]) - 1
        return found.end()


class Redis(OpaqueProtocol):
    """Connections are relayed whole to one endpoint, and read along."""

    def server(self, accepted):
        counts = accepted.mesh.metrics.tally("redis_commands", "Commands seen.", "command")
        return TCPServer(accepted, self.name, inspect=lambda _: CommandInspector(counts, _REFUSED))
