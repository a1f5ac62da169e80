"""A server of modules and its clients in one process, on real sockets, turned by hand."""

from __future__ import annotations

import socket

from edgemesh.beehive.codec import decode
from edgemesh.beehive.message import Message
from edgemesh.link.dialling import Backoff
from edgemesh.link.moduleclient import ModuleClient
from edgemesh.link.modules import Directory, recordOf
from edgemesh.link.moduleserver import ModuleServer
from edgemesh.link.records import RecordLimits
from edgemesh.link.seqpacket import LINGER
from tests.link.places import PlacesMixin
from tests.link.samples import messages, query
from tests.link.sockets import Turned

SMALL = RecordLimits(receive=4 << 20, send=200_000, queue=400_000)


class Metamanager:
    """A module that answers what a test tells it to, when it tells it to."""

    def __init__(self, server: ModuleServer) -> None:
        self.asked: list[Message] = []
        self._server = server

    def take(self, message: Message) -> None:
        self.asked.append(message)

    def answer(self, content: object, request: Message | None = None) -> None:
        """Answer the last question, or this one."""
        asking = request or self.asked[-1]
        answer = self._server.messages.newRespByMessage(asking, content)
        self._server.answer(asking, answer.setRoute("metamanager", "meta"))


class User:
    """The user of a client; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Directory | Message | str] = []

    def linked(self, directory: Directory) -> None:
        self.told.append(directory)

    def pushed(self, message: Message) -> None:
        self.told.append(message)

    def unlinked(self) -> None:
        self.told.append("unlinked")


class SceneMixin(PlacesMixin):
    """A server with the module ``metamanager``, which ``edgemesh`` may ask."""

    def setUp(self) -> None:
        self.path = self.place()
        self.reactor = Turned()
        self.server = ModuleServer(
            self.reactor, self.path, messages("s"), {"edgemesh", "edged"}, SMALL
        )
        self.metamanager = Metamanager(self.server)
        self.server.add("metamanager", "meta", self.metamanager.take)
        self.server.startService()
        self.user = User()
        self.client = ModuleClient(
            self.reactor,
            self.path,
            messages("c"),
            "edgemesh",
            self.user,
            SMALL,
            Backoff(1.0, 8.0),
            lambda: 0.5,
        )
        self.addCleanup(self.end)

    def end(self) -> None:
        """Whatever a test leaves open is closed."""
        self.client.stopService()
        self.server.stopService()
        self.settle()
        self.reactor.advance(LINGER)

    def settle(self) -> None:
        """Everything that can happen now happens."""
        for _ in range(3):
            self.reactor.advance(0)
            self.reactor.turn(2)

    def link(self) -> None:
        """The client is let in."""
        self.client.startService()
        self.settle()

    def query(self, resource: str = "default/service/b", content: object = None) -> Message:
        """A question of the client's."""
        return query(self.client.messages, resource, content)

    def stranger(self, name: str = "") -> socket.socket:
        """Another program, which has introduced itself when it has a name."""
        connection = self.opened()
        connection.connect(self.path)
        if name:
            greeting = messages(name).newMessage().buildRouter(name, "", "module", "add")
            connection.send(recordOf(greeting.setSync(True)))
        self.settle()
        return connection

    def heard(self, connection: socket.socket) -> Message:
        """The next Message that another program gets."""
        self.settle()
        return decode(connection.recv(8 << 20))
