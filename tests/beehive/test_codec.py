"""Messages to bytes and back; frames."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.beehive import gojson
from edgemesh.beehive.codec import Form, Unpacker, decode, encode, encodeRecord, pack
from edgemesh.beehive.message import Header, Message, Route
from edgemesh.errors import LocalProtocolError, RemoteProtocolError
from tests.beehive.samples import query

_SETTINGS = settings(derandomize=True, max_examples=60, deadline=None, database=None)
_TEXT = st.text(max_size=6)
_HEADERS = st.builds(
    Header,
    msg_id=_TEXT,
    parent_msg_id=_TEXT,
    timestamp=st.integers(-(2**63), 2**63 - 1),
    resourceversion=_TEXT,
    sync=st.booleans(),
    type=_TEXT,
)
_ROUTES = st.builds(Route, _TEXT, _TEXT, _TEXT, _TEXT, _TEXT)
_CONTENTS = st.sampled_from((None, "", "a<b\u2028", {"b": [1, None], "a": "x"}, [], 7)).map(
    lambda value: Raw(gojson.encode(value))
)
_MESSAGES = st.builds(Message, _HEADERS, _ROUTES, _CONTENTS)
#: Pieces of records, in any order, and bytes that are no text.
_PIECES = (
    b'{"header": "msg_id": "HEADER": {"timestamp": "x" { } , null 1 "route":{} "content": [ ]'
    b' \xff "\\ud800"'
).split(b" ")
_HOSTILE = st.lists(st.sampled_from([*_PIECES, b"\n"]), max_size=16).map(b"".join)
EMPTY = Message(Header(msg_id="", timestamp=0))


def record(header: bytes = b'{"msg_id":"a","timestamp":1}', route: bytes = b"{}") -> bytes:
    """A record with these parts."""
    return b'{"header":' + header + b',"route":' + route + b',"content":null}'


class EncodeTests(SynchronousTestCase):
    """Writing."""

    def test_empty(self) -> None:
        """Empty fields are left out, but never the id, the time, the route and the content."""
        self.assertEqual(
            encode(EMPTY), b'{"header":{"msg_id":"","timestamp":0},"route":{},"content":null}'
        )

    def test_order(self) -> None:
        """Fields come in the order of KubeEdge's structs."""
        header = Header(
            msg_id="a", parent_msg_id="b", timestamp=1, resourceversion="7", sync=True, type="t"
        )
        written = encode(Message(header, Route("s", "d", "g", "o", "r")))
        self.assertEqual(
            written,
            b'{"header":{"msg_id":"a","parent_msg_id":"b","timestamp":1,"resourceversion":"7",'
            b'"sync":true,"type":"t"},"route":{"source":"s","destination":"d","group":"g",'
            b'"operation":"o","resource":"r"},"content":null}',
        )

    def test_old(self) -> None:
        """For KubeEdge 1.0 and 1.1 parent, sync and group are always there."""
        self.assertEqual(
            encode(EMPTY, Form.OLD),
            b'{"header":{"msg_id":"","parent_msg_id":"","timestamp":0,"sync":false},'
            b'"route":{"group":""},"content":null}',
        )

    def test_full(self) -> None:
        """For a receiver that remembers the record before, every field is there."""
        self.assertEqual(
            encode(EMPTY, Form.FULL),
            b'{"header":{"msg_id":"","parent_msg_id":"","timestamp":0,"resourceversion":"",'
            b'"sync":false,"type":""},"route":{"source":"","destination":"","group":"",'
            b'"operation":"","resource":""},"content":null}',
        )

    def test_escapes(self) -> None:
        """What Go escapes in strings is escaped in every field."""
        written = encode(EMPTY.setRoute("<", "&").fillBody(">"))
        self.assertIn(b'"source":"\\u003c","group":"\\u0026"},"content":"\\u003e"', written)

    def test_newline(self) -> None:
        """A record ends with a newline, and has no other."""
        written = encodeRecord(query().fillBody("a\nb"))
        self.assertEqual((written[-1:], written.count(b"\n")), (b"\n", 1))

    def test_noUnicode(self) -> None:
        """A name that is no Unicode is our own fault."""
        for form in Form:
            self.assertRaises(LocalProtocolError, encode, EMPTY.setRoute("\ud800", ""), form)

    @_SETTINGS
    @given(_MESSAGES, st.sampled_from(Form))
    def test_roundTrip(self, message: Message, form: Form) -> None:
        """Whatever the form, the same Message is read."""
        self.assertEqual(decode(encodeRecord(message, form)), message)


