"""
A handler for edgemesh: a Service that is only to be read.

With the annotation ``edgemesh.io/read-only: "true"`` every request that may change
something is refused with 405.  Connections that are not HTTP pass: nobody knows what
they ask for.
"""

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.errors import METHOD_REFUSED, Refused
from edgemesh.interfaces import IHandler, IStage, Side

READING = (b"", b"GET", b"HEAD", b"OPTIONS")


@implementer(IStage)
class ReadOnlyStage:
    """Refuses what writes to one service port; takes nothing, so gives nothing back."""

    picks = False
    perAttempt = False

    def decide(self, invocation, now):
        if invocation.method not in READING:
            method = invocation.method.decode("ascii", "replace")
            raise Refused(METHOD_REFUSED, f"{invocation.route.key} is read-only: {method}")

    def release(self, invocation, now):
        """Nothing was taken."""

    def answered(self, invocation, now):
        """Nothing to learn from it."""

    def settle(self, invocation, outcome, now):
        """Nothing to learn from it."""

    def explain(self, now):
        return "read-only: GET, HEAD and OPTIONS pass"


@implementer(IPlugin, IHandler)
class ReadOnly:
    """Makes a stage for the Services that say so, looking outbound."""

    name = "readonly"

    def compose(self, route, side, former):
        wanted = route.service.annotations.get("edgemesh.io/read-only") == "true"
        return ReadOnlyStage() if wanted and side is Side.OUTBOUND else None
