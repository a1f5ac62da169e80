"""
Whether everybody reads a forwarded message alike: the mesh, h11 and llhttp.

A message that did not leave whole must not look whole to anybody.  The one
exception is HTTP's own: a body that ends with the connection looks whole to a
caller whose connection was closed and not reset; such a one is reset.
"""

from __future__ import annotations

import re
from dataclasses import replace

from edgemesh.protocols.http.answers import CLOSE
from tests.conformance.oracles import (
    Disagreement,
    Reading,
    asField,
    requestByH11,
    requestByLlhttp,
    responsesByH11,
    responsesByLlhttp,
)
from tests.conformance.passage import Forwarded, RequestPassage, ResponsePassage

_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")
#: What goes no further than one connection.
_HOP_BY_HOP = frozenset((b"keep-alive", b"proxy-connection"))
#: What callers cannot say to an endpoint.
_NEVER_SENT = re.compile(rb"te|proxy-authorization|http2-settings|x-edgemesh-.*")


def judgeRequests(passage: RequestPassage) -> None:
    """
    Ask about every request that left.

    :raise Disagreement: naming the message and who reads what.
    """
    for message in passage.messages:
        ours = _ours(message)
        theirs = [
            reader(message.data, message.complete) for reader in (requestByH11, requestByLlhttp)
        ]
        _compare(message, ours, theirs)
        hosts = [value for name, value in ours.fields if name == b"host"]
        if len(hosts) != 1:
            raise Disagreement(f"{len(hosts)} Hosts left: {message.head!r}")
        if any(_NEVER_SENT.fullmatch(name) for name, _ in ours.fields):
            raise Disagreement(f"a field left that may not: {message.head!r}")


def judgeResponses(passage: ResponsePassage, method: bytes) -> None:
    """
    Ask about everything that left for one caller.

    :raise Disagreement: naming the message and who reads what.
    """
    messages = passage.messages
    data = b"".join(message.data for message in messages)
    everybody = [reader(data, method) for reader in (responsesByH11, responsesByLlhttp)]
    for readings in everybody:
        if len(readings) != len(messages):
            raise Disagreement(f"{len(readings)} answers read, {len(messages)} left: {data!r}")
    for position, message in enumerate(messages):
        # Cut off by a reset, which the bytes alone cannot show.
        reset = not message.complete and message.head.endswith(CLOSE + b"\r\n")
        theirs = [
            replace(readings[position], complete=False) if reset else readings[position]
            for readings in everybody
        ]
        _compare(message, _ours(message), theirs)


def _ours(message: Forwarded) -> Reading:
    """What the mesh believes to have forwarded."""
    fields = []
    for line in message.head.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        fields.append(asField(name, value))
    return Reading(message.start, tuple(fields), message.payload, (), message.complete)


def _compare(message: Forwarded, ours: Reading, theirs: list[Reading]) -> None:
    first, second = theirs
    if first != second:
        raise Disagreement(f"h11 reads {first!r}, llhttp {second!r}")
    if replace(first, trailers=()) != ours:
        raise Disagreement(f"they read {first!r}, we {ours!r}")
    if _CONTROLS.search(message.head) is not None:
        raise Disagreement(f"a control byte left: {message.head!r}")
    left = [name for name, _ in ours.fields if name in _HOP_BY_HOP]
    if left:
        raise Disagreement(f"{left!r} left")
