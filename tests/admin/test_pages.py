# -*- test-case-name: tests.admin.test_pages -*-
"""What the admin answers."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.pages import Answer, Pages, Question
from tests.admin.nodes import FixedListener, Node


def ask(node: Node, path: str, method: str = "GET", host: str = "", **query: str) -> Answer:
    """Ask one question."""
    return Pages(node.view, ["edge-1.lan"]).answer(Question(method, path, query, host))


def read(answer: Answer) -> Any:
    """The JSON of an answer."""
    return msgspec.json.decode(answer.body)


class HealthTests(SynchronousTestCase):
    """Probes."""

    def test_alive(self) -> None:
        """While the process answers it is alive, ready or not."""
        node = Node(drains=True)
        for path in ("/healthz", "/livez"):
            answer = ask(node, path)
            self.assertEqual((answer.status, answer.body), (200, b"ok\n"))

    def test_ready(self) -> None:
        """A ready node says ok, and verbosely what it looked at."""
        self.assertEqual(ask(Node(), "/readyz").body, b"ok\n")
        verbose = ask(Node(), "/readyz", verbose="")
        self.assertEqual(verbose.status, 200)
        self.assertIn(b"[+]listener web.default:80 ok\n", verbose.body)

    def test_notReady(self) -> None:
        """A node that is not ready answers 503 and says why without being asked."""
        node = Node()
        node.listeners.append(FixedListener("proxy"))
        answer = ask(node, "/readyz")
        self.assertEqual(answer.status, 503)
        self.assertIn(b"[-]listener proxy: not up\n", answer.body)

    def test_brokenFile(self) -> None:
        """A broken file shows in the verbose report of a node that stays ready."""
        node = Node()
        node.source.broken = {"manifests/b\udcffd.yaml": "line 3"}
        answer = ask(node, "/readyz", verbose="")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"[!]manifests/b\\udcffd.yaml: line 3\n", answer.body)


class ReadTests(SynchronousTestCase):
    """Services, chains, metrics."""

    def test_services(self) -> None:
        """Services come as JSON that other programs can read."""
        answer = ask(Node(), "/services")
        self.assertEqual((answer.status, answer.contentType), (200, "application/json"))
        value = read(answer)
        self.assertEqual(value["generation"], 7)
        web = value["services"][2]
        self.assertEqual(web["service"], "web.default:80")
        self.assertEqual(web["endpoints"][0]["inFlight"], 0)
        self.assertEqual(web["policy"]["loadBalance"], "roundrobin")

    def test_chain(self) -> None:
        """A short name is enough to see a chain."""
        value = read(ask(Node(), "/chain", service="web"))
        self.assertEqual(value["service"], "web.default:80")
        self.assertEqual(
            [stage["handler"] for stage in value["outbound"]], ["router", "qps", "bizkeeper"]
        )
        self.assertTrue(value["endpoints"][0]["takesCalls"])

    def test_unknownService(self) -> None:
        """An unknown service is answered with the known ones."""
        answer = ask(Node(), "/chain", service="shop")
        self.assertEqual(answer.status, 404)
        self.assertEqual(
            read(answer)["services"], ["db.store:3306", "db.store:8080", "web.default:80"]
        )

    def test_severalPorts(self) -> None:
        """When a name can mean more than one port, the answer lists them."""
        answer = ask(Node(), "/chain", service="db")
        self.assertEqual(answer.status, 400)
        self.assertEqual(read(answer)["services"], ["db.store:3306", "db.store:8080"])

    def test_noService(self) -> None:
        """Without a service the answer says how to ask."""
        answer = ask(Node(), "/chain")
        self.assertEqual(answer.status, 400)
        self.assertIn("/chain?service=", read(answer)["error"])

    def test_metrics(self) -> None:
        """Metrics come in the format the scraper accepts."""
        pages = Pages(Node().view)
        answer = pages.answer(
            Question("GET", "/metrics", {}, accept="application/openmetrics-text")
        )
        self.assertTrue(answer.contentType.startswith("application/openmetrics-text"))
        self.assertTrue(answer.body.endswith(b"# EOF\n"))

    def test_index(self) -> None:
        """The first page lists the others, each of which exists."""
        answer = ask(Node(), "/")
        for path in ("/healthz", "/readyz", "/metrics", "/services", "/chain"):
            self.assertIn(f"\n{path}", answer.body.decode())
            self.assertNotEqual(read(ask(Node(), "/nope"))["pages"].count(path), 0)


class RefusalTests(SynchronousTestCase):
    """What the admin does not answer."""

    def test_unknownPage(self) -> None:
        """An unknown page is a 404 in JSON that lists the pages."""
        answer = ask(Node(), "/../etc/passwd")
        self.assertEqual((answer.status, answer.contentType), (404, "application/json"))
        self.assertIn("/services", read(answer)["pages"])

    def test_readOnly(self) -> None:
        """Every method but GET and HEAD is refused."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"):
            answer = ask(Node(), "/services", method=method)
            self.assertEqual((answer.status, answer.allow), (405, "GET, HEAD"), method)
            self.assertIn("error", read(answer))

    def test_ownNames(self) -> None:
        """The machine's own names, addresses and the configured name are answered."""
        hosts = (
            "", "localhost", "LOCALHOST:15000", "a.localhost", "localhost.", "127.0.0.1:15000",
            "[::1]:15000", "[::1]", "10.0.0.7:15000", "edge-1.lan:15000", "Edge-1.LAN",
        )  # fmt: skip
        for host in hosts:
            self.assertEqual(ask(Node(), "/healthz", host=host).status, 200, host)

    def test_foreignNames(self) -> None:
        """A page from elsewhere cannot read the admin by a name that it made mean 127.0.0.1."""
        hosts = (
            "evil.example", "evil.example:15000", "localhost.evil.example", "notlocalhost",
            "127.0.0.1.evil.example", "127.0.0.1@evil.example", "[evil]", "127.1", "0x7f000001",
        )  # fmt: skip
        for host in hosts:
            self.assertEqual(ask(Node(), "/services", host=host).status, 403, host)
