# -*- test-case-name: tests.interceptor.test_resolving -*-
"""
Ask the resolvers, in the configured order, what some bytes are.

A protocol is found when its resolver confirms and all ahead of it have rejected.
Knows resolvers and bytes; no connection, no time.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from edgemesh.errors import ConfigurationError
from edgemesh.interfaces import IResolver, Verdict


class ResolverChain:
    """
    Resolvers in order; the last one's protocol is the fallback.

    A resolver that raises has a defect: that is logged, and counts as a rejection.

    :param resolvers: at least one.
    """

    log = Logger()

    def __init__(self, resolvers: Sequence[IResolver]) -> None:
        if not resolvers:
            raise ConfigurationError("protocols: expected at least one, found none")
        self._resolvers = [(resolver.name, resolver.resolve) for resolver in resolvers]
        self._fallback: str = resolvers[-1].name

    def resolve(self, data: bytes, quiet: bool) -> str | None:
        """
        Judge all bytes so far.

        :return: the protocol's name, or None while somebody needs more bytes.
        """
        return self._first(data, quiet, Verdict.CONFIRMED)

    def guess(self, data: bytes) -> str:
        """Decide now: who is still in doubt gets the connection."""
        return self._first(data, True, Verdict.UNDECIDED) or self._fallback

    def _first(self, data: bytes, quiet: bool, enough: Verdict) -> str | None:
        for name, resolve in self._resolvers:
            try:
                verdict = resolve(data, quiet)
            except Exception:
                # A plugin's defect must not cost callers of other protocols their connection.
                self.log.failure("the resolver of {name} failed", name=name)
                continue
            if verdict is not Verdict.REJECTED:
                return name if verdict in (enough, Verdict.CONFIRMED) else None
        return self._fallback
