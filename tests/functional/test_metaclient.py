"""The client of metamanager at a real socket, with a metamanager that comes and goes."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive.message import Message
from edgemesh.beehive.resource import parse
from edgemesh.link.dialling import Backoff
from edgemesh.link.moduleclient import ModuleClient
from edgemesh.link.moduleserver import ModuleServer
from edgemesh.link.pages import Row, page, pageWish
from edgemesh.meta.client import MetaManagerClient
from tests.link.samples import messages
from tests.link.scenes import SMALL, SceneMixin
from tests.meta.metamanagers import addresses, endpoints, keyOf, service

KEY = "web.default:80"


class MetaManagerTests(SceneMixin, SynchronousTestCase):
    """Metadata through a socket."""

    def setUp(self) -> None:
        super().setUp()
        self.rows: dict[str, str] = {}
        self.serve(self.server)
        made = messages("m")
        self.source = MetaManagerClient(
            self.reactor,
            made,
            lambda user: ModuleClient(
                self.reactor,
                self.path,
                made,
                "edgemesh",
                user,
                SMALL,
                Backoff(1.0, 8.0),
                lambda: 0.5,
            ),
            lambda: 0.5,
        )
        self.addCleanup(self.close)

    def close(self) -> None:
        """The client's link is closed before the scene ends."""
        self.source.stopService()
        self.settle()

    def serve(self, server: ModuleServer) -> None:
        """Let this server's metamanager answer from the rows."""
        self.server = server

        def take(message: Message) -> None:
            type_ = parse(message.route.resource).type
            wish = pageWish(message)
            assert wish is not None
            rows = [Row(k, self.rows[k]) for k in sorted(self.rows) if parse(k).type == type_]
            content = page((row for row in rows if row.key > wish.after), wish)
            server.answer(message, server.messages.newRespByMessage(message, content))

        self.metamanager.take = take  # type: ignore[method-assign]
        server._here["metamanager"] = take

    def store(self, *objects: dict[str, object]) -> None:
        """Metamanager has these."""
        for one in objects:
            self.rows[keyOf(one)] = json.dumps(one)

    def settleAll(self) -> None:
        """Every page that can come has come."""
        for _ in range(12):
            self.settle()

    def test_wholeWay(self) -> None:
        """Lists in many pages, pushes, a metamanager that dies and one that comes back."""
        self.store(*(service(f"s{n:04}") for n in range(900)), service("web"))
        self.store(endpoints("web", "10.0.0.1"))
        self.source.startService()
        self.settleAll()
        self.assertTrue(self.source.ready())
        self.assertEqual(len(self.source.metadata().services), 901)
        self.assertEqual(addresses(self.source, KEY), ["10.0.0.1"])

        changed = endpoints("web", "10.0.0.2")
        update = self.server.messages.newMessage().fillBody(changed)
        update = update.buildRouter("edgecontroller", "resource", keyOf(changed), "update")
        self.server.push("edgemesh", update)
        self.settle()
        self.assertEqual(addresses(self.source, KEY), ["10.0.0.2"])

        self.server.stopService()
        self.settle()
        self.assertEqual(addresses(self.source, KEY), ["10.0.0.2"])
        self.assertEqual(list(self.source.problems()), ["metamanager"])

        self.rows = {key: text for key, text in self.rows.items() if "/s0" not in key}
        again = ModuleServer(self.reactor, self.path, messages("t"), {"edgemesh"}, SMALL)
        again.add("metamanager", "meta", self.metamanager.take)
        self.serve(again)
        again.startService()
        self.reactor.advance(8.0)
        self.settleAll()
        self.assertEqual(self.source.problems(), {})
        self.assertEqual([name for _, name in self.source.metadata().services], ["web"])
