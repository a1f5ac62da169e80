"""HTTP/2 without TLS, as gRPC clients speak it: relayed whole to one endpoint."""

from __future__ import annotations

import socket

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.harness import HOST, until
from tests.functional.scene import scene
from tests.functional.webserver import TEXT, curl


class Channel:
    """
    A client that does as gRPC's do: it asks nothing before it has the server's settings.

    :ivar pieces: how its first bytes are cut; by default not at all.
    """

    def __init__(self, port: int, piece: int = 65_536) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http2 = H2Connection(H2Configuration(client_side=True))
        self._http2.initiate_connection()
        first = self._http2.data_to_send()
        for start in range(0, len(first), piece):
            self._socket.sendall(first[start : start + piece])
        self._events: list[object] = []
        self._until(RemoteSettingsChanged)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def unary(self, path: str) -> tuple[dict[bytes, bytes], bytes]:
        """One call with one message; the answer's fields and its body."""
        stream = self._http2.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path)]
        fields += [(":authority", "rpc"), ("content-type", "application/grpc"), ("te", "trailers")]
        self._http2.send_headers(stream, fields)
        self._http2.send_data(stream, b"\x00\x00\x00\x00\x02hi", end_stream=True)
        self._until(StreamEnded)
        heads = [event for event in self._events if isinstance(event, ResponseReceived)]
        parts = [event.data for event in self._events if isinstance(event, DataReceived)]
        self._events.clear()
        return dict(heads[0].headers), b"".join(parts)

    def _until(self, kind: type) -> None:
        while not any(isinstance(event, kind) for event in self._events):
            if pending := self._http2.data_to_send():
                self._socket.sendall(pending)
            came = self._socket.recv(65_536)
            if not came:
                raise AssertionError(f"closed before {kind.__name__}")
            self._events += self._http2.receive_data(came)


class HTTP2Tests(SynchronousTestCase):
    """A client that begins with HTTP/2, and nginx that understands it."""

    def called(self, piece: int = 65_536) -> Channel:
        """A client whose settings have been answered."""
        channel = Channel(scene().h2c, piece)
        self.addCleanup(channel.close)
        return channel

    def test_curl(self) -> None:
        """curl with prior knowledge gets its file."""
        came = curl("--http2-prior-knowledge", f"http://{HOST}:{scene().h2c}/text")
        self.assertEqual((came.exit, came.status, came.body), (0, 200, TEXT))
        self.assertTrue(came.head.startswith("http/2 200"))

    def test_settingsFirst(self) -> None:
        """A client that waits for the server's settings gets them, and then its answers."""
        channel = self.called()
        for _ in range(3):
            head, body = channel.unary("/who")
            self.assertEqual(head[b":status"], b"200")
            self.assertEqual(body, b"%d POST http HTTP/2.0 rpc\n" % scene().web.h2c)

    def test_byteByByte(self) -> None:
        """The preface is recognised however it is cut."""
        head, _ = self.called(piece=1).unary("/who")
        self.assertEqual(head[b":status"], b"200")

    def test_whole(self) -> None:
        """All calls of one connection stay on one connection to one endpoint."""
        before = len(scene().web.calls("/who?whole"))
        channel = self.called()
        for _ in range(5):
            channel.unary("/who?whole")
        lines = until(
            "nginx has written all calls down",
            lambda: found if len(found := scene().web.calls("/who?whole")) >= 5 else None,
        )
        self.assertEqual((before, len({line.split()[0] for line in lines})), (0, 1))

    def test_counted(self) -> None:
        """Such a connection counts as one of protocol grpc."""
        seen = {"protocol": "grpc"}
        before = scene().node.metric("edgemesh_connections_opened_total", **seen)
        self.called()
        after = scene().node.metric("edgemesh_connections_opened_total", **seen)
        self.assertEqual(after, before + 1)
