# -*- test-case-name: tests.dns.test_datagrams -*-
"""
One UDP socket for one question.

Twisted's own UDP port writes two lines of log whenever one is opened and closed, and
with epoll it does not say that the peer refused; for a socket that lives for one
question both matter.  Works on every reactor that watches file descriptors.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from edgemesh.dns.addresses import Address
from edgemesh.dns.packets import LARGEST_STREAMED

#: Datagrams taken at one go; the reactor has others to look after.
_MOST_AT_ONCE = 16


class Asking(Protocol):
    """Who has such a socket."""

    def received(self, datagram: bytes) -> None:
        """A datagram came from the server's address."""

    def refused(self) -> None:
        """Nobody is there; the socket is closed."""


def connectedSocket(server: Address, port: int) -> socket.socket:
    """
    A socket that is connected to one server: the kernel drops what others send.

    :param port: its own; the caller chooses it by chance.
    :raise OSError: the port is taken, there is no way to the server, or no socket left.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind(("", port))
        # An address with a zone (fe80::1%eth0) is more than two values.
        kind, numeric = socket.SOCK_DGRAM, socket.AI_NUMERICHOST
        found = socket.getaddrinfo(server.host, server.port, family, kind, 0, numeric)
        made.connect(found[0][4])
    except OSError:
        made.close()
        raise
    return made


@implementer(IReadDescriptor)
class AskingSocket:
    """
    Such a socket, watched by the reactor.

    :param connected: see :func:`connectedSocket`; the socket is closed with this.
    """

    def __init__(self, reactor: Any, connected: socket.socket, asking: Asking) -> None:
        self._reactor = reactor
        self._asking = asking
        self._open = True
        self._socket = connected
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "dns"

    def send(self, datagram: bytes) -> None:
        """
        Send it.

        :raise OSError: it cannot be sent, or the server refused one before.
        """
        self._socket.send(datagram)

    def doRead(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            if not self._open:
                return
            try:
                datagram = self._socket.recv(LARGEST_STREAMED)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._refused()
                return
            self._asking.received(datagram)

    def connectionLost(self, reason: Failure) -> None:
        # So a reactor says that the socket has an error, for example with epoll.
        self._refused()

    def close(self) -> None:
        """Take nothing more."""
        if self._open:
            self._open = False
            self._reactor.removeReader(self)
            self._socket.close()

    def _refused(self) -> None:
        if self._open:
            self.close()
            self._asking.refused()


def openAsking(reactor: Any, server: Address, port: int, asking: Asking) -> AskingSocket:
    """
    A watched socket from ``port`` to ``server``.

    :raise OSError: see :func:`connectedSocket`.
    """
    return AskingSocket(reactor, connectedSocket(server, port), asking)
