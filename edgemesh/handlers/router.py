# -*- test-case-name: tests.handlers.test_router -*-
"""
The router: from what a call names to its service port.

A listener that stands for one service has the last word.  Otherwise the Host,
authority or SNI is looked up: ``b`` (in the default namespace only), ``b.ns``,
``b.ns.svc``, ``b.ns.svc.cluster.local``, or an address of the Service; each with
or without a port.  What is no known name leads nowhere: no name is ever resolved
elsewhere, and none is remembered, so callers can neither choose an address nor
fill the memory.

Names are looked up as they came, among all spellings that callers use; only a
name that is not there is taken apart.  Knows Services; nothing of endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from twisted.plugin import IPlugin
from zope.interface import implementer

from edgemesh.errors import NO_ROUTE, Refused
from edgemesh.handlers.routes import Route
from edgemesh.interfaces import IIncrementalRouter, INameIndex, IStage, Side
from edgemesh.invocation import Invocation
from edgemesh.meta.model import Metadata, Service

#: The longest name that is looked at, its port included.
LONGEST_NAME = 255
#: How much of a refused name is shown.
_SHOWN = 80
#: In lower case: an IPv6 address, or a name with at most one final dot; perhaps a port.
_AUTHORITY = re.compile(
    rb"(?:(\[[0-9a-f:.]++\])|([a-z0-9_-]++(?:\.[a-z0-9_-]++)*)\.?)(?::([0-9]{1,5}))?"
)


class _Claim:
    """
    One name that leads to a Route.

    :ivar name: without the port.
    :ivar whole: with the port.
    """

    __slots__ = ("name", "port", "route", "whole")

    def __init__(self, name: bytes, route: Route) -> None:
        self.name = name
        self.port = route.port.port
        self.route = route
        self.whole = b"%b:%d" % (name, self.port)


@implementer(INameIndex)
class Index:
    """
    Every name of every service port, prepared for look-ups.

    :param routes: every known service port by key.
    :param namespace: the one whose Services have short names.
    :param domain: the cluster's domain.
    """

    __slots__ = ("_bare", "_contested", "_domain", "_namespace", "_routes", "_whole")

    def __init__(self, routes: Mapping[str, Route], namespace: str, domain: str) -> None:
        self._namespace = namespace
        self._domain = domain
        self._routes: dict[str, Route] = {}
        #: With the port in the name.
        self._whole: dict[bytes, Route] = {}
        #: Without: by the port that is meant, then by name.
        self._bare: dict[int, dict[bytes, Route]] = {}
        #: Names with the port that several Routes have, by key; the first one gets the calls.
        self._contested: dict[bytes, dict[str, Route]] = {}
        for key, route in routes.items():
            self._routes[key] = route
            for claim in self._claims(route):
                self._add(claim)

    def prepare(self, routes: Mapping[str, Route], keys: Sequence[str]) -> Callable[[], None]:
        known = (self._routes.get(key) for key in keys)
        gone = [claim for route in known if route for claim in self._claims(route)]
        wanted = [route for key in keys if (route := routes.get(key)) is not None]
        coming = [claim for route in wanted for claim in self._claims(route)]

        def change() -> None:
            for key in keys:
                self._routes.pop(key, None)
            for claim in gone:
                self._remove(claim)
            for route in wanted:
                self._routes[route.key] = route
            for claim in coming:
                self._add(claim)

        return change

    def _claims(self, route: Route) -> list[_Claim]:
        """Every name of a Route, each once."""
        names = dict.fromkeys(_names(route.service, self._namespace, self._domain))
        return [_Claim(name.encode(), route) for name in names]

    def _add(self, claim: _Claim) -> None:
        route = claim.route
        former = self._whole.get(claim.whole)
        if former is not None:
            # In a fixed order, so that two Services with one address always give one result.
            rivals = self._contested.setdefault(claim.whole, {former.key: former})
            rivals[route.key] = route
            route = rivals[min(rivals)]
        self._whole[claim.whole] = route
        self._bare.setdefault(claim.port, {})[claim.name] = route

    def _remove(self, claim: _Claim) -> None:
        rivals = self._contested.pop(claim.whole, None) or {}
        del self._whole[claim.whole], self._bare[claim.port][claim.name]
        if not self._bare[claim.port]:
            del self._bare[claim.port]
        for rival in rivals.values():
            if rival.key != claim.route.key:
                self._add(_Claim(claim.name, rival))

    def find(self, invocation: Invocation) -> Route:
        """The service port of a call, or ``NO_ROUTE``."""
        if invocation.asked:
            route = self._routes.get(invocation.asked)
            if route is None:
                raise _noRoute("this listener's service is not known:", invocation.asked.encode())
            return route
        name = invocation.name
        named = self._bare.get(invocation.defaultPort)
        route = named.get(name) if named is not None else None
        return route or self._whole.get(name) or self._takeApart(invocation)

    def _takeApart(self, invocation: Invocation) -> Route:
        name = invocation.name
        if len(name) > LONGEST_NAME:
            raise _noRoute(f"longer than {LONGEST_NAME} bytes:", name)
        if b"@" in name:
            # What stands before it may be a password.
            raise _noRoute("user information is not taken; host:", name.rpartition(b"@")[2])
        match = _AUTHORITY.fullmatch(name.lower())
        if match is None:
            raise _noRoute("not a host name:" if name else "the caller named no host", name)
        bracketed, host, digits = match.groups()
        known = host or _canonical(bracketed)
        wanted = invocation.defaultPort if digits is None else int(digits)
        route = self._bare.get(wanted, {}).get(known)
        if route is not None:
            return route
        # There are few ports, however many names there are.
        others = [named[known] for named in self._bare.values() if known in named]
        if not others:
            raise _noRoute("no such Service:", name)
        if digits is None and invocation.protocol == "tls" and len(others) == 1:
            # An SNI cannot name a port, so the only one there is must be meant.
            return others[0]
        raise _noRoute("the Service has no such port:", name)


@implementer(IPlugin, IIncrementalRouter)
class RouterHandler:
    """
    Finds the service port.

    :param namespace: the one whose Services are known by their short names.
    :param domain: the cluster's domain.
    """

    name = "router"

    def __init__(self, namespace: str = "default", domain: str = "cluster.local") -> None:
        self._namespace = namespace
        self._domain = domain.strip(".").lower()

    def configured(self, namespace: str, domain: str) -> RouterHandler:
        """A router for another default namespace and domain."""
        return RouterHandler(namespace, domain)

    def compose(self, route: Route, side: Side, former: IStage | None) -> IStage | None:
        """The router's work is over when a service port is known."""
        return None

    def index(
        self, routes: Mapping[str, Route], metadata: Metadata
    ) -> Callable[[Invocation], Route]:
        return self.indexed(routes, metadata).find

    def indexed(self, routes: Mapping[str, Route], metadata: Metadata) -> Index:
        return Index(routes, self._namespace, self._domain)


def _names(service: Service, namespace: str, domain: str) -> Iterator[str]:
    qualified = f"{service.name}.{service.namespace}"
    if service.namespace == namespace:
        yield service.name
    yield qualified
    yield f"{qualified}.svc"
    yield f"{qualified}.svc.{domain}"
    for address in service.clusterIPs:
        # Of an IPv4 address there is one spelling only.
        yield f"[{ip_address(address).compressed}]" if ":" in address else address


def _canonical(bracketed: bytes) -> bytes:
    """An IPv6 address in its shortest spelling."""
    try:
        return b"[%b]" % ip_address(bracketed[1:-1].decode()).compressed.encode()
    except ValueError:
        # No address after all; then it is no known name either.
        return bracketed


def _noRoute(problem: str, shown: bytes) -> Refused:
    text = repr(shown[:_SHOWN])[1:] if shown else ""
    return Refused(NO_ROUTE, f"{problem} {text}{'...' if len(shown) > _SHOWN else ''}".strip())
