# -*- test-case-name: tests.protocols.tcp.test_inspecting -*-
"""
What a protocol plugin may do with the bytes of an opaque connection.

An inspector reads along as the caller's bytes go to the endpoint.  It can count
what it sees, keep bytes back until it understands them, change them, or refuse
to let the rest through::

    caller -->  fromCaller(data) -> data  --> endpoint
    caller <--------------------------------- endpoint

It knows nothing of transports, so a test of it is a function call.
"""

from __future__ import annotations

from zope.interface import Interface

from edgemesh.errors import Failure, MeshError


class IInspector(Interface):
    """Reads along on one connection; made anew for each."""

    def fromCaller(data: bytes) -> bytes:
        """
        The caller sent something.

        :param data: the next bytes, cut anywhere; empty once, when the caller
            has ended, so that what is still kept back can go out.
        :return: what the endpoint gets now; bytes kept back are the inspector's
            to bound.
        :raise RefusedInStream: the endpoint gets nothing more.
        """


class RefusedInStream(MeshError):
    """
    An inspector lets no more of the caller's bytes through.

    The endpoint still answers what it got before; these answers reach the caller
    first, in order, then ``reply``, then the connection ends.

    :ivar forward: bytes that go out before the refused ones.
    :ivar reply: the protocol's own words for the refusal.
    :ivar failure: the row of the failure table.
    """

    def __init__(self, forward: bytes, reply: bytes, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.forward = forward
        self.reply = reply
        self.failure = failure
