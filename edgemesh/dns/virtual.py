# -*- test-case-name: tests.dns.test_virtual -*-
"""
Virtual addresses: one for each name that has no cluster IP.

Theory of operation.  A holder is a Service (``default.web``) or a pod of a headless
one (``default.db.db-0``).  Its address is kept as a row, so it survives a restart;
and the address that a new holder gets is the one its name's hash points at, or the
next free one, so that mostly it survives the loss of the rows too.

A holder that is gone keeps its address resting for a while: apps may remember it,
and must not reach somebody else.  Nobody knows after a restart for how long a row
has been at rest, so resting begins anew then.

The usual range is 198.18.0.0/15.  It is set aside for measurements in laboratories
(RFC 2544) and nobody routes it.  The private ranges are where pods, Services and
the site itself already are, 100.64.0.0/10 is used by carriers and by tunnels,
240.0.0.0/4 is refused by some systems' sockets, 169.254.0.0/16 by cautious apps,
and KubeEdge's 9.251.0.0/16 belongs to somebody.

Knows no clock, no reactor, no DNS; times are passed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from twisted.logger import Logger
from zope.interface import Interface, implementer

from edgemesh.errors import ConfigurationError
from edgemesh.meta.model import Endpoint, Metadata, Service, portKey

DEFAULT_RANGE = "198.18.0.0/15"

#: The key of a row, before the holder; KubeEdge's own.
ROW_PREFIX = "default/listener/"


class IListenerRows(Interface):
    """Where virtual addresses are remembered: metamanager's ``listener`` rows."""

    def rows() -> Mapping[str, str]:
        """Every row: its key (``default/listener/default.web``) to the address."""

    def put(key: str, address: str) -> None:
        """Insert a row, or replace it."""

    def remove(key: str) -> None:
        """Delete a row; harmless when there is none."""


@implementer(IListenerRows)
class MemoryListenerRows:
    """Rows that last as long as the process; the fake for tests."""

    def __init__(self, rows: Mapping[str, str] | None = None) -> None:
        self._rows = dict(rows or {})

    def rows(self) -> Mapping[str, str]:
        return dict(self._rows)

    def put(self, key: str, address: str) -> None:
        self._rows[key] = address

    def remove(self, key: str) -> None:
        self._rows.pop(key, None)


