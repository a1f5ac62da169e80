"""curl calls nginx through a listener that stands for one service."""

from __future__ import annotations

import http.client
import os
import socket

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.functional.harness import HOST, until
from tests.functional.scene import scene
from tests.functional.standing import HOST6
from tests.functional.webserver import TEXT, Curled, curl


def exchange(sent: bytes) -> bytes:
    """Everything that is answered until the other side closes."""
    with socket.create_connection((HOST, scene().port), timeout=10) as caller:
        caller.sendall(sent)
        answer = b""
        while part := caller.recv(65_536):
            answer += part
        return answer


class CallTests(SynchronousTestCase):
    """Whatever curl asks for is answered by nginx as if nobody stood between them."""

    def call(self, path: str, *arguments: str) -> Curled:
        """Run curl; it must be content."""
        came = curl(*arguments, f"http://{HOST}:{scene().port}{path}")
        self.assertEqual((came.exit, came.said), (0, ""))
        return came

    def test_get(self) -> None:
        """A GET is answered, and the app sees the Host that the caller said."""
        came = self.call("/who", "--header", "Host: any.thing")
        self.assertEqual((came.status, came.answers), (200, 1))
        self.assertEqual(came.text, f"{scene().web.ports[0]} GET http HTTP/1.1 any.thing")

    def test_told(self) -> None:
        """The app learns who called and that the mesh stood between; nothing can be faked."""
        came = self.call("/came?x=%2F&y", "--header", "X-Edgemesh-Own: 1")
        self.assertRegex(came.text, rf"^uri=/came\?x=%2F&y via=1\.1 \S+ for={HOST} own=$")

    def test_head(self) -> None:
        """An answer to HEAD says how long the body would be, and has none."""
        came = self.call("/text", "--head")
        self.assertEqual((came.status, came.body), (200, b""))
        self.assertIn(f"content-length: {len(TEXT)}", came.head)

    def test_options(self) -> None:
        """OPTIONS is passed on like any method."""
        self.assertIn(" OPTIONS ", self.call("/who", "--request", "OPTIONS").text)

    def test_ownMethod(self) -> None:
        """A method that nobody has registered is the app's business too."""
        self.assertIn(" BREW ", self.call("/who", "--request", "BREW").text)

    def test_form(self) -> None:
        """The body of a POST arrives, and its answer comes back."""
        came = self.call("/form", "--data", "name=value&other=%20")
        self.assertEqual((came.status, came.text), (200, "name=value&other=%20"))

    def test_file(self) -> None:
        """A file of some size comes as it is."""
        came = self.call("/text")
        self.assertEqual((came.status, came.body), (200, TEXT))

    def test_ranges(self) -> None:
        """A part of a file, and several parts at once, are 206."""
        came = self.call("/text", "--range", "100-199")
        self.assertEqual((came.status, came.body), (206, TEXT[100:200]))
        several = self.call("/text", "--range", "0-9,20-29")
        self.assertIn("multipart/byteranges", several.head)
        self.assertIn(TEXT[20:30], several.body)

    def test_compressed(self) -> None:
        """What nginx compresses stays compressed, in the chunks it comes in."""
        raw = self.call("/compressed", "--header", "Accept-Encoding: gzip", "--raw")
        self.assertIn("content-encoding: gzip", raw.head)
        self.assertIn("transfer-encoding: chunked", raw.head)
        self.assertTrue(raw.body.endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(self.call("/compressed", "--compressed").body, TEXT)

    def test_noContent(self) -> None:
        """204 has no body."""
        came = self.call("/none")
        self.assertEqual((came.status, came.body), (204, b""))

    def test_notModified(self) -> None:
        """What the caller has already is 304, without a body."""
        (tag,) = (
            line.partition(": ")[2]
            for line in self.call("/text", "--head").head.splitlines()
            if line.startswith("etag: ")
        )
        came = self.call("/text", "--header", f"If-None-Match: {tag}")
        self.assertEqual((came.status, came.body), (304, b""))

    def test_upgradeToHTTP2(self) -> None:
        """curl's offer to go on with HTTP/2 is left out, so the answer is HTTP/1.1."""
        came = self.call("/who", "--http2")
        self.assertEqual((came.status, came.answers), (200, 1))
        self.assertIn(" HTTP/1.1 ", came.text)

    def test_unixSocket(self) -> None:
        """A listener may be a unix socket; such a caller has no address to tell."""
        came = curl("--unix-socket", scene().socket, "http://any/came")
        self.assertEqual((came.exit, came.status), (0, 200))
        self.assertIn(" for= ", came.text)

    def test_errors(self) -> None:
        """The app's own errors and redirections are passed on, not followed."""
        self.assertEqual(self.call("/nothing").status, 404)
        moved = self.call("/elsewhere")
        self.assertEqual(moved.status, 301)
        self.assertIn("location: http://elsewhere.test/", moved.head)


class UploadTests(SynchronousTestCase):
    """Bodies on their way to the app."""

    def upload(self, name: str, size: int, *arguments: str) -> Curled:
        """PUT random bytes and check that nginx has stored them."""
        content = os.urandom(size)
        given = scene().web.folder / name
        given.write_bytes(content)
        where = f"http://{HOST}:{scene().port}/stored/{name}"
        came = curl("--upload-file", str(given), *arguments, where)
        self.assertEqual((came.exit, came.said, came.status), (0, "", 201))
        self.assertEqual((scene().web.folder / "files" / "stored" / name).read_bytes(), content)
        return came

    def test_length(self) -> None:
        """A body whose length is known."""
        self.upload("sized", 1_000_000, "--header", "Expect:")

    def test_chunked(self) -> None:
        """A body in chunks."""
        chunked = ("--header", "Transfer-Encoding: chunked", "--header", "Expect:")
        self.upload("chunked", 1_000_000, *chunked)

    def test_continue(self) -> None:
        """A caller that waits for 100 gets nginx's own, then sends its 5 MiB."""
        wait = ("--header", "Expect: 100-continue", "--expect100-timeout", "10")
        self.assertEqual(self.upload("expected", 5 << 20, *wait).answers, 2)

    def test_continueChunked(self) -> None:
        """The same in chunks."""
        chunked = ("--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue")
        came = self.upload("expected-chunked", 5 << 20, *chunked, "--expect100-timeout", "10")
        self.assertEqual(came.answers, 2)

    def tooLarge(self, *arguments: str) -> Curled:
        """PUT more than nginx takes."""
        large = scene().web.folder / "large"
        large.write_bytes(bytes(17 << 20))
        where = f"http://{HOST}:{scene().port}/stored/large"
        return curl("--upload-file", str(large), *arguments, where)

    def test_refusedBeforeBody(self) -> None:
        """What nginx refuses before it has read the body, curl learns without sending it."""
        came = self.tooLarge("--header", "Expect: 100-continue", "--expect100-timeout", "10")
        self.assertEqual((came.status, came.answers), (413, 1))

    def test_refusedInBody(self) -> None:
        """A refusal while the body is on its way reaches the caller, every time."""
        for _ in range(5):
            came = self.tooLarge("--header", "Expect:")
            self.assertEqual((came.exit, came.status, came.answers), (0, 413, 1), came.said)


class ConnectionTests(SynchronousTestCase):
    """Connections of callers and to the app."""

    def test_kept(self) -> None:
        """Many calls on one connection need one connection to nginx."""
        caller = http.client.HTTPConnection(HOST, scene().port, timeout=10)
        self.addCleanup(caller.close)
        for _ in range(50):
            caller.request("GET", "/who?kept")
            answer = caller.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200)
        self.assertEqual(len(self._connections("/who?kept", 50)), 1)

    def test_endpointCloses(self) -> None:
        """nginx ends a connection after 1,000 calls; no POST is lost to that."""
        caller = http.client.HTTPConnection(HOST, scene().port, timeout=10)
        self.addCleanup(caller.close)
        statuses = set()
        for _ in range(1100):
            caller.request("POST", "/none", body=b"x")
            answer = caller.getresponse()
            answer.read()
            statuses.add(answer.status)
        self.assertEqual(statuses, {204})

    def test_shared(self) -> None:
        """Many callers with a connection each need few connections to nginx."""
        for _ in range(50):
            self.assertIn(b" 200 ", exchange(b"GET /who?one HTTP/1.0\r\n\r\n"))
        self.assertLessEqual(len(self._connections("/who?one", 50)), 2)

    def _connections(self, uri: str, calls: int) -> set[str]:
        lines = until(
            "nginx has written all calls down",
            lambda: found if len(found := scene().web.calls(uri)) >= calls else None,
        )
        return {line.split()[0] for line in lines}

    def test_pipelined(self) -> None:
        """Requests that are sent without waiting are answered in their order."""
        sent = b"".join(b"GET /came?%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(20))
        sent += b"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = exchange(sent)
        places = [answer.find(b"uri=/came?%d " % number) for number in range(20)]
        self.assertEqual(places, sorted(places))
        self.assertNotIn(-1, places)
        self.assertEqual(answer.count(b"HTTP/1.1 "), 21)

    def test_http10(self) -> None:
        """HTTP/1.0 is answered without chunks, and its connection ends with the answer."""
        request = b"GET /compressed HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
        head, _, body = exchange(request).partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.splitlines()[0])
        self.assertNotIn(b"transfer-encoding", head.lower())
        self.assertEqual(body[:2], b"\x1f\x8b")

    def test_http10NoHost(self) -> None:
        """HTTP/1.0 without a Host goes to the listener's service all the same."""
        self.assertIn(b" web", exchange(b"GET /who HTTP/1.0\r\n\r\n").splitlines()[-1])

    def test_http10Kept(self) -> None:
        """HTTP/1.0 keeps its connection when the caller asks for it."""
        asks = b"GET /who HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
        answer = exchange(asks * 2 + b"GET /who HTTP/1.0\r\nHost: x\r\n\r\n")
        self.assertEqual(answer.count(b" 200 OK"), 3)

    def test_absoluteForm(self) -> None:
        """The absolute form is understood here too, and nginx gets the origin form."""
        answer = exchange(
            b"GET http://other.test/came HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        self.assertIn(b"uri=/came ", answer)


class IPv6Tests(SynchronousTestCase):
    """The other version of IP."""

    def setUp(self) -> None:
        if not scene().port6:
            raise SkipTest("this machine has no ::1")

    def test_listener(self) -> None:
        """A caller by IPv6 reaches an endpoint by IPv4, which learns its address."""
        came = curl(f"http://[{HOST6}]:{scene().port6}/came")
        self.assertEqual((came.exit, came.status), (0, 200))
        self.assertIn(f" for={HOST6} ", came.text)

    def test_endpoint(self) -> None:
        """A caller by IPv4 reaches an endpoint by IPv6."""
        came = curl("--proxy", f"http://{HOST}:{scene().proxy}", "http://six/who")
        self.assertEqual((came.exit, came.status), (0, 200))
