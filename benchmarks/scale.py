#!/usr/bin/env python3
"""
What it costs to know 10,000 Services with 30,000 endpoints: CPU time and memory.

A metamanager in the same process answers in pages, made when they are asked for: what
they cost is taken off, and none of it stays in memory.  Then single objects change.
Measured are the client, the composition of every chain, and the whole process
with everything that a node imports.

Run from a checkout, with edgemesh installed::

    python benchmarks/scale.py

Exit status 0 when everything is within its bound.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from statistics import median
from time import process_time

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

import edgemesh.node  # noqa: F401  (what a node imports counts)
from edgemesh.beehive.message import Message, Messages
from edgemesh.beehive.resource import parse
from edgemesh.handlers.bizkeeper import BizKeeperHandler
from edgemesh.handlers.chain import Chain
from edgemesh.handlers.enforcing import enforce
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler
from edgemesh.handlers.routes import RouteTable
from edgemesh.interfaces import Side
from edgemesh.link.moduleclient import ModuleUser
from edgemesh.link.modules import Directory
from edgemesh.link.pages import Row, page, pageWish
from edgemesh.meta.client import MetaManagerClient
from edgemesh.meta.model import Metadata
from edgemesh.meta.policy import policyFor
from edgemesh.process import ProcessTuning

SERVICES, ENDPOINTS_EACH, CHANGES = 10_000, 3, 200
#: Seconds of CPU, MiB, and milliseconds of CPU for one object's change.
MOST_COMPOSED, MOST_SECONDS, MOST_MEMORY, MOST_CHANGE = 3.0, 5.0, 150, 5.0


def service(number: int) -> dict[str, object]:
    """A Service as an API server has it."""
    name, address = f"app-{number:05}", f"10.96.{number // 256}.{number % 256}"
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": about(name, number, {"app": name, "team": f"team-{number % 40}"}),
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
            "selector": {"app": name},
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    }


def endpointSlice(number: int, version: int = 1) -> dict[str, object]:
    """Its slice; the version decides who is ready."""
    name = f"app-{number:05}"
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": about(f"{name}-k8s7d", version, {"kubernetes.io/service-name": name}),
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [f"10.{1 + each}.{number // 256}.{number % 256}"],
                "conditions": {"ready": (version + each) % 3 > 0 or version == 1},
                "nodeName": f"node-{number % 200}",
                "targetRef": {"kind": "Pod", "name": f"{name}-5d9c7b8f6-x{each}"},
            }
            for each in range(ENDPOINTS_EACH)
        ],
    }


def about(name: str, version: int, labels: dict[str, str]) -> dict[str, object]:
    """The metadata of an object."""
    return {
        "name": name,
        "namespace": "shop",
        "uid": f"6f1f2d9e-7a3b-4d7e-9f0e-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": labels,
    }


class MetaManager:
    """
    Answers in pages.

    :ivar spent: seconds of CPU for that.
    :ivar last: when the last answer was given.
    """

    def __init__(self) -> None:
        ids = count()
        self.spent = self.last = 0.0
        self.messages = Messages(lambda: f"id-{next(ids)}", lambda: 1_700_000_000_000)
        self.client = MetaManagerClient(Clock(), self.messages, self._newLink, lambda: 0.5)

    def _newLink(self, user: ModuleUser) -> MetaManager:
        self.user = user
        return self

    def startService(self) -> None:
        """There is nothing to open."""

    def stopService(self) -> Deferred[None]:
        """Nor to close."""
        return succeed(None)

    def ask(self, message: Message, module: str) -> Deferred[Message]:
        began = process_time()
        wish = pageWish(message)
        assert wish is not None
        rows = self._rows(parse(message.route.resource).type, wish.after)
        answer = self.messages.newRespByMessage(message, page(rows, wish))
        self.last = process_time()
        self.spent += self.last - began
        return succeed(answer)

    def _rows(self, type_: str, after: str) -> Iterator[Row]:
        make = {"service": service, "endpointslice": endpointSlice}.get(type_)
        first = int(after) + 1 if after else 0
        for number in range(first, SERVICES if make else 0):
            assert make is not None
            yield Row(f"{number:05}", json.dumps(make(number), separators=(",", ":")))

    def change(self, number: int, version: int) -> Message:
        """What metamanager pushes when one slice changes."""
        one = endpointSlice(number, version)
        key = f"shop/endpointslice/app-{number:05}-k8s7d"
        message = self.messages.newMessage()
        return message.buildRouter("edgecontroller", "resource", key, "update").fillBody(one)


class AtOnce:
    """A reactor that runs already."""

    def callWhenRunning(self, callable: Callable[[], None]) -> None:
        """Call it."""
        callable()


class Followers:
    """
    What follows from metadata in a node: the table of Routes and all chains.

    :ivar seconds: CPU for the last change.
    """

    def __init__(self) -> None:
        balance = LoadBalanceHandler()
        outbound = [RouterHandler("shop"), balance, QPSHandler(), BizKeeperHandler()]
        self.table = RouteTable("node-1")
        self.chains = (
            Chain(Side.OUTBOUND, outbound),
            Chain(Side.INBOUND, [balance]),
            Chain(Side.INBOUND, [QPSHandler()]),
        )
        self.seconds = 0.0

    def changed(self, metadata: Metadata) -> None:
        """Put it in force."""
        began = process_time()
        enforce(metadata, partial(policyFor, {}), self.table, self.chains)
        self.seconds = process_time() - began


def megabytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def told(what: str, found: float, most: float, unit: str) -> bool:
    """Print one result; whether it is within its bound."""
    verdict = "" if found <= most else "  TOO MUCH"
    print(f"{what:<58} {found:8.2f} {unit} (at most {most:g}){verdict}")
    return found <= most


def main() -> int:
    # As a node does when it runs.
    ProcessTuning(AtOnce()).startService()
    print(f"{'imports':<58} {process_time():8.2f} s, {megabytes()} MiB")
    manager, followers = MetaManager(), Followers()
    manager.client.subscribe(followers.changed)
    began = process_time()
    manager.client.startService()
    manager.user.linked(Directory(("metamanager",), {}))
    ended = process_time()
    whole = ended - began - manager.spent
    metadata = manager.client.metadata()
    known = sum(map(len, metadata.endpoints.values()))
    assert (len(metadata.services), known) == (SERVICES, SERVICES * ENDPOINTS_EACH)
    assert manager.client.problems() == {} and manager.client.ready()
    composed = ended - manager.last
    print(f"{'objects read and checked':<58} {whole - composed:8.2f} s")
    print(f"{'of the next: Routes, names and three chains':<58} {followers.seconds:8.2f} s")
    good = told("put together, and composed for the first call", composed, MOST_COMPOSED, "s")
    good &= told("all of it, from the first page to the first call", whole, MOST_SECONDS, "s")
    changes = []
    for number in range(CHANGES):
        message = manager.change(number * 37 % SERVICES, 2 + number)
        began = process_time()
        manager.user.pushed(message)
        changes.append((process_time() - began) * 1000)
    assert len(manager.client.metadata().changed or ()) == 1
    good &= told("one object's change in force, median", median(changes), MOST_CHANGE, "ms")
    print(f"{'the longest of them':<58} {max(changes):8.2f} ms")
    good &= told("memory of the whole process, at most", megabytes(), MOST_MEMORY, "MiB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
