# -*- test-case-name: tests.protocols.test_dialling -*-
"""
Whose fault it is that a connection could not be made.

Knows Twisted's reasons; every transport client says them in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectBindError
from twisted.python.failure import Failure as Reason

from edgemesh.errors import CONNECT_FAILED, NO_SOCKET
from edgemesh.interfaces import IUpstreamWaiter

if TYPE_CHECKING:
    from edgemesh.handlers.routes import LiveEndpoint


def dialFailed(waiter: IUpstreamWaiter, endpoint: LiveEndpoint, reason: Reason) -> None:
    """Tell who waits for a connection that there will be none."""
    # Nothing was sent when there is not even a socket, so no circuit may open for it.
    ours = reason.check(ConnectBindError)  # type: ignore[no-untyped-call]
    failure = NO_SOCKET if ours else CONNECT_FAILED
    waiter.openFailed(failure, f"{endpoint.address}: {reason.getErrorMessage()}")
