"""
Ends of links as programs of their own, each on the reactor that it is told.

``python -m tests.functional.linkpeer REACTOR ROLE PATH [NUMBER]``; what happens is printed,
one word or two a line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from random import Random
from time import time_ns
from typing import Any
from uuid import uuid4

from edgemesh.beehive.message import Message, Messages
from edgemesh.errors import ConfigurationError, MeshError
from edgemesh.link.dialling import Backoff, Redialler
from edgemesh.link.listener import RecordListener
from edgemesh.link.moduleclient import ModuleClient
from edgemesh.link.modules import Directory
from edgemesh.link.moduleserver import ModuleServer
from edgemesh.link.records import RecordLimits, RecordProtocol, Unsent

REACTORS = {
    "epoll": "epollreactor",
    "poll": "pollreactor",
    "select": "selectreactor",
    "asyncio": "asyncioreactor",
}
#: What the echo takes at most, and what may wait for who asks it.
LIMITS = RecordLimits(receive=256 << 10, send=4 << 20, queue=2 << 20)
_QUICK = Backoff(0.05, 0.5)


def say(text: object) -> None:
    """Print a line at once."""
    print(text, flush=True)


def record(number: int) -> bytes:
    """The record of this number: some short, some long."""
    random = Random(number)
    return number.to_bytes(4, "big") + bytes(random.choice((0, 1, 500, 3_000, 20_000)))


class Echo(RecordProtocol):
    """Sends back what it gets, and takes nothing more while that waits."""

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.transport, True)

    def recordReceived(self, record: bytes) -> None:
        self.transport.sendRecord(record)

    def recordRefused(self, size: int) -> None:
        self.transport.sendRecord(b"refused %d" % size)

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        say(why)


class Sender(RecordProtocol):
    """Sends so many records as fast as they go, and compares what comes back."""

    def __init__(self, reactor: Any, count: int) -> None:
        self._reactor = reactor
        self._count = count
        self._sent = self._got = 0
        self._paused = False

    def connectionMade(self) -> None:
        say("linked")
        self.transport.sendRecord(b"x" * 5_000_000)
        self.transport.registerProducer(self, True)
        self._more()

    def recordUnsent(self, record: bytes, why: Unsent) -> None:
        say(f"unsent {why.size}")

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._reactor.callLater(0, self._more)

    def stopProducing(self) -> None:
        self._paused = True

    def _more(self) -> None:
        while self._sent < self._count and not self._paused:
            self.transport.sendRecord(record(self._sent))
            self._sent += 1

    def recordReceived(self, got: bytes) -> None:
        if got != record(self._got):
            say(f"different {self._got}")
            self.transport.abortConnection()
        self._got += 1
        if self._got == self._count:
            say(f"same {self._got}")


class Asker:
    """Asks metamanager whenever it is linked."""

    client: ModuleClient

    def linked(self, directory: Directory) -> None:
        say(f"linked {','.join(directory.modules)}")
        query = self.client.messages.newMessage().buildRouter("", "meta", "a/service/b", "query")
        answered = self.client.ask(query, "metamanager")
        answered.addCallbacks(
            lambda m: say(f"answer {m.text()}"), lambda f: say(f"failed {f.value}")
        )

    def pushed(self, message: Message) -> None:
        say(f"pushed {message.text()}")

    def unlinked(self) -> None:
        say("unlinked")


def messages() -> Messages:
    """Makes Messages as a program does."""
    return Messages(lambda: str(uuid4()), lambda: time_ns() // 1_000_000)


def echo(reactor: Any, path: str, _: int) -> Any:
    """Sends back what it gets."""
    return RecordListener(reactor, path, Echo, LIMITS, most=4)


def sender(reactor: Any, path: str, count: int) -> Any:
    """Sends records to an echo."""
    make: Callable[[], RecordProtocol] = lambda: Sender(reactor, count)  # noqa: E731
    return Redialler(reactor, path, make, LIMITS, _QUICK, Random(count).random)


def metamanager(reactor: Any, path: str, number: int) -> Any:
    """Answers every question with its number, and pushes it afterwards."""
    server = ModuleServer(reactor, path, messages(), {"edgemesh"}, RecordLimits())

    def take(message: Message) -> None:
        server.answer(message, server.messages.newRespByMessage(message, str(number)))
        news = server.messages.newMessage().buildRouter("x", "resource", "a/service/b", "update")
        server.push("edgemesh", news.fillBody(str(number)))

    server.add("metamanager", "meta", take)
    return server


def asker(reactor: Any, path: str, number: int) -> Any:
    """Asks a metamanager, however often that is killed."""
    user = Asker()
    limits, random = RecordLimits(), Random(number).random
    user.client = ModuleClient(reactor, path, messages(), "edgemesh", user, limits, _QUICK, random)
    return user.client


def main(which: str, role: str, path: str, number: str = "0") -> None:
    """Run until a signal comes."""
    import_module(f"twisted.internet.{REACTORS[which]}").install()
    from twisted.internet import reactor

    service = {"echo": echo, "sender": sender, "metamanager": metamanager, "asker": asker}[role](
        reactor, path, int(number)
    )
    try:
        service.startService()
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    say(f"ready {type(reactor).__name__}")
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    say("stopped")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except MeshError as error:
        raise SystemExit(str(error)) from None
