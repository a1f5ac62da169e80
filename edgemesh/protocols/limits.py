# -*- test-case-name: tests.test_config -*-
"""Sizes and times that protect the node from its callers and endpoints."""

from __future__ import annotations

from edgemesh.meta.policy import Count, Seconds, Strict


class Limits(Strict, frozen=True):
    """
    What a caller may cost.  Times are seconds, sizes bytes.

    :ivar requestLine: longest request line; longer ones get 414.
    :ivar head: largest head, request line included; larger ones get 431.
    :ivar headerCount: most header fields; more get 431.
    :ivar chunkLine: longest chunk-size line with its extensions.
    :ivar trailer: largest trailer section.
    :ivar headerTimeout: for a whole request head, from its first byte.
    :ivar keepAlive: an idle connection of a caller lives this long.
    :ivar poolIdle: an idle connection to an endpoint lives this long.
    :ivar poolSize: idle connections kept for each endpoint.
    :ivar pipelined: bytes of further requests held while one is in flight.
    :ivar silence: a caller that says nothing for this long may be waiting for
        the server to speak first.
    :ivar quiet: a caller that began to speak and says nothing more for this long
        may be waiting for an answer.
    :ivar sniff: most bytes looked at to recognise a protocol.
    :ivar sniffTimeout: longest wait for a protocol to be recognised once the
        caller has begun to speak.
    :ivar earlyDials: most connections at once that wait for either side to speak.
    :ivar grace: how long calls in flight may take to finish at shutdown.
    """

    requestLine: Count = 8_192
    head: Count = 65_536
    headerCount: Count = 100
    chunkLine: Count = 256
    trailer: Count = 8_192
    headerTimeout: Seconds = 10.0
    keepAlive: Seconds = 75.0
    poolIdle: Seconds = 30.0
    poolSize: Count = 128
    pipelined: Count = 65_536
    silence: Seconds = 0.02
    quiet: Seconds = 0.04
    sniff: Count = 16_384
    sniffTimeout: Seconds = 10.0
    earlyDials: Count = 1_024
    grace: Seconds = 30.0
