"""Tests of edgemesh/protocols/dialling.py."""

from __future__ import annotations

from twisted.internet.error import ConnectBindError, ConnectionRefusedError, TimeoutError
from twisted.python.failure import Failure as Reason
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import CONNECT_FAILED, NO_SOCKET, Failure
from edgemesh.handlers.routes import LiveEndpoint
from edgemesh.meta.model import Endpoint
from edgemesh.protocols.dialling import dialFailed


class Waiter:
    """Remembers why there was no connection."""

    def openFailed(self, failure: Failure, detail: str) -> None:
        """There is none."""
        self.failure = failure
        self.detail = detail


class DialFailedTests(SynchronousTestCase):
    """Only an endpoint that was asked can be to blame."""

    def failureOf(self, error: Exception) -> Failure:
        """What the waiter is told."""
        waiter = Waiter()
        dialFailed(waiter, LiveEndpoint("a.b:1", Endpoint("10.0.0.1", 80)), Reason(error))
        self.assertRegex(waiter.detail, r"\A10\.0\.0\.1:80: .")
        return waiter.failure

    def test_endpoint(self) -> None:
        """An endpoint that refuses or does not answer has failed."""
        for error in (ConnectionRefusedError(), TimeoutError()):
            self.assertIs(self.failureOf(error), CONNECT_FAILED)

    def test_ours(self) -> None:
        """When this node has no descriptor left, no endpoint's circuit opens for it."""
        self.assertIs(self.failureOf(ConnectBindError(24, "Too many open files")), NO_SOCKET)
        self.assertFalse(NO_SOCKET.endpointFault)
