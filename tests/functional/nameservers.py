"""
Name servers as programs: ours for a small mesh, and an upstream one to forward to.

::

    python -m tests.functional.nameservers mesh LISTEN UPSTREAM...
    python -m tests.functional.nameservers upstream

Each prints its port.  The upstream one is made of dnspython alone.  It knows
``small.test``, ``big.test`` (30 TXT records, over UDP truncated) and
``brief.test`` (for one second); it never answers ``slow.test``.
"""

from __future__ import annotations

import socket
import sys
import threading
from ipaddress import IPv4Network

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

RECORDS = {
    "small.test.": ("A", 60, ("192.0.2.80",)),
    "brief.test.": ("A", 1, ("192.0.2.81",)),
    "big.test.": ("TXT", 60, tuple(f'"{number:02} {"x" * 100}"' for number in range(30))),
}
SOA = dns.rrset.from_text("test.", 60, "IN", "SOA", "ns.test. h.test. 1 2 3 4 60")


def respond(data: bytes, streamed: bool) -> bytes | None:
    """What the upstream server says; None for nothing."""
    query = dns.message.from_wire(data)
    name = query.question[0].name.to_text()
    if name == "slow.test.":
        return None
    response = dns.message.make_response(query, recursion_available=True)
    kind, ttl, values = RECORDS.get(name, ("A", 0, ()))
    if values:
        response.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *values))
    else:
        response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(SOA)
    if len(response.to_wire(max_size=65_535)) > 512 and not streamed:
        response.answer.clear()
        response.flags |= dns.flags.TC
    return response.to_wire(max_size=65_535)


def upstream() -> None:
    """Serve until ended."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", port))
    threading.Thread(target=serveStreams, args=(listening,), daemon=True).start()
    print(port, flush=True)
    while True:
        data, caller = datagrams.recvfrom(4096)
        reply = respond(data, False)
        if reply is not None:
            datagrams.sendto(reply, caller)


def serveStreams(listening: socket.socket) -> None:
    """One query for each connection, one after the other."""
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as stream:
            length = int.from_bytes(stream.read(2), "big")
            reply = respond(stream.read(length), True) if length else None
            if reply is not None:
                connection.sendall(len(reply).to_bytes(2, "big") + reply)


def mesh(listen: str, *upstreams: str) -> None:
    """Our name server, with the mesh of the unit tests and a Service of many addresses."""
    from dataclasses import replace

    from twisted.internet import reactor

    from edgemesh.dns.addresses import readAddress
    from edgemesh.dns.cache import Cache
    from edgemesh.dns.forward import Forwarder
    from edgemesh.dns.server import NameServer
    from edgemesh.dns.upstream import Upstream
    from edgemesh.dns.virtual import DEFAULT_RANGE, MemoryListenerRows, VirtualAddresses
    from edgemesh.meta.memory import MemoryMetaSource
    from edgemesh.meta.model import Service, ServicePort
    from tests.dns.net import meshOf

    addresses = tuple(f"10.96.2.{number}" for number in range(1, 201))
    many = Service("default", "many", (ServicePort(80),), addresses)
    known = meshOf()
    source = MemoryMetaSource(
        replace(known, services={**known.services, ("default", "many"): many})
    )
    servers = [Upstream(reactor, readAddress(each)) for each in upstreams]
    forwarder = Forwarder(reactor, servers, Cache(1_000_000, 86_400.0))
    virtual = VirtualAddresses(IPv4Network(DEFAULT_RANGE), MemoryListenerRows())
    server = NameServer(reactor, [readAddress(listen)], source, virtual, forwarder)
    server.startService()
    print(server.listening[0].port, flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
    reactor.run()


if __name__ == "__main__":
    {"mesh": mesh, "upstream": upstream}[sys.argv[1]](*sys.argv[2:])
