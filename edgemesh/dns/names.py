# -*- test-case-name: tests.dns.test_names -*-
"""
Which names are the mesh's, and what each of them answers.

Theory of operation.  A name is ours when it ends in the cluster's domain or in
``svc``, is one label, or is ``service.namespace`` of a Service that is known::

    b                               the caller's namespace, or the default one
    b.ns                            when there is such a Service; else it may be a site's
    b.ns.svc[.cluster.local]        always ours: answered, or NXDOMAIN at once
    pod-0.b.ns.svc[.cluster.local]  one pod of a headless Service
    _http._tcp.b.ns.svc[...]        SRV of a named port
    7.0.96.10.in-addr.arpa          PTR of cluster IPs and virtual addresses

An app's stub appends its search list before it asks for the name itself, or after,
depending on ``ndots``.  So ``b`` comes as ``b.ns.svc.cluster.local``, which is
answered, and ``example.com`` as ``example.com.ns.svc.cluster.local``, which gets
NXDOMAIN from memory, so that the stub goes on at once.  A full name with a search
domain behind it (``b.ns.svc.cluster.local.lan``) can be nobody's either and gets
NXDOMAIN too: no upstream server has to be reachable for that.  A name that has other
names below it exists, and answers NODATA instead: some caches take NXDOMAIN for all
that is below.

A name that exists answers NODATA for a type that it has not (AAAA of a Service with
IPv4 only): after NXDOMAIN a stub would not believe the A record either.  Nothing is
looked up but the immutable value; no index is made before somebody needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from twisted.names.dns import PTR, SRV, RRHeader

from edgemesh.dns.answers import Answer, compose
from edgemesh.dns.packets import AAAA, NAME_ERROR, NO_ERROR, SERVER_FAILURE, SOA, A
from edgemesh.dns.queries import Query
from edgemesh.dns.records import (
    addressRecord,
    dotted,
    encode,
    isPlain,
    pointerRecord,
    serverRecord,
    soaRecord,
)
from edgemesh.dns.reverse import addressOf, written
from edgemesh.dns.virtual import VirtualAddresses, podLabel, podsOf
from edgemesh.meta.model import Endpoint, Metadata, Service, ServicePort, portKey

_Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """
    How names look and last.

    :ivar domain: the cluster's domain.
    :ivar namespace: for bare names of callers whose namespace is not known.
    :ivar ttl: seconds for which an app may remember an answer, or that there is none.
    :ivar podAddresses: headless names answer with the pods' own addresses.
    """

    domain: str = "cluster.local"
    namespace: str = "default"
    ttl: int = 5
    podAddresses: bool = False

    @property
    def labels(self) -> _Labels:
        """The domain's labels."""
        return tuple(self.domain.lower().strip(".").split("."))


