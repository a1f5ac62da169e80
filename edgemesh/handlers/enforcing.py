# -*- test-case-name: tests.handlers.test_enforcing -*-
"""
Put Metadata in force: Routes and chains, all of them or none.

A call passes two chains, and both have to know its service port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemesh.handlers.chain import Chain
from edgemesh.handlers.routes import Change, RouteTable
from edgemesh.meta.model import Metadata, Service, ServicePort
from edgemesh.meta.policy import Policy


def enforce(
    metadata: Metadata,
    policyFor: Callable[[Service, ServicePort], Policy],
    table: RouteTable,
    chains: Sequence[Chain],
) -> Change:
    """
    Let the very next call see this.

    :param policyFor: the merged policy of a service port; see :meth:`RouteTable.prepare`.
    :param chains: everything that is composed of the table's Routes.
    :return: what changed.  When a policy cannot be made or a handler not compose, what
        they raise comes through, and Routes and chains are as they were.
    """
    change = table.prepare(metadata, policyFor)
    composed = [chain.compose(change.routes, metadata, change.keys) for chain in chains]
    table.use(change)
    for chain, composition in zip(chains, composed, strict=True):
        chain.use(composition)
    return change