class DecodeTests(SynchronousTestCase):
    """Reading, as leniently as Go."""

    def test_case(self) -> None:
        """The case of names does not matter, not even with letters that only fold to them."""
        read = decode(
            b'{"HEADER":{"Msg_ID":"a","time\xc5\xbftamp":1},"Route":{"GROUP":"g"},"Content":1}'
        )
        self.assertEqual(
            read, Message(Header(msg_id="a", timestamp=1), Route(group="g"), Raw(b"1"))
        )

    def test_ligature(self) -> None:
        """A letter that looks like two is not two."""
        self.assertEqual(decode('{"header":{"time\ufb06amp":1}}'.encode()), EMPTY)

    def test_unknown(self) -> None:
        """Fields of later versions are left out."""
        read = decode(record(b'{"msg_id":"a","new":{"x":[]},"timestamp":1}', b'{"hop":1}'))
        self.assertEqual(read, Message(Header(msg_id="a", timestamp=1)))

    def test_missing(self) -> None:
        """What is missing is empty."""
        for text in (b"{}", b"null", b'{"header":null,"route":null}', b'{"header":{"sync":null}}'):
            self.assertEqual(decode(text), EMPTY)

    def test_duplicates(self) -> None:
        """Of a field given twice the last one counts."""
        read = decode(record(b'{"msg_id":"a","timestamp":1,"msg_id":"b"}'))
        self.assertEqual(read.header.msg_id, "b")

    def test_invalidBytes(self) -> None:
        """Bytes that are no text do not get any further, neither in names nor in the content."""
        read = decode(b'{"header":{"msg_id":"\xff","timestamp":1},"route":{},"content":"\xfe"}')
        self.assertEqual(read.header.msg_id, "\ufffd")
        self.assertEqual(bytes(read.content), '"\ufffd"'.encode())

    def test_whiteSpace(self) -> None:
        """A record that is laid out for people makes no record of several lines of ours."""
        read = decode(b'{\n "header": {"msg_id": "a", "timestamp": 1},\n "content": [\n1\n]\n}\n\n')
        self.assertEqual(encodeRecord(read).count(b"\n"), 1)
        self.assertEqual(read.value(), [1])

    def test_refused(self) -> None:
        """What Go would not take is the peer's fault."""
        for text in (
            b"",
            b"[]",
            b"1",
            record(b'{"timestamp":1.0}'),
            record(b'{"timestamp":"1"}'),
            record(b'{"timestamp":9223372036854775808}'),
            record(b'{"msg_id":1}'),
            record(b'{"sync":1}'),
            record(b"[]"),
            record(route=b'{"group":{}}'),
            record() + b"x",
            record() + record(),
            b'{"header":{"msg_id":"a","timestamp":1}',
        ):
            self.assertRaises(RemoteProtocolError, decode, text)

    def test_bounds(self) -> None:
        """Size and depth of a record are bounded, also of what nobody looks at."""
        self.assertRaises(RemoteProtocolError, decode, record(), largest=10)
        deep = b'{"a":' * gojson.DEEPEST + b"1" + b"}" * gojson.DEEPEST
        for name in (b"content", b"unknown"):
            self.assertRaises(RemoteProtocolError, decode, b'{"' + name + b'":' + deep + b"}")

    def test_everySplit(self) -> None:
        """A record that was cut is never taken for a whole one."""
        whole = encode(query())
        for end in range(len(whole)):
            self.assertRaises(RemoteProtocolError, decode, whole[:end])

    @_SETTINGS
    @given(_HOSTILE | st.binary(max_size=40))
    def test_hostile(self, data: bytes) -> None:
        """Any bytes are a Message, which can be written, or the peer's fault."""
        try:
            message = decode(data)
        except RemoteProtocolError:
            return
        self.assertEqual(decode(encodeRecord(message)), message)


class UnpackerTests(SynchronousTestCase):
    """The frame for byte streams."""

    def test_layout(self) -> None:
        """Magic, version, reserved, length, payload."""
        self.assertEqual(pack(b"{}"), b"beehv1rv\x00\x00\x00\x02{}")

    def test_byteByByte(self) -> None:
        """The stream may be cut anywhere."""
        unpacker = Unpacker()
        found = []
        for byte in pack(b"first") + pack(b"2"):
            found += unpacker.feed(bytes((byte,)))
        unpacker.finish()
        self.assertEqual(found, [b"first", b"2"])

    def test_together(self) -> None:
        """Several packs may come at once, and the last one in part."""
        unpacker = Unpacker()
        self.assertEqual(unpacker.feed(pack(b"a") + pack(b"b") + pack(b"cd")[:-1]), [b"a", b"b"])
        self.assertIn("READING 13 bytes", repr(unpacker))
        self.assertEqual(unpacker.feed(b"d"), [b"cd"])

    def test_reserved(self) -> None:
        """The reserved bytes may be any."""
        self.assertEqual(Unpacker().feed(b"beehv1xx\x00\x00\x00\x01z"), [b"z"])

    def test_badMagic(self) -> None:
        """A stream that is something else is refused at the first byte that shows it."""
        for data in (b"x", b"beex", b"beehv2rv\x00\x00\x00\x01z", pack(b"a") + b"GET / HTTP/1.1"):
            self.assertRaises(RemoteProtocolError, Unpacker().feed, data)

    def test_badLength(self) -> None:
        """A pack that is empty, negative or too long is refused before it has come."""
        for length in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x0b"):
            self.assertRaises(RemoteProtocolError, Unpacker(10).feed, b"beehv1rv" + length)

    def test_broken(self) -> None:
        """Nothing more is read from a stream that was refused."""
        unpacker = Unpacker()
        self.assertRaises(RemoteProtocolError, unpacker.feed, b"x")
        self.assertIn("BROKEN", repr(unpacker))
        self.assertRaises(LocalProtocolError, unpacker.feed, pack(b"a"))

    def test_endAnywhere(self) -> None:
        """A stream that ends inside of a pack is told from one that ends after it."""
        whole = pack(b"ab")
        for end in range(1, len(whole)):
            unpacker = Unpacker()
            self.assertEqual(unpacker.feed(whole[:end]), [])
            self.assertRaises(RemoteProtocolError, unpacker.finish)

    @_SETTINGS
    @given(st.lists(st.binary(min_size=1, max_size=9), max_size=5), st.integers(1, 30))
    def test_anyPieces(self, payloads: list[bytes], size: int) -> None:
        """Payloads come out as they went in, however large the pieces are."""
        stream = b"".join(map(pack, payloads))
        unpacker = Unpacker()
        found = []
        for begin in range(0, len(stream), size):
            found += unpacker.feed(stream[begin : begin + size])
        unpacker.finish()
        self.assertEqual(found, payloads)
