"""Tests for :mod:`edgemesh.node`."""

import json
from pathlib import Path

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure as Reason
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.health import readiness
from edgemesh.config import load
from edgemesh.errors import ConfigurationError
from edgemesh.handlers.qps import QPSHandler
from edgemesh.interfaces import Side
from edgemesh.node import makeNode

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]},
}
ENDPOINTS = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "metadata": {"name": "web"},
    "subsets": [
        {
            "addresses": [{"ip": "127.0.0.1"}],
            "ports": [{"name": "http", "port": 9080}, {"name": "admin", "port": 9081}],
        }
    ],
}
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class NodeTestCase(SynchronousTestCase):
    """A node in memory: its folder is real, its sockets are not."""

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.manifests = self.folder / "services.d"
        self.manifests.mkdir(parents=True)
        (self.manifests / "web.json").write_text(json.dumps(SERVICE))
        (self.manifests / "web-endpoints.json").write_text(json.dumps(ENDPOINTS))
        self.reactor = MemoryReactorClock()
        self.callers = []
        self.events = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        self.config = self.configured()

    def configured(self, **keys):
        """A configuration with these keys."""
        given = {
            "node": "edge-1",
            "state": str(self.folder / "state"),
            "manifests": str(self.manifests),
            "listeners": [
                {"listen": "tcp:18080:interface=127.0.0.1", "service": "web:80"},
                {"listen": "tcp:18081:interface=127.0.0.1", "proxy": True},
            ],
            **keys,
        }
        file = self.folder / "edgemesh.yaml"
        file.write_text(json.dumps(given))
        return load(str(file), {"HOME": str(self.folder)})

    def reread(self):
        if isinstance(self.config, Exception):
            raise self.config
        return self.config

    def makeNode(self):
        """A node of the present configuration, not started."""
        return makeNode(self.config, self.reactor, self.reread)

    def started(self):
        """A node that runs, and is stopped after the test."""
        node = self.makeNode()

        def stop():
            for caller in self.callers:
                caller.protocol.connectionLost(Reason(ConnectionDone()))
            stopped = node.stopService()
            self.reactor.pump([0.1] * 3)
            self.successResultOf(stopped)

        self.addCleanup(stop)
        node.startService()
        return node

    def connected(self, port):
        """A caller's connection to the listener on this port."""
        factory = next(one[1] for one in self.reactor.tcpServers if one[0] == port)
        protocol = factory.buildProtocol(None)
        transport = CallerTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self.callers.append(transport)
        return transport

    def answerNext(self, answer=ANSWER):
        """Accept the last dial and answer it; what the endpoint was sent."""
        host, port, factory = self.reactor.tcpClients[-1][:3]
        protocol = factory.buildProtocol(None)
        transport = CallerTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        transport.protocol.dataReceived(answer)
        return (host, port), transport.value()

    def logged(self, text):
        """Whether some event of the log begins like this."""
        return any(str(event.get("log_format", "")).startswith(text) for event in self.events)


class CallerTransport(StringTransport):
    """A TCP transport in memory, with what the servers ask of one."""

    def setTcpNoDelay(self, enabled):
        """There is no delay."""

    def loseWriteConnection(self):
        self.disconnecting = True


class CompositionTests(NodeTestCase):
    """What the node is made of."""

    def test_names(self):
        """Every part is a service that can be found by its name."""
        node = self.makeNode()
        names = {service.name for service in node}
        self.assertLessEqual(
            {
                "manifests",
                "reload",
                "process",
                "call deadlines",
                "connection deadlines",
                "admin",
                "transport-http",
                "transport-grpc",
                "transport-tls",
                "transport-tcp",
                "proxy (tcp:18081:interface=127.0.0.1)",
            },
            names,
        )

    def test_opensNothing(self):
        """Composing neither listens nor reads the folder nor sets a timer."""
        node = self.makeNode()
        self.assertEqual(self.reactor.tcpServers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertFalse(node.view.source.ready())

    def test_readiness(self):
        """A node whose listeners do not listen is not ready, and says which."""
        node = self.makeNode()
        proxy = "listener proxy (tcp:18081:interface=127.0.0.1)"
        self.assertIn(f"[-]{proxy}: not up", map(str, readiness(node.view)))
        node.startService()
        self.assertIn(f"[+]{proxy} ok", map(str, readiness(node.view)))
        stopped = node.stopService()
        self.assertIn(f"[-]{proxy}: not up", map(str, readiness(node.view)))
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)

    def test_accessLogOnlyWhenConfigured(self):
        """No access log is kept unless a file is named."""
        self.assertNotIn("access log", {service.name for service in self.makeNode()})
        self.config = self.configured(accessLog=str(self.folder / "access.log"))
        self.assertIn("access log", {service.name for service in self.makeNode()})

    def test_transportServerWithAnAddress(self):
        """A transport server with an address listens there, and serves apps of this node."""
        self.config = self.configured(transportServers={"http": "tcp:15080:interface=127.0.0.1"})
        self.started()
        caller = self.connected(15080)
        caller.protocol.dataReceived(REQUEST)
        self.assertEqual(self.answerNext()[0], ("127.0.0.1", 9080))
        self.assertIn(b"200 OK", caller.value())

    def test_noPlaceForASocket(self):
        """A socket whose directory is not there ends the program with one line."""
        self.config = self.configured(admin="unix:/nowhere/admin")

        def refuse(*arguments, **options):
            raise FileNotFoundError(2, "No such file or directory", "/nowhere/admin.lock")

        self.reactor.listenUNIX = refuse
        end = self.assertRaises(SystemExit, self.started)
        self.assertEqual(str(end.code).count("\n"), 0)
        self.assertIn("/nowhere/admin", str(end.code))

    def test_missingHandler(self):
        """A handler that nobody provides stops start-up and is named."""
        self.config = self.configured(handlers={"outbound": ["router", "teapot"]})
        error = self.assertRaises(ConfigurationError, self.makeNode)
        self.assertIn("'teapot'", str(error))


