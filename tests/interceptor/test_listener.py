"""Tests of edgemesh/interceptor/listener.py."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from edgemesh.interceptor.listener import InterceptedFactory, Listener
from edgemesh.interceptor.recognition import Recognition
from edgemesh.protocols.tcp.plugin import TCP
from tests.protocols.meshes import KEY, Bench


class FakePort:
    """A listening port."""

    def __init__(self, where: object) -> None:
        self.where = where
        self.closed: Deferred[None] | None = None

    def getHost(self) -> object:
        """Where it listens."""
        return self.where

    def stopListening(self) -> Deferred[None]:
        """Closes when the test says so."""
        self.closed = Deferred()
        return self.closed


@implementer(IStreamServerEndpoint)
class FakeEndpoint:
    """Listens, or does not."""

    def __init__(self, result: Deferred[object]) -> None:
        self.result = result
        self.factory: InterceptedFactory | None = None

    def listen(self, factory: InterceptedFactory) -> Deferred[object]:
        """Try."""
        self.factory = factory
        return self.result


class ListenerTests(SynchronousTestCase):
    """A listener opens when it is started and has closed when it says so."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.recognition = Recognition(
            self.bench.mesh, self.bench.loop, {"tcp": TCP}, lambda asked: ""
        )

    def make(self, result: Deferred[object]) -> Listener:
        """One on a fake address."""
        self.listenAt = FakeEndpoint(result)
        return Listener("web", self.listenAt, self.recognition, KEY)

    def test_lifeCycle(self) -> None:
        """It knows its address while it listens, and stops when the port has closed."""
        port = FakePort(IPv4Address("TCP", "127.0.0.1", 18080))
        listener = self.make(succeed(port))
        self.assertIsNone(self.listenAt.factory)
        self.assertEqual((listener.name, listener.address), ("web", ""))
        listener.startService()
        self.assertEqual(listener.address, "127.0.0.1:18080")
        stopped = listener.stopService()
        self.assertNoResult(stopped)
        assert port.closed is not None
        port.closed.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(listener.address, "")

    def test_otherAddresses(self) -> None:
        """Addresses are written as people write them."""
        for where, text in (
            (IPv4Address("TCP", "::1", 80), "[::1]:80"),
            (UNIXAddress(b"/run/mesh"), "/run/mesh"),
        ):
            listener = self.make(succeed(FakePort(where)))
            listener.startService()
            self.assertEqual(listener.address, text)

    def test_taken(self) -> None:
        """An address that is not to be had stops start-up."""
        listener = self.make(fail(CannotListenError("127.0.0.1", 1, OSError("in use"))))
        self.assertRaises(CannotListenError, listener.startService)
        self.successResultOf(listener.stopService())

    def test_failsLater(self) -> None:
        """A failure that comes later is logged."""
        result: Deferred[object] = Deferred()
        listener = self.make(result)
        listener.startService()
        result.errback(CannotListenError("h", 1, OSError("late")))
        self.assertEqual(len(self.flushLoggedErrors(CannotListenError)), 1)
        self.successResultOf(listener.stopService())

    def test_stoppedBefore(self) -> None:
        """Stopping before the port is open gives up waiting for it."""
        listener = self.make(Deferred())
        listener.startService()
        self.successResultOf(listener.stopService())

    def test_neverStarted(self) -> None:
        """Stopping what was not started is nothing."""
        self.successResultOf(self.make(Deferred()).stopService())


class InterceptedFactoryTests(SynchronousTestCase):
    """Accepted connections begin unrecognised."""

    def setUp(self) -> None:
        bench = Bench()
        self.recognition = Recognition(bench.mesh, bench.loop, {"tcp": TCP}, lambda asked: "")

    def test_accepted(self) -> None:
        """A connection knows its caller, and whom the listener stands for at that moment."""
        current = ["a.b:1"]
        factory = InterceptedFactory(self.recognition, lambda: current[0], False)
        address = IPv4Address("TCP", "10.0.0.7", 999)
        self.assertIn("10.0.0.7 -> a.b:1", repr(factory.buildProtocol(address)))
        current[0] = "c.d:2"
        self.assertIn("c.d:2", repr(factory.buildProtocol(address)))

    def test_callers(self) -> None:
        """A caller has the same address whichever kind of socket took its connection."""
        factory = InterceptedFactory(self.recognition, "a.b:1", False)
        for address, caller in (
            (IPv6Address("TCP", "::ffff:10.0.0.7", 999), "10.0.0.7"),
            (IPv6Address("TCP", "2001:db8::7", 999), "2001:db8::7"),
            (IPv6Address("TCP", "::ffff:0:1", 999), "::ffff:0:1"),
            (UNIXAddress(b""), ""),
        ):
            self.assertIn(f" {caller} -> ", repr(factory.buildProtocol(address)))

    def test_proxy(self) -> None:
        """A proxy stands for no service."""
        factory = InterceptedFactory(self.recognition, "", True)
        self.assertIn("-> proxy", repr(factory.buildProtocol(None)))
