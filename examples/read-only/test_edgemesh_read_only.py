"""Tests of the handler; run them with ``python -m twisted.trial test_edgemesh_read_only``."""

from edgemesh_read_only import ReadOnly, ReadOnlyStage
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from edgemesh.errors import METHOD_REFUSED, Refused
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IHandler, IStage, Side
from edgemesh.invocation import Invocation
from edgemesh.meta.model import Service, ServicePort
from edgemesh.meta.policy import Policy


def route(**annotations):
    """Service ``b`` with these annotations."""
    named = {f"edgemesh.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    port = ServicePort(80)
    return Route(Service("default", "b", (port,), annotations=named), port, Policy(), ())


class ReadOnlyTests(SynchronousTestCase):
    """Reading passes, writing is refused, and only where it is wanted."""

    def test_interfaces(self):
        """Handler and stage are what the chain expects."""
        verifyObject(IHandler, ReadOnly())
        verifyObject(IStage, ReadOnlyStage())

    def test_wanted(self):
        """Only Services with the annotation get a stage, and only on the way out."""
        handler = ReadOnly()
        self.assertIsNone(handler.compose(route(), Side.OUTBOUND, None))
        self.assertIsNone(handler.compose(route(read_only="true"), Side.INBOUND, None))
        stage = handler.compose(route(read_only="true"), Side.OUTBOUND, None)
        self.assertIsInstance(stage, ReadOnlyStage)

    def decided(self, method):
        """Let the stage decide about a call."""
        call = Invocation("http", "10.0.0.9", name=b"b", method=method)
        call.route = route(read_only="true")
        ReadOnlyStage().decide(call, 0.0)

    def test_reading(self):
        """Reading passes, and so do connections."""
        for method in (b"GET", b"HEAD", b""):
            self.decided(method)

    def test_writing(self):
        """Writing is refused with 405, and the log learns what was tried."""
        refusal = self.assertRaises(Refused, self.decided, b"DELETE")
        self.assertIs(refusal.failure, METHOD_REFUSED)
        self.assertIn("DELETE", refusal.detail)
