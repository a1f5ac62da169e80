"""Tests of edgemesh/interceptor/recognition.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.errors import ConfigurationError
from edgemesh.interceptor.recognition import Places, Recognition
from edgemesh.protocols.grpc.plugin import GRPC
from edgemesh.protocols.tcp.plugin import TCP
from tests.protocols.meshes import Bench


class PlacesTests(SynchronousTestCase):
    """Early dials are bounded, and the bound is fair."""

    def setUp(self) -> None:
        self.places = Places(1)
        self.called: list[str] = []

    def waiting(self, name: str) -> object:
        """Somebody who takes the place that is free."""

        def call() -> None:
            if self.places.take(call):
                self.called.append(name)

        return call

    def test_order(self) -> None:
        """Who waits longest is next."""
        for name in "abc":
            self.waiting(name)()
        self.places.give()
        self.assertEqual(self.called, ["a", "b"])
        self.places.give()
        self.places.give()
        self.assertEqual((self.called, self.places.free), (["a", "b", "c"], 1))

    def test_forget(self) -> None:
        """Who has left is not called."""
        first, gone, last = map(self.waiting, "abc")
        for call in (first, gone, last):
            call()
        self.places.forget(gone)
        self.places.forget(gone)
        self.places.give()
        self.assertEqual(self.called, ["a", "c"])

    def test_offered(self) -> None:
        """Who could do without its place keeps it until somebody needs it."""

        def leave() -> None:
            self.called.append("left")
            self.places.give(leave)

        a, b, c = map(self.waiting, "abc")
        a()
        self.places.offer(leave)
        self.assertEqual(self.called, ["a"])
        b()
        self.assertEqual(self.called, ["a", "left", "b"])
        c()
        self.places.offer(leave)
        self.assertEqual(self.called[3:], ["left", "c"])

    def test_offerTakenBack(self) -> None:
        """Who has given its place back is not asked to leave."""
        a, b, c = map(self.waiting, "abc")
        a()
        leave = self.waiting("never")
        self.places.offer(leave)
        self.places.give(leave)
        b()
        c()
        self.assertEqual(self.called, ["a", "b"])

    def test_manyRefused(self) -> None:
        """Thousands who give their place back at once do not exhaust the stack."""

        def give() -> None:
            self.called.append("x")
            self.places.take(give)
            self.places.give()

        self.places.take(give)
        for number in range(5000):
            self.places.take(lambda number=number: give())
        self.places.give()
        self.assertEqual((len(self.called), self.places.free), (5000, 1))


class RecognitionTests(SynchronousTestCase):
    """What a node's listeners share."""

    def make(self, configured: str, *protocols: object) -> Recognition:
        """One whose service ports are all configured the same."""
        self.bench = Bench()
        named = {one.name: one for one in protocols}
        return Recognition(self.bench.mesh, self.bench.loop, named, lambda asked: configured)

    def test_known(self) -> None:
        """A configured protocol counts where there is a service and a plugin."""
        self.assertEqual(self.make("tcp", GRPC, TCP).known("a.b:1"), "tcp")
        self.assertEqual(self.make("tcp", GRPC, TCP).known(""), "")
        self.assertEqual(self.make("mysql", GRPC, TCP).known("a.b:1"), "")
        self.assertEqual(self.make("", GRPC, TCP).known("a.b:1"), "")

    def test_brokenResolver(self) -> None:
        """A plugin that cannot make its resolver is named in one line."""

        class Broken:
            name = "broken"

            def resolver(self) -> None:
                raise ValueError("no resolver")

        problem = self.assertRaises(ConfigurationError, self.make, "", Broken(), TCP)
        self.assertEqual(str(problem), "protocols: 'broken' is broken: ValueError: no resolver")

    def test_stop(self) -> None:
        """When every connection is over no timer is left."""
        recognition = self.make("", GRPC, TCP)
        called: list[int] = []
        before = len(self.bench.loop.getDelayedCalls())
        for waits in (recognition.silence, recognition.quiet, recognition.fruitless):
            waits.wait(lambda: called.append(1))
        recognition.stop()
        self.assertEqual(len(self.bench.loop.getDelayedCalls()), before)
        self.bench.loop.advance(5.0)
        self.assertEqual(called, [])

    def test_speaksFirst(self) -> None:
        """Without the opaque protocol nobody is dialled early."""
        self.assertTrue(self.make("", GRPC, TCP).speaksFirst)
        self.assertFalse(self.make("", GRPC).speaksFirst)
