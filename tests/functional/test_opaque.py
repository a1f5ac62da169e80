"""
Opaque TCP over real sockets, through a real listener.

What the kernel does at a half-close, a reset and a stall cannot be had in memory.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from edgemesh.handlers.routes import LiveEndpoint, Route
from edgemesh.interceptor.listener import Listener
from edgemesh.interceptor.recognition import Recognition
from edgemesh.meta.model import Endpoint, Service, ServicePort
from edgemesh.meta.policy import Policy
from edgemesh.metrics import Metrics
from edgemesh.protocols.limits import Limits
from edgemesh.protocols.mesh import Mesh
from edgemesh.protocols.sweep import Sweep
from edgemesh.protocols.tcp.plugin import TCP
from edgemesh.protocols.tls.plugin import TLS
from tests.protocols.meshes import KEY, RecordingPath

MIB = 1 << 20


def resets(connection: socket.socket) -> None:
    """Close with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def everything(connection: socket.socket) -> bytes:
    """All bytes up to the FIN."""
    parts = []
    while part := connection.recv(MIB):
        parts.append(part)
    return b"".join(parts)


class OpaqueTests(TestCase):
    """A relayed connection cannot be told from a direct one."""

    timeout = 30

    def setUp(self) -> None:
        self.app = socket.create_server(("127.0.0.1", 0))
        self.app.settimeout(10)
        self.addCleanup(self.app.close)
        port = ServicePort(3306)
        live = LiveEndpoint(KEY, Endpoint("127.0.0.1", self.app.getsockname()[1]))
        self.path = RecordingPath(Route(Service("default", "db", (port,)), port, Policy(), (live,)))
        connections = Sweep(reactor, 1.0)
        mesh = Mesh(
            reactor, time.monotonic, self.path, connections, connections, Limits(), Metrics(), {}
        )
        mesh.clients["tcp"] = TCP.client(mesh)
        self.mesh = mesh
        recognition = Recognition(mesh, reactor, {"tls": TLS, "tcp": TCP}, lambda asked: "")
        listenAt = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        listener = Listener("db", listenAt, recognition, KEY)
        connections.startService()
        listener.startService()
        self.addCleanup(connections.stopService)
        self.addCleanup(listener.stopService)
        self.addCleanup(recognition.stop)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.ended()))
        host, _, number = listener.address.rpartition(":")
        self.address = (host, int(number))

    def call(
        self,
        serve: Callable[[socket.socket], object],
        talk: Callable[[socket.socket], object],
    ) -> Deferred[object]:
        """One connection: the app in a thread, the caller in another."""

        def accept() -> None:
            connection, _ = self.app.accept()
            connection.settimeout(10)
            with connection:
                serve(connection)

        def run() -> object:
            app = threading.Thread(target=accept)
            app.start()
            try:
                with socket.create_connection(self.address, 10) as connection:
                    return talk(connection)
            finally:
                app.join()

        return deferToThread(run)

    async def ended(self) -> list[str]:
        """The reasons, once every connection is gone and every short wait is over."""
        while self.mesh.live or not self.path.finished:
            await deferLater(reactor, 0.01)
        await deferLater(reactor, 0.05)
        return self.path.reasons

    async def test_halfClose(self) -> None:
        """A caller that sends everything first gets an answer that depends on all of it."""

        def serve(connection: socket.socket) -> None:
            connection.sendall(hashlib.sha256(everything(connection)).digest())

        def talk(connection: socket.socket) -> bytes:
            connection.sendall(b"q" * MIB)
            connection.shutdown(socket.SHUT_WR)
            return everything(connection)

        answer = await self.call(serve, talk)
        self.assertEqual(answer, hashlib.sha256(b"q" * MIB).digest())
        self.assertEqual(await self.ended(), [""])

    async def test_bulk(self) -> None:
        """64 MiB down arrive as they were sent."""
        block = hashlib.sha256(b"seed").digest() * (MIB // 32)

        def serve(connection: socket.socket) -> None:
            connection.recv(1)
            for _ in range(64):
                connection.sendall(block)

        def talk(connection: socket.socket) -> bytes:
            connection.sendall(b"\0")
            digest = hashlib.sha256()
            while part := connection.recv(MIB):
                digest.update(part)
            return digest.digest()

        wanted = hashlib.sha256(block * 64).digest()
        self.assertEqual(await self.call(serve, talk), wanted)
        self.assertEqual(self.path.decided[0].protocol, "tcp")

    async def test_serverFirst(self) -> None:
        """A greeting costs at most 50 ms more than without us."""

        def talk(connection: socket.socket) -> float:
            began = time.monotonic()
            connection.recv(64)
            return time.monotonic() - began

        self.assertLess(await self.call(lambda c: c.sendall(b"220 hi\r\n"), talk), 0.05)

    async def test_finFirst(self) -> None:
        """A caller that ends before it says anything reads the banner to its end."""

        def talk(connection: socket.socket) -> bytes:
            connection.shutdown(socket.SHUT_WR)
            return everything(connection)

        self.assertEqual(await self.call(lambda c: c.sendall(b"SSH-2.0\r\n"), talk), b"SSH-2.0\r\n")

    async def test_endpointResets(self) -> None:
        """The caller reads what came before the reset, and then the reset."""

        def serve(connection: socket.socket) -> None:
            connection.recv(16)
            connection.sendall(b"last words")
            resets(connection)

        def talk(connection: socket.socket) -> tuple[bytes, str]:
            connection.sendall(b"\0")
            heard = b""
            try:
                while part := connection.recv(64):
                    heard += part
            except ConnectionResetError:
                return heard, "reset"
            return heard, "end"

        self.assertEqual(await self.call(serve, talk), (b"last words", "reset"))

    async def test_callerResets(self) -> None:
        """The endpoint sees a caller's reset as one."""
        seen: list[str] = []

        def serve(connection: socket.socket) -> None:
            try:
                everything(connection)
                seen.append("end")
            except ConnectionResetError:
                seen.append("reset")

        def talk(connection: socket.socket) -> None:
            connection.sendall(b"\0")
            time.sleep(0.05)
            resets(connection)

        await self.call(serve, talk)
        self.assertEqual((seen, await self.ended()), (["reset"], ["DC"]))
