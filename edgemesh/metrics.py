# -*- test-case-name: tests.test_metrics -*-
"""
What the node counts, as plain cells: integers, and lists of them.

Counting is an attribute store or a list increment; nothing is formatted, locked
or looked up by label.  Reading the cells and writing them as text happens when
somebody asks, in :mod:`edgemesh.admin.exposition`.  May know invocation and
errors only; knows no clock, no transport and no text format.

Callers cannot make the node remember more: a call to an unknown service counts
under the service ``""``, request methods and paths are never kept, and
status codes outside 100..599 count as 0.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemesh.invocation import Invocation, Outcome

#: Upper bounds of the duration buckets, in seconds.
DURATIONS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip

#: Upper bounds of the recognition buckets; the node promises 50 ms for a silent caller.
RECOGNITIONS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)

#: Where services beyond :attr:`Metrics.most` are counted together.
OTHERS = "(others)"


class Histogram:
    """
    How often a value fell into each of some fixed buckets.

    :ivar bounds: upper bounds, rising; a value equal to one belongs to it.
    :ivar counts: one cell for each bound and one for everything above.
    :ivar total: the sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class CallCells:
    """
    The calls of one service port over one protocol.

    :ivar outcomes: calls by status code and reason word; the word is empty when
        the call went well.
    :ivar durations: seconds until the answer began (HTTP) or the connection ended.
    :ivar received: bytes from callers.
    :ivar sent: bytes to callers.
    """

    __slots__ = ("durations", "outcomes", "received", "sent")

    def __init__(self) -> None:
        self.outcomes: dict[tuple[int, str], int] = {}
        self.durations = Histogram(DURATIONS)
        self.received = 0
        self.sent = 0

    def newOutcome(self, ending: tuple[int, str]) -> None:
        """Count an ending that is not among ``outcomes``."""
        status, reason = ending
        known = (status if 100 <= status < 600 else 0, reason)
        self.outcomes[known] = self.outcomes.get(known, 0) + 1


class ConnectionCells:
    """Connections of one protocol: how many were opened, how many have closed."""

    __slots__ = ("closed", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0


class Tally:
    """
    How often each value of one label came: what a plugin counts.

    It becomes ``edgemesh_NAME_total{LABEL="value"}``.

    :ivar name: of the metric, without prefix and suffix: ``redis_commands``.
    :ivar meaning: one sentence for its help line.
    :ivar label: what the values are: ``command``.
    :ivar counts: by value.
    :param most: values counted one by one; all others count together, so that
        callers cannot make the node remember more.
    """

    __slots__ = ("_most", "counts", "label", "meaning", "name")

    def __init__(self, name: str, meaning: str, label: str, most: int = 500) -> None:
        self.name = name
        self.meaning = meaning
        self.label = label
        self.counts: dict[str, int] = {}
        self._most = most

    def add(self, value: str) -> None:
        """Count one."""
        if value not in self.counts and len(self.counts) >= self._most:
            value = OTHERS
        self.counts[value] = self.counts.get(value, 0) + 1


class Metrics:
    """
    Everything the node counts while it works.

    What already counts itself (endpoints, limits, circuits) is not counted again
    here.

    :ivar calls: by service port key and protocol; the key is empty for calls
        that no service port was found for.
    :ivar detection: seconds until a protocol was recognised, by protocol.
    :ivar connections: by protocol.
    :ivar detectTimeouts: connections whose protocol had to be guessed in the end.
    :ivar linesDropped: access log lines that found no room.
    :ivar tallies: what plugins count, by name.
    :ivar most: service ports and protocols counted one by one; the cells of a
        service that is gone are kept, since a counter must not go backwards.
    """

    __slots__ = (
        "calls",
        "connections",
        "detectTimeouts",
        "detection",
        "linesDropped",
        "most",
        "tallies",
    )

    def __init__(self, most: int = 10_000) -> None:
        self.calls: dict[tuple[str, str], CallCells] = {}
        self.connections: dict[str, ConnectionCells] = {}
        self.detection: dict[str, Histogram] = {}
        self.detectTimeouts = 0
        self.linesDropped = 0
        self.tallies: dict[str, Tally] = {}
        self.most = most

    def callEnded(self, invocation: Invocation, outcome: Outcome) -> None:
        """Count a call that ended, well or not."""
        route = invocation.route
        key = ("" if route is None else route.key, invocation.protocol)
        cells = self.calls.get(key)
        if cells is None:
            cells = self._newCalls(key)
        failure = outcome.failure
        ending = (outcome.status, "" if failure is None else failure.reason)
        try:
            cells.outcomes[ending] += 1
        except KeyError:
            cells.newOutcome(ending)
        latency = outcome.latency
        durations = cells.durations
        durations.counts[bisect_left(DURATIONS, latency)] += 1
        durations.total += latency
        cells.received += outcome.received
        cells.sent += outcome.sent

    def detected(self, protocol: str, seconds: float) -> None:
        """A connection's protocol is known, so long after it was accepted."""
        histogram = self.detection.get(protocol)
        if histogram is None:
            histogram = self.detection[protocol] = Histogram(RECOGNITIONS)
        histogram.observe(seconds)

    def tally(self, name: str, meaning: str, label: str) -> Tally:
        """
        The tally of this name, made when it is asked for first; for plugins.

        :param name: lower-case words joined by ``_``.
        """
        found = self.tallies.get(name)
        if found is None:
            found = self.tallies[name] = Tally(name, meaning, label)
        return found

    def connectionOpened(self, protocol: str) -> None:
        """A caller's connection has found its server."""
        cells = self.connections.get(protocol)
        if cells is None:
            cells = self.connections[protocol] = ConnectionCells()
        cells.opened += 1

    def connectionClosed(self, protocol: str) -> None:
        """A connection that :meth:`connectionOpened` was told of is gone."""
        self.connections[protocol].closed += 1

    def _newCalls(self, key: tuple[str, str]) -> CallCells:
        if len(self.calls) >= self.most:
            key = (OTHERS, key[1])
        return self.calls.setdefault(key, CallCells())
