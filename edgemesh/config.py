# -*- test-case-name: tests.test_config -*-
"""
One file -> one frozen value: the node's configuration.

:func:`load` reads YAML into a :class:`Config`; whatever is wrong with the file is
one :class:`~edgemesh.errors.ConfigurationError` of one line naming the file, the
key path, what was expected and what was found.  ``conf/edgemesh.yaml`` shows every
key with its default.  Opens nothing but that file; does not know which plugins
there are.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from edgemesh.errors import ConfigurationError
from edgemesh.meta.documents import decodeText, readYAML
from edgemesh.meta.kinds import Label, Name
from edgemesh.meta.policy import Policy, ProtocolName, Strict
from edgemesh.meta.shapes import check, shown
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.listenat import ListenAt, listenAt

#: What may change while the node runs; anything else needs a restart.
LIVE_KEYS = frozenset({"policies", "handlers"})

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
#: ``web``, ``web.default``, ``web.default.svc.cluster.local``; then ``:80``, ``:http`` or nothing.
_SERVICE = re.compile(
    rf"{_LABEL}(\.{_LABEL}(\.svc(\.(?P<domain>{_LABEL}(\.{_LABEL})*))?)?)?(:(?P<port>{_LABEL}))?"
)
#: A key of ``policies``: everything, a service, or one port of it.
_POLICY_KEY = re.compile(rf"\*|{_LABEL}\.{_LABEL}(:(?P<port>\d{{1,5}}))?")


class Listener(Strict, frozen=True):
    """
    Where apps connect to.

    :ivar listen: a server endpoint string.
    :ivar service: the one service that is meant, whatever a caller says.
    :ivar proxy: an explicit HTTP proxy to all known services.
    """

    listen: str
    service: str = ""
    proxy: bool = False


class Handlers(Strict, frozen=True):
    """The handler chains: plugins' names in order."""

    outbound: tuple[str, ...] = ("router", "loadbalance", "qps", "bizkeeper")
    inbound: tuple[str, ...] = ("qps",)


class Config(Strict, frozen=True):
    """
    Everything that is configured.

    :ivar node: this node's name; endpoints of that ``nodeName`` are local.
    :ivar state: the directory of what the node remembers.
    :ivar manifests: the folder of Kubernetes YAML and JSON.
    :ivar protocols: plugins' names, in the order they are asked.
    :ivar admin: where the admin pages are; a server endpoint string.
    :ivar namespace: the one meant by a service name without a namespace.
    :ivar clusterDomain: the end of a full service name.
    :ivar transportServers: server endpoint string by protocol, for other nodes' calls.
    :ivar policies: by ``*``, ``web.default`` or ``web.default:80``: the keys of
        :class:`~edgemesh.meta.policy.Policy` that are set there.
    :ivar accessLog: a file, ``-`` for standard output, or empty for none.
    :ivar forwardedFor: whether callers' addresses are told in X-Forwarded-For.
    :ivar via: whether requests tell in Via that they passed here.
    """

    node: Name
    state: str
    manifests: str
    protocols: tuple[ProtocolName, ...] = ("http", "grpc", "tls", "tcp")
    listeners: tuple[Listener, ...] = (
        Listener(listen="tcp:18081:interface=127.0.0.1", proxy=True),
    )
    admin: str = "tcp:15000:interface=127.0.0.1"
    namespace: Label = "default"
    clusterDomain: Name = "cluster.local"
    handlers: Handlers = Handlers()
    transportServers: dict[ProtocolName, str] = {}
    policies: dict[str, dict[str, Any]] = {}
    limits: Limits = Limits()
    accessLog: str = ""
    forwardedFor: Literal["append", "off"] = "append"
    via: bool = True


def load(
    path: str | None,
    environ: Mapping[str, str],
    hostName: Callable[[], str] = socket.gethostname,
    userID: Callable[[], int] = os.geteuid,
) -> Config:
    """
    Read the configuration.

    :param path: the file, or None for the defaults.
    :param environ: ``HOME`` and ``XDG_STATE_HOME`` say where state is by default.
    :raise ConfigurationError: something in it is wrong.
    """
    place = path if path is not None else "defaults"
    given = _given(path) if path is not None else {}
    if not isinstance(given, dict):
        raise ConfigurationError(f"{place}: expected a mapping of keys, found {shown(given)}")
    whole = _withDefaults(given, environ, hostName, userID)
    config = check(whole, Config, place)
    for fault in _faults(config, place):
        raise ConfigurationError(f"{place}: {fault}")
    return _withPaths(config, environ)


def changedKeys(old: Config, new: Config) -> frozenset[str]:
    """The keys in which two configurations differ; compare with :data:`LIVE_KEYS`."""
    return frozenset(
        name for name in Config.__struct_fields__ if getattr(old, name) != getattr(new, name)
    )


def withLiveKeys(old: Config, new: Config) -> Config:
    """What is in force once ``new`` was read: its live keys, and ``old`` for the rest."""
    return msgspec.structs.replace(old, **{key: getattr(new, key) for key in LIVE_KEYS})


def addresses(config: Config) -> dict[str, str]:
    """Every server endpoint string by its key path."""
    texts = {f"listeners[{i}].listen": each.listen for i, each in enumerate(config.listeners)}
    texts["admin"] = config.admin
    texts |= {f"transportServers.{name}": text for name, text in config.transportServers.items()}
    return texts


def _given(path: str) -> object:
    """What the file says, unchecked."""
    try:
        with open(path, "rb") as opened:
            content = opened.read()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: expected a file that can be read, found: {error.strerror}"
        ) from None
    documents = readYAML(decodeText(content, path), path)
    if len(documents) > 1:
        raise ConfigurationError(f"{path}: expected one document, found {len(documents)}")
    return documents[0] if documents and documents[0] is not None else {}


