# -*- test-case-name: tests.protocols.tcp.test_reset -*-
"""
Reset a connection, but not before what came before the reset has gone out.

``abortConnection`` throws unsent bytes away.  A caller whose endpoint answered and
then reset the connection would lose the answer that a direct connection gives it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer


def resetWhenFlushed(transport: Any) -> None:
    """
    Reset ``transport`` when it has sent what it has.

    :param transport: any TCP transport; its producer is unregistered.
    """
    transport.unregisterProducer()
    transport.registerProducer(_Reset(transport), False)
    # Nothing may be waiting to be sent; this makes the transport look.
    transport.writeSequence([b""])


@implementer(IPullProducer)
class _Reset:
    """
    Reset a transport when it has sent what it has.

    A transport asks a pull producer for bytes once at registration, and then when
    it has nothing left to send.
    """

    __slots__ = ("_asked", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._asked = False

    def resumeProducing(self) -> None:
        if self._asked:
            self._transport.abortConnection()
        self._asked = True

    def stopProducing(self) -> None:
        """The transport is gone already."""
