# -*- test-case-name: tests.admin.test_accessline -*-
"""One call as one line of JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.admin.accessline import LONGEST, Line, LineWriter, printable, repeated, traceOf
from edgemesh.errors import RATE_LIMITED
from edgemesh.invocation import Invocation, Outcome
from tests.admin.nodes import Node

DOCUMENTED = Path(__file__).parents[2] / "docs" / "metrics.rst"
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


class Fields:
    """A head with these fields."""

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self.fields = fields

    def header(self, name: bytes) -> bytes | None:
        return self.fields.get(name)


def call(**fields: bytes) -> Invocation:
    """A call to ``web`` with these header fields."""
    node = Node()
    invocation = Invocation(
        "http",
        "192.0.2.7",
        name=b"web.default",
        method=b"GET",
        path=b"/resource",
        head=Fields({name.replace("_", "-").encode(): value for name, value in fields.items()}),
    )
    invocation.route = node.table.routes["web.default:80"]
    invocation.endpoint = node.live("10.1.0.1:8000")
    invocation.attempts = 1
    return invocation


def written(invocation: Invocation, outcome: Outcome | None = None) -> dict[str, Any]:
    """The line, as a log reader sees it."""
    ended = outcome or Outcome(200, None, 0.0124, 10, 20)
    line = LineWriter("edge-1").line(invocation, ended, 1_700_000_000.0456, 0.5)
    value: dict[str, Any] = json.loads(line)
    return value


class LineTests(SynchronousTestCase):
    """What a line says."""

    def test_whole(self) -> None:
        """Every field of an ordinary call."""
        invocation = call(
            user_agent=b"curl/8.5.0",
            x_forwarded_for=b"198.51.100.1",
            x_request_id=b"7d3c",
            traceparent=b"00-" + TRACE + b"-00f067aa0ba902b7-01",
        )
        self.assertEqual(
            written(invocation),
            {
                "start_time": "2023-11-14T22:13:20.046Z",
                "method": "GET",
                "path": "/resource",
                "protocol": "http",
                "response_code": 200,
                "response_flags": "",
                "bytes_received": 10,
                "bytes_sent": 20,
                "duration": 500,
                "upstream_service_time": 12,
                "upstream_host": "10.1.0.1:8000",
                "upstream_cluster": "web.default:80",
                "route_name": "name",
                "authority": "web.default",
                "requested_server_name": "",
                "user_agent": "curl/8.5.0",
                "x_forwarded_for": "198.51.100.1",
                "request_id": "7d3c",
                "trace_id": TRACE.decode(),
                "downstream_remote_address": "192.0.2.7",
                "attempts": 1,
                "hop": "direct",
                "node": "edge-1",
            },
        )

    def test_refused(self) -> None:
        """A refusal shows its reason word, and no endpoint when none was found."""
        invocation = Invocation("http", "192.0.2.7", name=b"shop")
        line = written(invocation, Outcome(429, RATE_LIMITED))
        self.assertEqual((line["response_code"], line["response_flags"]), (429, "RL"))
        self.assertEqual((line["upstream_host"], line["upstream_cluster"]), ("", ""))
        self.assertEqual((line["route_name"], line["authority"]), ("", "shop"))

    def test_tls(self) -> None:
        """The name in a TLS connection is its server name, not an authority."""
        line = written(Invocation("tls", "192.0.2.7", name=b"web.default"))
        self.assertEqual((line["requested_server_name"], line["authority"]), ("web.default", ""))

    def test_listener(self) -> None:
        """A call through a listener of one service says so."""
        invocation = call()
        invocation.asked = "web.default:80"
        self.assertEqual(written(invocation)["route_name"], "listener")

    def test_time(self) -> None:
        """Times are right across seconds, and a rounded-up one is carried."""
        writer = LineWriter("edge-1")
        seen = []
        for at in (0.0, 0.9994, 0.9996, 59.999, 60.0, 0.5):
            line = json.loads(writer.line(call(), Outcome(200), at, 0.0))
            seen.append(line["start_time"].removeprefix("1970-01-01T00:"))
        self.assertEqual(
            seen,
            ["00:00.000Z", "00:00.999Z", "00:01.000Z", "00:59.999Z", "01:00.000Z", "00:00.500Z"],
        )

    def test_documented(self) -> None:
        """The documentation lists every field, in order."""
        section = DOCUMENTED.read_text("utf-8").partition("Access log\n---")[2]
        listed = re.findall(r"^   \* - ``(\w+)``$", section, re.MULTILINE)
        self.assertEqual(listed, list(Line.__struct_fields__))


class SecretTests(SynchronousTestCase):
    """What a line never says."""

    def test_query(self) -> None:
        """A query is not written, even when a server left it in the path."""
        invocation = call()
        invocation.path = b"/login?password=hunter2"
        self.assertEqual(written(invocation)["path"], "/login")

    def test_user(self) -> None:
        """A user and a password in a URL or a Host are not written."""
        invocation = call()
        invocation.path = b"http://me:hunter2@web/a"
        invocation.name = b"me:hunter2@web"
        line = written(invocation)
        self.assertNotIn("hunter2", json.dumps(line))
        self.assertEqual((line["path"], line["authority"]), ("web/a", "web"))

    def test_headers(self) -> None:
        """Credentials and cookies are not even read."""
        asked: list[bytes] = []

        class Watched(Fields):
            def header(self, name: bytes) -> bytes | None:
                asked.append(name)
                return b"hunter2" if name in (b"authorization", b"cookie") else None

        invocation = call()
        invocation.head = Watched({})
        self.assertNotIn("hunter2", json.dumps(written(invocation)))
        self.assertEqual(
            sorted(asked), [b"traceparent", b"user-agent", b"x-forwarded-for", b"x-request-id"]
        )


class HostileTests(SynchronousTestCase):
    """Whatever a caller sends, the log stays a log."""

    def test_forged(self) -> None:
        """A caller cannot write lines or terminal commands of its own."""
        text = printable(b'a\r\n{"b":1}\x00\x1b[2J\x7f\x9b\xff\xe2\x80\xa8')
        self.assertEqual(text, 'a\\x0d\\x0a{"b":1}\\x00\\x1b[2J\\x7f\\x9b\\xff\\xe2\\x80\\xa8')

    def test_cut(self) -> None:
        """A user agent of 64 KiB leaves a short line, and is seen to be cut."""
        line = written(call(user_agent=b"x" * 65_536))
        self.assertEqual(line["user_agent"], "x" * (LONGEST - 3) + "...")
        self.assertEqual(repeated(b"x" * LONGEST), "x" * LONGEST)

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(st.binary(), st.binary(), st.binary(), st.binary(max_size=600), st.binary())
    def test_anyBytes(
        self, method: bytes, path: bytes, name: bytes, agent: bytes, a: bytes
    ) -> None:
        """Any bytes anywhere make one line of valid JSON in printable ASCII."""
        invocation = call(user_agent=agent, x_forwarded_for=a, x_request_id=a, traceparent=a)
        invocation.method, invocation.path, invocation.name = method, path, name
        line = LineWriter("edge-1").line(invocation, Outcome(200), 1e9, 0.0)
        self.assertTrue(line.endswith(b"}\n"))
        self.assertTrue(line[:-1].decode("ascii").isprintable())
        self.assertEqual(list(json.loads(line)), list(Line.__struct_fields__))
        self.assertLess(len(line), 20 * LONGEST)


class TraceTests(SynchronousTestCase):
    """The trace ID of a W3C traceparent."""

    def trace(self, value: bytes) -> str:
        return traceOf(Fields({b"traceparent": value}))

    def test_valid(self) -> None:
        """A valid header gives its trace ID; a later version may have more in it."""
        for value in (
            b"00-" + TRACE + b"-00f067aa0ba902b7-01",
            b"cc-" + TRACE + b"-00f067aa0ba902b7-01-what-the-future-brings",
        ):
            self.assertEqual(self.trace(value), TRACE.decode())

    def test_invalid(self) -> None:
        """A header that breaks the rules gives nothing."""
        span = b"-00f067aa0ba902b7-01"
        for value in (
            b"",
            b"ff-" + TRACE + span,
            b"00-" + TRACE + span + b"-more",
            b"00-" + b"0" * 32 + span,
            b"00-" + TRACE + b"-0000000000000000-01",
            b"00-" + TRACE.upper() + span,
            b"00-" + TRACE[1:] + span,
            b"00-" + TRACE + span + b"\n",
            b"cc-" + TRACE + span + b"-" + b"x" * 100_000,
        ):
            self.assertEqual(self.trace(value), "", value[:80])

    def test_none(self) -> None:
        """Neither a connection nor a request without the header has a trace."""
        self.assertEqual((traceOf(None), traceOf(Fields({}))), ("", ""))