class CallTests(NodeTestCase):
    """A call through the composed node."""

    def test_listenerOfOneService(self):
        """Any Host is accepted and passed on; the listener's service gets the call."""
        self.started()
        caller = self.connected(18080)
        caller.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: whatever\r\n\r\n")
        where, sent = self.answerNext()
        self.assertEqual(where, ("127.0.0.1", 9080))
        self.assertIn(b"Host: whatever\r\n", sent)
        self.assertEqual(caller.value(), ANSWER)

    def test_byName(self):
        """The proxy listener finds the service by its name and port."""
        self.started()
        caller = self.connected(18081)
        caller.protocol.dataReceived(b"GET http://web.default:81/x HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(self.answerNext()[0], ("127.0.0.1", 9081))
        self.assertEqual(caller.value(), ANSWER)

    def test_unknownName(self):
        """A name that is no known Service is 404, and nobody is dialled."""
        self.started()
        caller = self.connected(18081)
        caller.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
        self.assertIn(b"404 Not Found\r\nx-edgemesh-reason: NR\r\n", caller.value())
        self.assertEqual(self.reactor.tcpClients, [])


class ServicePortTests(NodeTestCase):
    """How a listener's ``service`` is read."""

    def listening(self, service):
        self.config = self.configured(
            listeners=[{"listen": "tcp:18080:interface=127.0.0.1", "service": service}]
        )
        self.started()
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        return caller

    def test_spellings(self):
        """A port may be named by its number or its name, a service with or without namespace."""
        for service in ("web:81", "web:admin", "web.default:81", "web.default.svc:admin"):
            with self.subTest(service=service):
                self.reactor.tcpServers.clear()
                self.listening(service)
                self.assertEqual(self.answerNext()[0], ("127.0.0.1", 9081))

    def test_noPortOfSeveral(self):
        """Without a port, a service of several ports is not guessed: 404."""
        self.assertIn(b"404 Not Found", self.listening("web").value())


class ReloadTests(NodeTestCase):
    """SIGHUP, once the reactor has time for it."""

    def test_policies(self):
        """A new limit counts for the very next call."""
        node = self.started()
        caller = self.connected(18080)
        self.config = self.configured(
            policies={"*": {"qps": {"outbound": {"limit": 0.001, "burst": 1}}}}
        )
        node.reload()
        caller.protocol.dataReceived(REQUEST)
        self.answerNext()
        caller.clear()
        caller.protocol.dataReceived(REQUEST)
        self.assertIn(b"429 Too Many Requests", caller.value())

    def test_levelsAreKept(self):
        """A reload does not fill the buckets again."""
        limit = {"*": {"qps": {"outbound": {"limit": 0.001, "burst": 1}}}}
        self.config = self.configured(policies=limit)
        node = self.started()
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        self.answerNext()
        node.reload()
        caller.clear()
        caller.protocol.dataReceived(REQUEST)
        self.assertIn(b"429 Too Many Requests", caller.value())

    def test_mistake(self):
        """A configuration that is wrong now changes nothing and is told."""
        node = self.started()
        self.config = ConfigurationError("edgemesh.yaml: listners: ...")
        node.reload()
        self.assertTrue(self.logged("not reloaded"))
        self.assertIn(
            "[!]configuration: edgemesh.yaml: listners: ...", map(str, readiness(node.view))
        )
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        self.answerNext()
        self.assertEqual(caller.value(), ANSWER)
        self.config = self.configured()
        node.reload()
        self.assertNotIn("configuration", "".join(map(str, readiness(node.view))))

    def test_restartNeeded(self):
        """What cannot change while the node runs is named."""
        node = self.started()
        self.config = msgspec.structs.replace(self.config, node="edge-2")
        node.reload()
        self.assertTrue(self.logged("{key} has changed: this needs a restart"))
        self.assertEqual(node.view.node, "edge-1")

    def test_nameSpace(self):
        """What needs a restart takes no effect before it, wherever it is used."""
        node = self.started()
        self.config = self.configured(namespace="prod", clusterDomain="mesh.example")
        node.reload()
        caller = self.connected(18081)
        caller.protocol.dataReceived(REQUEST)
        self.answerNext()
        self.assertEqual(caller.value(), ANSWER)

    def test_handlerThatNeverComposes(self):
        """A stranger's handler that fails from the beginning stops start-up."""

        def compose(self, route, side, former):
            raise ZeroDivisionError("a stranger's defect")

        self.patch(QPSHandler, "compose", compose)
        end = self.assertRaises(SystemExit, self.started)
        self.assertIn("generation 1 is not in force", str(end.code))
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))

    def test_handlerThatCannotCompose(self):
        """When a stranger's handler fails at a change, calls go on as they did before."""
        node = self.started()

        def compose(self, route, side, former):
            if side is Side.INBOUND:
                raise ZeroDivisionError("a stranger's defect")

        self.patch(QPSHandler, "compose", compose)
        endpoints = {**ENDPOINTS, "metadata": {"name": "new"}}
        (self.manifests / "new.json").write_text(json.dumps(endpoints))
        service = {**SERVICE, "metadata": {"name": "new"}}
        (self.manifests / "new-service.json").write_text(json.dumps(service))
        node.reload()
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.assertFalse(self.logged("reloaded"))
        self.assertIn(
            "[!]metadata: generation 2 is not in force; see the log",
            map(str, readiness(node.view)),
        )
        for name, status in ((b"web", b"200 OK"), (b"new", b"404 Not Found")):
            caller = self.connected(18081)
            caller.protocol.dataReceived(REQUEST.replace(b"web", name))
            if name == b"web":
                self.answerNext()
            self.assertIn(status, caller.value())

    def test_listenerWhenAHandlerCannotCompose(self):
        """A listener still stands for the port that was there before such a change."""
        service = {**SERVICE, "spec": {"ports": [{"name": "http", "port": 80}]}}
        (self.manifests / "web.json").write_text(json.dumps(service))
        self.config = self.configured(
            listeners=[{"listen": "tcp:18080:interface=127.0.0.1", "service": "web"}]
        )
        node = self.started()

        def compose(self, route, side, former):
            raise ZeroDivisionError("a stranger's defect")

        self.patch(QPSHandler, "compose", compose)
        service = {**SERVICE, "spec": {"ports": [{"name": "http", "port": 88}]}}
        (self.manifests / "web.json").write_text(json.dumps(service))
        node.reload()
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        self.answerNext()
        self.assertEqual(caller.value(), ANSWER)

    def test_services(self):
        """The folder is read again at once."""
        node = self.started()
        (self.manifests / "web-endpoints.json").unlink()
        node.reload()
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        self.assertIn(b"503 Service Unavailable\r\nx-edgemesh-reason: NE", caller.value())


