# -*- test-case-name: tests.dns.test_upstream -*-
"""
One upstream server, and one question to it.

Every question goes out from a socket of its own, from a random port, with a random
number, and only what comes from the server's address and repeats the question is
an answer: who cannot see the question cannot forge one.  A truncated answer is
asked for again over TCP, from the same server::

    ASKED --answer--------------------------> ENDED
      |---truncated--> STREAMING --answer---> ENDED
      |---no room for EDNS--> ASKED (without)
      any --refused, broken, cancelled------> ENDED

There is no time limit here: whoever asks cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from errno import EACCES, EADDRINUSE
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory
from twisted.logger import Logger
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from edgemesh.dns.addresses import Address
from edgemesh.dns.answers import Answer
from edgemesh.dns.datagrams import Asking, AskingSocket, openAsking
from edgemesh.dns.packets import (
    FORMAT_ERROR,
    NAME_ERROR,
    NO_ERROR,
    NOT_IMPLEMENTED,
    Malformed,
)
from edgemesh.dns.queries import Ask, askBytes

#: Ports tried before this machine has none to spare.
_PORT_TRIES = 10
_FIRST_PORT, _LAST_PORT = 1_024, 65_535
#: Another port may be had, when this one is taken or is the system's own.
_MAY_HELP = (EADDRINUSE, EACCES)
_CONNECT_SECONDS = 2.0
_LONGEST_AWAY = 30.0

#: Who waits: gets the answer, or None when this server has none.
Told = Callable[[Answer | None], None]


log = Logger()


class Upstream:
    """
    An upstream server and what is known of its health.

    :ivar avoidUntil: it did not answer lately; it is the last choice until then.
    :param random: 16 random bits; numbers and ports come from it.
    :param opened: makes a socket to an address, from a port.
    """

    def __init__(
        self,
        reactor: Any,
        address: Address,
        random: Callable[[], int] = dns.randomSource,
        opened: Callable[[Any, Address, int, Asking], AskingSocket] = openAsking,
    ) -> None:
        self.reactor = reactor
        self.address = address
        self.random = random
        self.opened = opened
        self.avoidUntil = 0.0
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Upstream {self.address}, {self._failures} failures in a row>"

    def worked(self) -> None:
        """It answered."""
        self._failures = 0
        self.avoidUntil = 0.0

    def failed(self, now: float) -> None:
        """It did not answer in time, or not at all."""
        if now < self.avoidUntil:
            return
        self._failures += 1
        away = min(_LONGEST_AWAY, 2.0 ** min(self._failures, 5))
        # A quarter of it is chance, so that nodes do not come back all at once.
        self.avoidUntil = now + away * (0.75 + 0.25 * self.random() / 0xFFFF)

    def exchange(self, ask: Ask, told: Told) -> Exchange:
        """One question to this server; it begins with ``start``."""
        return Exchange(self, ask, told)


class _State(Enum):
    """How far an exchange is."""

    NEW = "not started"
    ASKED = "waiting for a datagram"
    STREAMING = "waiting for an answer over TCP"
    ENDED = "over"


class Exchange:
    """
    One question to one server, and its answer.

    :param told: called once, perhaps before ``start`` returns; not after ``cancel``.
    """

    def __init__(self, upstream: Upstream, ask: Ask, told: Told) -> None:
        self.upstream = upstream
        self._ask = ask
        self._told = told
        self._edns = True
        self._id = upstream.random()
        self._state = _State.NEW
        self._socket: AskingSocket | None = None
        self._connector: Any = None

    def __repr__(self) -> str:
        return f"<Exchange with {self.upstream.address}: {self._state.value}>"

    def start(self) -> None:
        """Send the question."""
        self._state = _State.ASKED
        upstream = self.upstream
        for _ in range(_PORT_TRIES):
            port = _FIRST_PORT + upstream.random() % (_LAST_PORT + 1 - _FIRST_PORT)
            try:
                self._socket = upstream.opened(upstream.reactor, upstream.address, port, self)
            except OSError as error:
                if error.errno in _MAY_HELP:
                    continue
            break
        self._send()

    def cancel(self) -> None:
        """Nobody waits any more; every socket is closed."""
        self._state = _State.ENDED
        self._close()

    def received(self, datagram: bytes) -> None:
        """Whoever knows the server's address says this."""
        answer = self._read(datagram)
        if answer is None or self._state is not _State.ASKED:
            return
        if self._edns and answer.code in (FORMAT_ERROR, NOT_IMPLEMENTED):
            # It is older than EDNS.
            self._edns = False
            self._send()
        elif answer.truncated:
            self._stream()
        else:
            self._finish(answer)

    def refused(self) -> None:
        """Nobody listens there."""
        if self._state is _State.ASKED:
            self._end(None)

    def streamed(self, data: bytes | None) -> None:
        """The answer over TCP; None when the connection was closed without one."""
        if self._state is not _State.STREAMING:
            return
        answer = None if data is None else self._read(data)
        if answer is None or answer.truncated:
            self._end(None)
        else:
            self._finish(answer)

    @property
    def query(self) -> bytes:
        """What is sent."""
        return askBytes(self._id, self._ask, self._edns)

    def _send(self) -> None:
        try:
            if self._socket is not None:
                self._socket.send(self.query)
                return
        except OSError as error:
            log.debug(
                "{address} cannot be asked: {error}", address=self.upstream.address, error=error
            )
        self._end(None)

    def _stream(self) -> None:
        self._state = _State.STREAMING
        self._close()
        address = self.upstream.address
        self._connector = self.upstream.reactor.connectTCP(
            address.host, address.port, _StreamFactory(self), timeout=_CONNECT_SECONDS
        )

    def _read(self, data: bytes) -> Answer | None:
        """The answer, if it is one to this question."""
        try:
            answer = Answer(data)
        except Malformed:
            return None
        return answer if (answer.id, answer.question) == (self._id, self._ask.question) else None

    def _finish(self, answer: Answer) -> None:
        # Any other code says that this server could not find out; another may.
        self._end(answer if answer.code in (NO_ERROR, NAME_ERROR) else None)

    def _end(self, answer: Answer | None) -> None:
        if self._state is not _State.ENDED:
            self.cancel()
            self._told(answer)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._connector is not None:
            self._connector.disconnect()
            self._connector = None


class _Stream(Int16StringReceiver):
    """The same question over TCP."""

    factory: _StreamFactory

    def connectionMade(self) -> None:
        self.sendString(self.factory.exchange.query)  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:
        self.factory.exchange.streamed(string)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.factory.exchange.streamed(None)


class _StreamFactory(ClientFactory):
    """Makes the one connection of an exchange."""

    noisy = False

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def buildProtocol(self, addr: IAddress | None) -> Any:
        stream = _Stream()
        stream.factory = self
        return stream

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.exchange.streamed(None)