@dataclass(frozen=True, slots=True)
class _Target:
    """One SRV record: a port of a name with addresses."""

    name: _Labels
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What there is under a name; all empty for a name that only has names below it.

    :ivar lost: it should have an address, and the virtual ones are exhausted.
    :ivar pointer: for a reverse name, the name of the address.
    """

    addresses: tuple[str, ...] = ()
    targets: tuple[_Target, ...] = ()
    lost: bool = False
    pointer: _Labels = ()


_EXISTS = _Known()


@dataclass
class Directory:
    """
    Every name of the mesh at one moment.

    :param known: False until metadata is there; nothing is denied before that.
    """

    metadata: Metadata
    virtual: VirtualAddresses
    zone: Zone = field(default_factory=Zone)
    known: bool = True

    def answer(self, query: Query, namespace: str = "", turn: int = 0) -> Answer | None:
        """
        The answer to a query; None when the name is not the mesh's.

        :param namespace: the caller's, where known.
        :param turn: with each next number the next address is told first.
        """
        labels = query.labels
        owner, found = self._locate(labels, namespace or self.zone.namespace)
        if not owner:
            return None
        lost = found.lost and query.type in (A, AAAA) if found else not self.known
        if lost:
            return compose(query, SERVER_FAILURE, [0, 0, 0], b"")
        code = NO_ERROR if found else NAME_ERROR
        return self._answer(query, owner, code, found or _EXISTS, turn)

    def namespaceOf(self, address: str) -> str:
        """The namespace of the pod with this address; empty when there is none."""
        return self._podNamespaces.get(address, "")

    def _locate(self, labels: _Labels, namespace: str) -> tuple[_Labels, _Known | None]:
        """Who owns a name, as the labels of its zone, and what is there; no zone: not ours."""
        domain = self.zone.labels
        if labels[-len(domain) :] == domain:
            return domain, self._inCluster(labels[: -len(domain)])
        if not labels:
            return (), None
        if labels[-1] == "svc":
            return ("svc",), self._inCluster(labels)
        if _contains(labels, ("svc", *domain)):
            return labels, None
        if labels[-1] == "arpa":
            return self._reverse(labels)
        where = (*labels, namespace) if len(labels) == 1 else labels
        found = self._service(where) if len(where) == 2 else None
        if found is None and (self.known or len(labels) != 1):
            return (), None
        return labels, found

    def _inCluster(self, labels: _Labels) -> _Known | None:
        """What is under a name, its domain taken off."""
        if not labels or labels == ("svc",):
            return _EXISTS
        if labels[-1] != "svc":
            return None
        where = labels[:-1]
        if len(where) == 1:
            return _EXISTS if where[0] in self._namespaces else None
        if len(where) == 2:
            return self._service(where)
        service = self.metadata.services.get((where[-1], where[-2]))
        if service is None:
            return None
        if where[-3] == "_tcp":
            return self._ports(service, where[:-3])
        return self._pod(service, where[0]) if len(where) == 3 else None

    def _service(self, where: _Labels) -> _Known | None:
        service = self.metadata.services.get((where[1], where[0]))
        if service is None:
            return None
        addresses = service.clusterIPs
        if not addresses:
            pods = podsOf(self.metadata, service)
            ready = [label for label, pod in pods.items() if pod.ready and not pod.terminating]
            each = [self._podAddress(service, label, pods[label]) for label in sorted(ready)]
            # With no pod that takes calls, the Service's own address says so to callers.
            addresses = tuple(filter(None, each)) or tuple(filter(None, [self._own(service)]))
        return _Known(addresses, lost=not addresses)

    def _pod(self, service: Service, label: str) -> _Known | None:
        pod = podsOf(self.metadata, service).get(label)
        if pod is None:
            return None
        address = self._podAddress(service, label, pod)
        return _Known((address,) if address else (), lost=not address)

    def _ports(self, service: Service, front: _Labels) -> _Known | None:
        """``_tcp`` of a Service, or one of its named ports below that."""
        if not front:
            return _EXISTS
        wanted = [port for port in service.ports if port.name and f"_{port.name}" == front[0]]
        if not wanted or len(front) > 1:
            return None
        port = wanted[0]
        own = (service.name, service.namespace, "svc", *self.zone.labels)
        pods = podsOf(self.metadata, service)
        if not pods:
            found = self._service((service.name, service.namespace)) or _EXISTS
            return _Known(targets=(_Target(own, port.port, found.addresses),), lost=found.lost)
        return _Known(targets=tuple(self._podTargets(service, port, own)))

    def _podTargets(self, service: Service, port: ServicePort, own: _Labels) -> list[_Target]:
        key = portKey(service.namespace, service.name, port.port)
        targets = {}
        for endpoint in self.metadata.endpoints.get(key, ()):
            label = podLabel(endpoint)
            address = self._podAddress(service, label, endpoint)
            if endpoint.ready and not endpoint.terminating and address:
                # Behind a virtual address it is the Service's port that is called.
                number = endpoint.port if self.zone.podAddresses else port.port
                targets[label] = _Target((label, *own), number, (address,))
        return [targets[label] for label in sorted(targets)]

    def _podAddress(self, service: Service, label: str, pod: Endpoint) -> str:
        if self.zone.podAddresses:
            return pod.address
        return self.virtual.addresses.get(f"{service.namespace}.{service.name}.{label}", "")

    def _own(self, service: Service) -> str:
        return self.virtual.addresses.get(f"{service.namespace}.{service.name}", "")

    def _reverse(self, labels: _Labels) -> tuple[_Labels, _Known | None]:
        address = addressOf(labels)
        name = self._pointers.get(address, ())
        if not name and not self.virtual.covers(address):
            return (), None
        return labels, _Known(pointer=name) if name else None

    def _records(
        self, query: Query, owner: _Labels, found: _Known, turn: int
    ) -> tuple[list[RRHeader], list[RRHeader]]:
        """The records of the answer's and of the additional section."""
        name, ttl = dotted(query.labels), self.zone.ttl
        if query.type == SRV:
            targets = _turned(found.targets, turn)
            answers = [serverRecord(name, ttl, dotted(to.name), to.port) for to in targets]
            each = [(dotted(to.name), address) for to in targets for address in to.addresses]
            return answers, [addressRecord(target, ttl, address) for target, address in each]
        if query.type == PTR and found.pointer:
            return [pointerRecord(name, ttl, dotted(found.pointer))], []
        if query.type == SOA and query.labels == owner and not found.pointer:
            return [self._soa(owner)], []
        told = [addressRecord(name, ttl, address) for address in _turned(found.addresses, turn)]
        return [record for record in told if record.type == query.type], []

    def _answer(self, query: Query, owner: _Labels, code: int, found: _Known, turn: int) -> Answer:
        answers, additional = self._records(query, owner, found, turn)
        authority = [] if answers else [self._soa(owner)]
        return encode(query, code, answers, authority, additional)

    def _soa(self, owner: _Labels) -> RRHeader:
        # A label may hold any byte, and a dot would make two of it.
        told = owner if isPlain(owner) else self.zone.labels
        domain = dotted(self.zone.labels)
        return soaRecord(dotted(told), self.zone.ttl, domain, self.metadata.generation)

    @cached_property
    def _namespaces(self) -> frozenset[str]:
        return frozenset(namespace for namespace, _ in self.metadata.services)

    @cached_property
    def _podNamespaces(self) -> Mapping[str, str]:
        pods = self.metadata.pods.values()
        return {address: pod.namespace for pod in pods for address in pod.addresses}

    @cached_property
    def _pointers(self) -> Mapping[str, _Labels]:
        """The name of every address that the mesh gave, or that belongs to a Service."""
        found: dict[str, _Labels] = {}
        for (namespace, name), service in sorted(self.metadata.services.items()):
            own = (name, namespace, "svc", *self.zone.labels)
            for address in (*service.clusterIPs, self._own(service)):
                found.setdefault(written(address), own)
            for label, pod in podsOf(self.metadata, service).items():
                found.setdefault(written(self._podAddress(service, label, pod)), (label, *own))
        found.pop("", None)
        return found


def _contains(labels: _Labels, part: _Labels) -> bool:
    size = len(part)
    return any(labels[at : at + size] == part for at in range(len(labels) - size))


def _turned(found: Sequence[Any], turn: int) -> Sequence[Any]:
    at = turn % len(found) if found else 0
    return [*found[at:], *found[:at]]
