"""
Two other readers of HTTP/1: h11 and llhttp (through httptools).

Each takes what the mesh forwarded and says what it read, as one and the same
value.  Where they cannot be asked directly:

- llhttp knows a fixed list of methods, some of them of other protocols.  Any
  method but the common ones is replaced by POST before it reads.
- httptools cannot be told that the request was HEAD, nor that the connection was
  closed.  An answer to HEAD is read up to the end of its head; a body without
  length is taken as whole when nothing else delimits it.
- At an upgrade llhttp stops after the head.  It must stop where the message ends.
- h11 wants a Host, which every forwarded request has.
- h11 gives the value of Transfer-Encoding in lower case; so does the comparison.
- h11 limits the size of a head; the limit is raised beyond ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import h11
import httptools

#: A second message behind the first: both readers must find it there.
PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
_LARGEST = 1 << 20
_COMMON = frozenset(b"GET HEAD POST PUT DELETE PATCH OPTIONS TRACE".split())

Fields = tuple[tuple[bytes, bytes], ...]


class Disagreement(Exception):
    """A reader refuses what was forwarded, or reads on where it should not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One message as somebody reads it.

    :ivar start: method and target, or the status.
    :ivar fields: names in lower case, values without padding.
    :ivar payload: the body without its coding.
    :ivar complete: its end was seen.
    """

    start: tuple[bytes, ...]
    fields: Fields = ()
    payload: bytes = b""
    trailers: Fields = ()
    complete: bool = False


def asField(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A field line as h11 shows it."""
    name = name.lower()
    value = value.strip(b" \t")
    return name, value.lower() if name == b"transfer-encoding" else value


def requestByH11(data: bytes, complete: bool) -> Reading:
    """What h11 reads as a server; a complete message must be followed by its own end."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST)
    try:
        connection.receive_data(data + PROBE if complete else data)
        event = connection.next_event()
        if event is h11.NEED_DATA:
            raise Disagreement("h11 sees no whole head")
        reading = _withBody(connection, Reading((event.method, event.target), tuple(event.headers)))
    except h11.RemoteProtocolError as error:
        raise Disagreement(f"h11: {error}") from error
    behind = connection.trailing_data[0]
    if reading.complete and behind != (PROBE if complete else b""):
        raise Disagreement(f"h11 ends the message before {behind[:80]!r}")
    return reading


def responsesByH11(data: bytes, method: bytes) -> list[Reading]:
    """What h11 reads as a client, until the connection is closed."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"b")]))
    connection.send(h11.EndOfMessage())
    readings: list[Reading] = []
    if not data:  # which would mean the close
        return readings
    try:
        connection.receive_data(data)
        event = connection.next_event()
        while type(event) is h11.InformationalResponse:
            status = b"%d" % event.status_code
            readings.append(Reading((status,), tuple(event.headers), complete=True))
            event = connection.next_event()
        if event is h11.NEED_DATA:
            return readings
        final = Reading((b"%d" % event.status_code,), tuple(event.headers))
        connection.receive_data(b"")
        readings.append(_withBody(connection, final))
    except h11.RemoteProtocolError as error:
        raise Disagreement(f"h11: {error}") from error
    if readings[-1].complete and connection.trailing_data[0]:
        raise Disagreement(f"h11 ends the answer before {connection.trailing_data[0][:80]!r}")
    return readings


def _withBody(connection: h11.Connection, reading: Reading) -> Reading:
    payload = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if "without sending complete message body" not in str(error):
                raise
            return replace(reading, payload=b"".join(payload))
        if type(event) is h11.Data:
            payload.append(bytes(event.data))
        elif type(event) is h11.EndOfMessage:
            trailers = tuple(event.headers)
            return replace(reading, payload=b"".join(payload), trailers=trailers, complete=True)
        else:
            return replace(reading, payload=b"".join(payload))


class _Message:
    """One message as llhttp reports it, bit by bit."""

    __slots__ = ("complete", "fields", "headEnded", "payload", "status", "target", "trailers")

    def __init__(self) -> None:
        self.target = b""
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.payload = b""
        self.trailers: list[tuple[bytes, bytes]] = []
        self.headEnded = False
        self.complete = False

    def reading(self, start: tuple[bytes, ...]) -> Reading:
        """The same as a value."""
        fields, trailers = tuple(self.fields), tuple(self.trailers)
        return Reading(start, fields, self.payload, trailers, self.complete)

    def delimited(self) -> bool:
        """Whether its head says where its body ends."""
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.fields)


class _Listener:
    """Collects what llhttp reports."""

    def __init__(self) -> None:
        self.messages: list[_Message] = []
        self.parser: httptools.HttpResponseParser | None = None

    def on_message_begin(self) -> None:
        self.messages.append(_Message())

    def on_url(self, url: bytes) -> None:
        self.messages[-1].target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        message = self.messages[-1]
        fields = message.trailers if message.headEnded else message.fields
        fields.append(asField(name, value))

    def on_headers_complete(self) -> None:
        message = self.messages[-1]
        message.headEnded = True
        if self.parser is not None:
            message.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.messages[-1].payload += body

    def on_message_complete(self) -> None:
        self.messages[-1].complete = True


def requestByLlhttp(data: bytes, complete: bool) -> Reading:
    """What llhttp reads; a complete message must be followed by its own end."""
    method, _, rest = data.partition(b" ")
    known = method if method in _COMMON else b"POST"
    listener = _Listener()
    parser = httptools.HttpRequestParser(listener)
    data = known + b" " + rest
    try:
        parser.feed_data(data + PROBE if complete else data)
    except httptools.HttpParserUpgrade as upgrade:
        if upgrade.args[0] != len(data):
            raise Disagreement(f"llhttp upgrades at {upgrade.args[0]} of {len(data)}") from upgrade
    except httptools.HttpParserError as error:
        raise Disagreement(f"llhttp: {error}") from error
    else:
        _checkProbe(listener.messages, complete)
    message = listener.messages[0]
    if not message.headEnded:
        raise Disagreement("llhttp sees no whole head")
    if parser.get_method() not in (known, b"GET"):
        raise Disagreement(f"llhttp reads the method {parser.get_method()!r}")
    return message.reading((method, message.target))


def _checkProbe(messages: list[_Message], complete: bool) -> None:
    """The second message must be the probe."""
    if len(messages) != 1 + complete:
        raise Disagreement(f"llhttp sees {len(messages)} messages")
    if complete and not (messages[1].complete and messages[1].target == b"/probe"):
        raise Disagreement(f"llhttp sees {messages[1].target!r} behind the message")


def responsesByLlhttp(data: bytes, method: bytes) -> list[Reading]:
    """What llhttp reads, until the connection is closed."""
    listener = _Listener()
    parser = listener.parser = httptools.HttpResponseParser(listener)
    try:
        parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise Disagreement(f"llhttp: {error}") from error
    for message in listener.messages:
        if message.headEnded and (method == b"HEAD" or not message.delimited()):
            message.complete = True
    return [m.reading((b"%d" % m.status,)) for m in listener.messages if m.headEnded]