def _withDefaults(
    given: dict[Any, Any],
    environ: Mapping[str, str],
    hostName: Callable[[], str],
    userID: Callable[[], int],
) -> dict[Any, Any]:
    """What depends on the machine is filled in, where it is not given."""
    whole = dict(given)
    whole.setdefault("node", hostName().lower())
    whole.setdefault("state", _stateDirectory(environ, userID()))
    if whole.get("forwardedFor") is False:
        # YAML reads off without quotes as false; there is nothing else it could mean.
        whole["forwardedFor"] = "off"
    whole.setdefault("manifests", os.path.join(str(whole["state"]), "services.d"))
    return whole


def _stateDirectory(environ: Mapping[str, str], user: int) -> str:
    if user == 0:
        return "/var/lib/edgemesh"
    states = environ.get("XDG_STATE_HOME", "")
    # The XDG rules say that a relative path is to be ignored.
    return os.path.join(states if os.path.isabs(states) else "~/.local/state", "edgemesh")


def _withPaths(config: Config, environ: Mapping[str, str]) -> Config:
    """Every path absolute: what it meant where the node was started."""

    def absolute(path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = environ.get("HOME", os.path.expanduser("~")) + path[1:]
        return os.path.abspath(path)

    return msgspec.structs.replace(
        config,
        state=absolute(config.state),
        manifests=absolute(config.manifests),
        accessLog=config.accessLog if config.accessLog in ("", "-") else absolute(config.accessLog),
    )


def _faults(config: Config, place: str) -> Iterator[str]:
    """What is wrong with values that have the right type, first things first."""
    for path in ("state", "manifests"):
        if not getattr(config, path):
            yield f"{path}: expected a path, found ''"
    yield from _protocolFaults(config.protocols)
    yield from _handlerFaults(config.handlers)
    yield from _listenerFaults(config)
    yield from _addressFaults(config)
    for name in config.transportServers:
        yield from _unknownProtocol(config, f"transportServers.{name}", name)
    for key, patch in config.policies.items():
        yield from _policyFaults(key, patch, place)
        if patch.get("protocol"):
            yield from _unknownProtocol(config, f"policies.{key}.protocol", patch["protocol"])


def _protocolFaults(protocols: tuple[str, ...]) -> Iterator[str]:
    if not protocols:
        yield "protocols: expected at least one, found none"
    yield from _twice("protocols", protocols)
    if "tcp" in protocols[:-1]:
        yield "protocols: expected tcp last, since it takes everything, found more after it"


def _unknownProtocol(config: Config, path: str, name: str) -> Iterator[str]:
    if name not in config.protocols:
        known = ", ".join(config.protocols)
        yield f"{path}: expected one of {known}, which are the protocols, found {shown(name)}"


def _handlerFaults(handlers: Handlers) -> Iterator[str]:
    first = handlers.outbound[0] if handlers.outbound else None
    if first != "router":
        yield f"handlers.outbound[0]: expected 'router', found {shown(first)}"
    yield from _twice("handlers.outbound", handlers.outbound)
    yield from _twice("handlers.inbound", handlers.inbound)
    order = handlers.outbound
    if "bizkeeper" in order and "loadbalance" in order[order.index("bizkeeper") :]:
        yield (
            f"handlers.outbound[{order.index('bizkeeper')}]: expected bizkeeper after"
            f" loadbalance, whose endpoint it guards, found it before"
        )
    for index, name in enumerate(handlers.inbound):
        if name in ("router", "loadbalance"):
            yield (
                f"handlers.inbound[{index}]: expected no handler that chooses,"
                f" since the app is known by then, found {shown(name)}"
            )


def _twice(path: str, names: tuple[str, ...]) -> Iterator[str]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"{path}[{index}]: expected each name once, found {shown(name)} again"


def _listenerFaults(config: Config) -> Iterator[str]:
    for index, listener in enumerate(config.listeners):
        path = f"listeners[{index}]"
        if listener.proxy == bool(listener.service):
            found = "both" if listener.proxy else "neither"
            yield f"{path}: expected either service or proxy: true, found {found}"
        if listener.service and not _isService(listener.service, config.clusterDomain):
            found = shown(listener.service)
            yield f"{path}.service: expected a service such as web.default:80, found {found}"


def _isService(text: str, clusterDomain: str) -> bool:
    """Whether this is a service as callers write it, perhaps with a port."""
    name = _SERVICE.fullmatch(text)
    return name is not None and name["domain"] in (None, clusterDomain) and _isPort(name["port"])


def _isPort(text: str | None) -> bool:
    """Whether this is a port: no text, a name, or a number as a port is written."""
    return not (text and text.isdecimal()) or (text[0] != "0" and int(text) <= 65_535)


def _addressFaults(config: Config) -> Iterator[str]:
    """Endpoint strings that are none, or that two want to have."""
    taken: dict[str, ListenAt] = {}
    for path, text in addresses(config).items():
        try:
            address = listenAt(text)
        except ValueError as expected:
            yield f"{path}: expected {expected}, found {shown(text)}"
            return
        for other, former in taken.items():
            if address.clashesWith(former):
                yield f"{path}: expected an address of its own, found {shown(text)} as at {other}"
        taken[path] = address


def _policyFaults(key: str, patch: dict[str, Any], place: str) -> Iterator[str]:
    name = _POLICY_KEY.fullmatch(key)
    if name is None or not _isPort(name["port"]):
        yield f"policies: expected *, web.default or web.default:80 as keys, found {shown(key)}"
    # Raises by itself: each part must be right without the others.
    check(patch, Policy, place, f"policies.{key}")
