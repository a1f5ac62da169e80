# -*- test-case-name: tests.test_diagnosis -*-
"""
``edgemesh check``: everything that is wrong with a node's files, without a node.

Reads the configuration, looks for the plugins, makes the endpoints and reads the
manifests exactly as the node does; listens nowhere and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from edgemesh.config import Config, addresses, load
from edgemesh.errors import ConfigurationError
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import IHandler, IMeshProtocol
from edgemesh.meta.files import ManifestFolder
from edgemesh.meta.policy import policyFor
from edgemesh.protocols.listenat import endpointAt
from edgemesh.protocols.registry import find
from edgemesh.state import isBelow


def problems(path: str | None, environ: Mapping[str, str], reactor: Any) -> list[str]:
    """
    Name every problem, one line each.

    :param path: the configuration file, or None for the defaults.
    :param reactor: what the endpoints are made with; it need not run.
    """
    try:
        config = load(path, environ)
    except ConfigurationError as mistake:
        return [str(mistake)]
    place = path or "defaults"
    found = [f"{place}: {line}" for line in _missingPlugins(config)]
    found += [f"{place}: {line}" for line in _impossibleEndpoints(config, reactor)]
    folder = ManifestFolder(config.manifests)
    if os.path.exists(config.manifests) or not isBelow(config.state, config.manifests):
        folder.look()
    found += [f"{config.manifests}: {name}: {line}" for name, line in folder.problems.items()]
    table = RouteTable(config.node)
    table.apply(folder.metadata, partial(policyFor, config.policies))
    found += [f"{place}: {line}" for line in _unknownServices(config, table)]
    return found


def _missingPlugins(config: Config) -> Iterator[str]:
    for names, interface, key in (
        (config.protocols, IMeshProtocol, "protocols"),
        (config.handlers.outbound, IHandler, "handlers.outbound"),
        (config.handlers.inbound, IHandler, "handlers.inbound"),
    ):
        for name in names:
            try:
                find([name], interface, key)
            except ConfigurationError as mistake:
                yield str(mistake)


def _impossibleEndpoints(config: Config, reactor: Any) -> Iterator[str]:
    for path, text in addresses(config).items():
        try:
            endpointAt(reactor, text, path)
        except ConfigurationError as mistake:
            yield str(mistake)


def _unknownServices(config: Config, table: RouteTable) -> Iterator[str]:
    """Names in the configuration that no Service has: calls to them go nowhere."""
    services: dict[str, list[str]] = {}
    for key in table.routes:
        name, _, port = key.partition(":")
        services.setdefault(name, []).append(port)
    for index, listener in enumerate(config.listeners):
        key = table.keyOf(listener.service, config.namespace)
        if key and key not in table.routes:
            ports = ", ".join(services.get(key.partition(":")[0], ()))
            wanted = f"one port of {ports}" if ports else "a known Service"
            yield f"listeners[{index}].service: expected {wanted}, found {listener.service!r}"
    for key in config.policies:
        if key != "*" and key not in table.routes and key not in services:
            yield f"policies.{key}: expected a known Service or port of one, found none"