class VirtualAddresses:
    """
    Who has which virtual address.

    :ivar addresses: by holder; those in use only.
    :ivar lacking: holders that got none, because the range is exhausted.
    :param keep: seconds that an address rests before another holder may get it.
    """

    log = Logger()

    def __init__(self, network: IPv4Network, rows: IListenerRows, keep: float = 3_600.0) -> None:
        self.network = network
        self.addresses: dict[str, str] = {}
        self.lacking: tuple[str, ...] = ()
        self._rows = rows
        self._keep = keep
        # The first and the last address of a range mean the range itself and everybody.
        self._size = network.num_addresses - 2
        if self._size < 1:
            raise ConfigurationError(f"expected a range of at least 4 addresses, found {network}")
        self._known: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._restsUntil: dict[str, float] = {}

    def __repr__(self) -> str:
        return (
            f"<VirtualAddresses {self.network}: {len(self.addresses)} in use, "
            f"{len(self._restsUntil)} at rest, {len(self.lacking)} lacking>"
        )

    def load(self, now: float) -> None:
        """
        Take the rows in; everybody rests until :meth:`update` says who is there.

        A row whose address is none, is outside the range or belongs to a row before
        it in the order of keys is deleted: its holder gets another address.
        """
        for key, text in sorted(self._rows.rows().items()):
            if not key.startswith(ROW_PREFIX):
                continue
            holder = key.removeprefix(ROW_PREFIX)
            address = self._usable(text)
            if address in self._holders or not address:
                self.log.warn(
                    "virtual address {text} of {holder} is not kept", text=text, holder=holder
                )
                self._rows.remove(key)
                continue
            self._known[holder] = address
            self._holders[address] = holder
            self._restsUntil[holder] = now + self._keep

    def update(self, wanted: Collection[str], now: float) -> None:
        """
        Give every holder in ``wanted`` an address; the others' begin to rest.

        Call it again some time later too: addresses that have rested are free then.
        """
        self._free(wanted, now)
        lacking = []
        for holder in sorted(wanted):
            self._restsUntil.pop(holder, None)
            if holder not in self._known and not self._assign(holder):
                lacking.append(holder)
        self.addresses = {each: self._known[each] for each in wanted if each in self._known}
        if lacking and tuple(lacking) != self.lacking:
            self.log.error(
                "virtual addresses: {network} is exhausted, {n} names have none, first {holder}",
                network=self.network,
                n=len(lacking),
                holder=lacking[0],
            )
        self.lacking = tuple(lacking)

    def holderOf(self, address: str) -> str:
        """Who has this address now; empty when nobody does."""
        holder = self._holders.get(address, "")
        return holder if holder in self.addresses else ""

    def covers(self, address: str) -> bool:
        """Whether an address is in the range, in use or not."""
        try:
            return IPv4Address(address) in self.network
        except AddressValueError:
            return False

    def _free(self, wanted: Collection[str], now: float) -> None:
        present = set(wanted)
        for holder in [each for each in self._known if each not in present]:
            until = self._restsUntil.setdefault(holder, now + self._keep)
            if until <= now:
                del self._restsUntil[holder]
                del self._holders[self._known.pop(holder)]
                self._rows.remove(ROW_PREFIX + holder)

    def _assign(self, holder: str) -> bool:
        if len(self._known) >= self._size:
            return False
        address = next(each for each in self._candidates(holder) if each not in self._holders)
        self._known[holder] = address
        self._holders[address] = holder
        self._rows.put(ROW_PREFIX + holder, address)
        return True

    def _candidates(self, holder: str) -> Iterator[str]:
        digest = blake2b(holder.encode("utf-8"), digest_size=8).digest()
        first = int.from_bytes(digest, "big")
        for step in range(self._size):
            yield str(self.network[1 + (first + step) % self._size])

    def _usable(self, text: str) -> str:
        """The address as it is always written; empty when it cannot be given."""
        try:
            address = IPv4Address(text)
        except AddressValueError:
            return ""
        ends = (self.network.network_address, self.network.broadcast_address)
        return str(address) if address in self.network and address not in ends else ""


def podLabel(endpoint: Endpoint) -> str:
    """The label that names one endpoint of a headless Service: its pod, or its address."""
    return (endpoint.pod or endpoint.address).replace(".", "-").replace(":", "-").lower()


def podsOf(metadata: Metadata, service: Service) -> dict[str, Endpoint]:
    """
    The pods of a headless Service, by label; empty for every other Service.

    A Service without cluster IP whose endpoints are no Pods is not headless for
    callers: it has one virtual address, and LB picks the endpoint.
    """
    if service.clusterIPs:
        return {}
    found: dict[str, Endpoint] = {}
    for port in service.ports:
        key = portKey(service.namespace, service.name, port.port)
        for endpoint in metadata.endpoints.get(key, ()):
            found.setdefault(podLabel(endpoint), endpoint)
    return found if any(endpoint.pod for endpoint in found.values()) else {}


def holdersIn(metadata: Metadata, podAddresses: bool) -> list[str]:
    """
    Everybody who needs a virtual address.

    :param podAddresses: pods of headless Services are told by their own addresses.
    """
    holders = []
    for (namespace, name), service in metadata.services.items():
        if service.clusterIPs:
            continue
        holder = f"{namespace}.{name}"
        holders.append(holder)
        if not podAddresses:
            holders += [f"{holder}.{label}" for label in podsOf(metadata, service)]
    return holders
