"""A gigabyte through the node, stalled and idle connections: what they cost in memory."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections.abc import Callable
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.callers import HOST, Caller, request
from tests.functional.harness import until
from tests.functional.kernel import (
    KIB,
    MIB,
    Peer,
    allowDescriptors,
    descriptors,
    forgetPeak,
    memory,
)
from tests.functional.loadapp import BLOCK
from tests.functional.meshes import Mesh, MeshMixin

GIB = 1 << 30
_OPAQUE = {"web.default": {"protocol": "tcp"}}


@cache
def gigabyteDigest() -> str:
    """What a gigabyte of the block hashes to."""
    digest = hashlib.sha1(usedforsecurity=False)
    for _ in range(GIB // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()


class GigabyteTests(MeshMixin, SynchronousTestCase):
    """1 GiB in one body: it arrives intact, and the node grows by less than 32 MiB."""

    def through(self, transfer: Callable[[Caller], str], **config: object) -> None:
        """Let a node transfer it; judge what came and what it cost."""
        app = self.loadApp()
        mesh = self.mesh(app.port, **config)
        with Caller(mesh.port, timeout=60) as caller:
            caller.get()
            forgetPeak(mesh.pid)
            before = memory(mesh.pid)
            digest = transfer(caller)
            grown = memory(mesh.pid, "VmHWM") - before
        self.assertEqual(digest, gigabyteDigest())
        self.assertLess(grown, 32 * MIB)

    def test_down(self) -> None:
        """An HTTP answer."""
        self.through(_download)

    def test_up(self) -> None:
        """An HTTP request."""
        self.through(_upload)

    def test_opaqueDown(self) -> None:
        """From the endpoint, as opaque bytes."""
        self.through(_download, policies=_OPAQUE)

    def test_opaqueUp(self) -> None:
        """To the endpoint, as opaque bytes."""
        self.through(_upload, policies=_OPAQUE)


def _download(caller: Caller) -> str:
    connection = caller.socket
    connection.sendall(request(f"/stream?size={GIB}"))
    digest = hashlib.sha1(usedforsecurity=False)
    _, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
    digest.update(body)
    left = GIB - len(body)
    buffer = memoryview(bytearray(256 * KIB))
    while left:
        count = connection.recv_into(buffer)
        assert count, f"ended {left} bytes too early"
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest()


def _upload(caller: Caller) -> str:
    connection = caller.socket
    head = f"POST /upload HTTP/1.1\r\nHost: web\r\nContent-Length: {GIB}\r\n\r\n"
    connection.sendall(head.encode())
    for _ in range(GIB // len(BLOCK)):
        connection.sendall(BLOCK)
    return caller.answer().body.decode()


class StalledTests(MeshMixin, SynchronousTestCase):
    """A hundred connections of which one end has stopped reading, in the middle of a body."""

    count = 100

    def grown(self, mesh: Mesh, begin: Callable[[], socket.socket]) -> float:
        """Bytes that each connection costs the node, once nothing moves any more."""
        with Caller(mesh.port) as caller:
            caller.socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            time.sleep(0.1)
        before = memory(mesh.pid)
        stalled = [begin() for _ in range(self.count)]
        self.addCleanup(lambda: [each.close() for each in stalled])
        fill([each for each in stalled if not each.getblocking()])
        settled(lambda: memory(mesh.pid))
        return (memory(mesh.pid) - before) / self.count

    def test_reader(self) -> None:
        """A caller that does not read its answer costs at most 128 KiB."""
        app = self.loadApp()
        mesh = self.mesh(app.port)

        def begin() -> socket.socket:
            return opened(mesh.port, request(f"/stream?size={64 * MIB}"))

        self.assertLess(self.grown(mesh, begin), 128 * KIB)

    def upload(self, **config: object) -> float:
        """The cost of uploads to an endpoint that does not read."""
        peer = Peer(lambda connection: time.sleep(60), window=4096)
        self.addCleanup(peer.close)
        mesh = self.mesh(peer.port, **config)
        head = f"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: {64 * MIB}\r\n\r\n".encode()

        def begin() -> socket.socket:
            connection = opened(mesh.port, head)
            connection.setblocking(False)
            return connection

        return self.grown(mesh, begin)

    def test_upstream(self) -> None:
        """An endpoint that does not read its request costs at most 128 KiB."""
        self.assertLess(self.upload(), 128 * KIB)

    def test_opaqueUpstream(self) -> None:
        """So it is when the bytes are opaque."""
        self.assertLess(self.upload(policies=_OPAQUE), 128 * KIB)


def fill(connections: list[socket.socket]) -> None:
    """Send on each until nothing goes any more for a while."""
    idle = 0
    while connections and idle < 20:
        idle += 1
        for connection in connections:
            with contextlib.suppress(BlockingIOError):
                connection.send(BLOCK)
                idle = 0
        time.sleep(0.01)


def opened(port: int, data: bytes = b"") -> socket.socket:
    """A connection that takes little from the kernel, on which this was said."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect((HOST, port))
    connection.sendall(data)
    return connection


def settled(read: Callable[[], int], seconds: float = 10.0) -> None:
    """Wait until a reading is the same for a while."""
    end, last, since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < 0.5:
        now = read()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)


class IdleTests(MeshMixin, SynchronousTestCase):
    """Eight thousand connections on which nothing happens."""

    def cost(self, said: bytes) -> None:
        """Open them, say something, let it be answered; judge memory and descriptors."""
        count = allowDescriptors(8000)
        app = self.loadApp()
        mesh = self.mesh(app.port, limits={"poolIdle": 1})
        settled(lambda: descriptors(mesh.pid))
        before, files = memory(mesh.pid), descriptors(mesh.pid)
        idle = [opened(mesh.port, said) for _ in range(count)]
        try:
            for connection in idle if said else ():
                connection.recv(4096)
            accepted = files + count
            until("all are in", lambda: (descriptors(mesh.pid) >= accepted) or None, 30)
            settled(lambda: memory(mesh.pid))
            each = (memory(mesh.pid) - before) / count
            with Caller(mesh.port) as caller:
                self.assertEqual(caller.get().status, 200)
        finally:
            for connection in idle:
                connection.close()
        self.assertLess(each, 16 * KIB)
        until("all are closed", lambda: (descriptors(mesh.pid) <= files) or None, 20)

    def test_afterRequest(self) -> None:
        """Each made one call and costs at most 16 KiB; every descriptor is given back."""
        self.cost(request("/"))

    def test_silent(self) -> None:
        """Each has never said a word; it costs no more."""
        self.cost(b"")