class StopTests(NodeTestCase):
    """SIGTERM: the node stops."""

    def setUp(self):
        super().setUp()
        self.node = self.makeNode()
        self.node.startService()

    def test_idle(self):
        """With nothing in flight it stops at once and leaves no timer."""
        caller = self.connected(18080)
        stopped = self.node.stopService()
        self.assertTrue(caller.disconnecting)
        caller.protocol.connectionLost(Reason(ConnectionDone()))
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_serverFirst(self):
        """A call whose server spoke first leaves no timer either."""
        caller = self.connected(18080)
        self.reactor.pump([0.03])
        endpoint = CallerTransport()
        endpoint.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        endpoint.protocol.makeConnection(endpoint)
        endpoint.protocol.dataReceived(b"220 hi\r\n")
        for end in (caller, endpoint):
            end.protocol.connectionLost(Reason(ConnectionDone()))
        stopped = self.node.stopService()
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_callInFlight(self):
        """A call in flight is answered, says that the connection ends, and then it stops."""
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        stopped = self.node.stopService()
        self.reactor.advance(1)
        self.assertNoResult(stopped)
        self.answerNext()
        self.assertIn(b"Connection: close\r\n", caller.value())
        self.assertTrue(caller.disconnecting)
        caller.protocol.connectionLost(Reason(ConnectionDone()))
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)

    def test_grace(self):
        """A call that does not end in time is cut off."""
        caller = self.connected(18080)
        caller.protocol.dataReceived(REQUEST)
        stopped = self.node.stopService()
        self.reactor.pump([0.05] * int(self.config.limits.grace / 0.05 + 2))
        self.assertTrue(self.logged("{count} connections cut off"))
        self.reactor.advance(0.1)
        self.successResultOf(stopped)
        self.assertTrue(caller.disconnected or caller.disconnecting)
