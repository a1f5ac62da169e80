# -*- test-case-name: tests.test_diagnosis -*-
"""
``edgemesh check``: everything that is wrong with a node's files, without a node.

Reads the configuration, looks for the plugins and reads the manifests exactly as
the node does; listens nowhere and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgemesh.config import Config, load
from edgemesh.errors import ConfigurationError
from edgemesh.interfaces import IHandler, IMeshProtocol
from edgemesh.meta.folder import FolderMetaSource
from edgemesh.meta.model import Metadata, portKey
from edgemesh.protocols.registry import find


def problems(path: str | None, environ: Mapping[str, str], reactor: Any) -> list[str]:
    """
    Name every problem, one line each.

    :param path: the configuration file, or None for the defaults.
    :param reactor: what the folder of manifests is read with; it need not run.
    """
    try:
        config = load(path, environ)
    except ConfigurationError as mistake:
        return [str(mistake)]
    place = path or "defaults"
    found = [f"{place}: {line}" for line in _missingPlugins(config)]
    source = FolderMetaSource(reactor, config.manifests)
    source.reload()
    source.stopService()
    found += [f"{config.manifests}: {name}: {line}" for name, line in source.problems().items()]
    found += [f"{place}: {line}" for line in _unknownServices(config, source.metadata())]
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


def _unknownServices(config: Config, metadata: Metadata) -> Iterator[str]:
    """Names in the configuration that no Service has: calls to them go nowhere."""
    ports = {
        portKey(namespace, name, port.port)
        for (namespace, name), service in metadata.services.items()
        for port in service.ports
    }
    services = {key.partition(":")[0] for key in ports}
    for index, listener in enumerate(config.listeners):
        name = listener.service.partition(":")[0]
        qualified = ".".join([*name.split("."), config.namespace][:2])
        if name and qualified not in services:
            yield f"listeners[{index}].service: expected a known Service, found {name!r}"
    for key in config.policies:
        if key != "*" and key not in ports | services:
            yield f"policies.{key}: expected a known Service or port of one, found none"
