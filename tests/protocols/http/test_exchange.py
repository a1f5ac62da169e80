"""One request over HTTP and its answer."""

from __future__ import annotations

from edgemesh.testing import Wire
from tests.protocols.http.talks import (
    BEGUN,
    CHUNKED,
    GET,
    HEAD,
    LONG,
    OK,
    OLD,
    POST,
    Talk,
)

CHUNKS = b"2;x=y\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"
CLOSE = b"Connection: close\r\n"
KEEP = b"Connection: keep-alive\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
UPGRADE = b"GET /chat HTTP/1.1\r\nHost: b\r\n%sSec-WebSocket-Key: k\r\n\r\n"
WEBSOCKET = UPGRADE % b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def with_(head: bytes, field: bytes) -> bytes:
    """The same head with one more field at its end."""
    end = head.index(b"\r\n\r\n") + 2
    return head[:end] + field + head[end:]


class AnswerTests(Talk):
    """Answers, as the caller gets them."""

    def answered(self, request: bytes, *answer: bytes) -> bytes:
        """What the caller hears when the endpoint answers so; the call went well."""
        self.use()
        endpoint = self.sent(request)
        self.say(endpoint, *answer)
        return self.hear(self.app)

    def test_everySplitPoint(self) -> None:
        """Wherever the network cuts an answer, the caller gets the same."""
        for answer in (OK, CHUNKED + CHUNKS):
            for cut in range(1, len(answer)):
                self.assertEqual(self.answered(GET, answer[:cut], answer[cut:]), answer, cut)
                self.assertOnce("")

    def test_byteByByte(self) -> None:
        """An answer that comes byte by byte is one answer, chunks and trailers included."""
        answer = CHUNKED + CHUNKS
        self.assertEqual(self.answered(GET, *[b"%c" % byte for byte in answer]), answer)
        self.assertKept()

    def test_noBody(self) -> None:
        """Answers that have no body by rule end with their head, whatever it says."""
        size, chunked = b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"
        nothing, same = b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"
        for request, answer, heard in (
            (HEAD, with_(UNTIL_CLOSE, size), with_(UNTIL_CLOSE, size)),
            (HEAD, CHUNKED, CHUNKED),
            (GET, with_(nothing, size), nothing),
            (GET, with_(nothing, chunked), nothing),
            (GET, with_(same, size), with_(same, size)),
        ):
            self.assertEqual(self.answered(request, answer), heard)
            self.assertOnce("")
            self.assertKept()

    def test_untilClose(self) -> None:
        """A body that ends with the endpoint's connection ends with the caller's."""
        endpoint = self.sent(GET)
        self.say(endpoint, UNTIL_CLOSE, b"some", b"thing")
        self.assertEqual(self.hear(self.app), with_(UNTIL_CLOSE, CLOSE) + b"something")
        self.ladder.end(endpoint)
        self.assertClosed()
        self.assertOnce("")

    def test_hopByHop(self) -> None:
        """Fields for the endpoint's connection alone stay there."""
        fields = b"Connection: close, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\n"
        self.assertEqual(self.answered(GET, with_(OK, fields)), OK)
        self.assertKept()

    def test_callerCloses(self) -> None:
        """A caller that asks for it gets its connection closed after the answer."""
        self.assertEqual(self.answered(with_(GET, CLOSE), OK), with_(OK, CLOSE))
        self.assertClosed()

    def test_counted(self) -> None:
        """Bytes are counted both ways, heads included."""
        self.answered(POST, OK)
        outcome = self.ladder.ended[0].outcome
        self.assertEqual((outcome.received, outcome.sent), (len(POST), len(OK)))
        self.assertEqual(outcome.status, 200)

    def test_latency(self) -> None:
        """The latency is the time until the answer's head."""
        endpoint = self.sent(GET)
        self.ladder.after(1.0)
        self.say(endpoint, LONG)
        self.ladder.after(1.0)
        self.say(endpoint, b"0123456789")
        self.assertEqual(self.ladder.ended[0].outcome.latency, 1.0)


class OldCallerTests(Talk):
    """Callers that speak HTTP/1.0."""

    def heard(self, request: bytes, *answer: bytes) -> bytes:
        """What such a caller gets."""
        self.say(self.sent(request), *answer)
        return self.hear(self.app)

    def test_closes(self) -> None:
        """Its connection is closed after the answer."""
        self.assertEqual(self.heard(OLD, OK), with_(OK, CLOSE))
        self.assertClosed()

    def test_keepAlive(self) -> None:
        """Unless it asks to keep it; then it is told so."""
        self.assertEqual(self.heard(with_(OLD, KEEP), OK), with_(OK, KEEP))
        self.assertKept()

    def test_noChunks(self) -> None:
        """It knows no chunks: it gets the payload, and the end is the connection's."""
        heard = self.heard(with_(OLD, KEEP), CHUNKED, b"2\r\nok\r\n2\r\n", b"ay\r\n0\r\n\r\n")
        self.assertEqual(heard, with_(UNTIL_CLOSE, CLOSE) + b"okay")
        self.assertClosed()
        self.assertOnce("")

    def test_truncatedChunks(self) -> None:
        """Chunks that break off do not look like the end."""
        endpoint = self.sent(OLD)
        self.say(endpoint, CHUNKED, b"2\r\nok\r\n")
        self.ladder.end(endpoint)
        self.assertReset()
        self.assertOnce("UX")

    def test_head(self) -> None:
        """Not even an answer to HEAD speaks of chunks."""
        heard = self.heard(OLD.replace(b"GET", b"HEAD"), CHUNKED)
        self.assertEqual(heard, with_(UNTIL_CLOSE, CLOSE))

    def test_interim(self) -> None:
        """It gets no interim answers."""
        self.assertEqual(self.heard(OLD, EARLY_HINTS + OK), with_(OK, CLOSE))


class InterimTests(Talk):
    """Interim answers, and callers that wait for one."""

    def test_expect(self) -> None:
        """A caller that waits for permission gets the endpoint's, then sends."""
        expecting = with_(POST[:-4], b"Expect: 100-continue\r\n")
        endpoint = self.sent(expecting)
        self.assertEqual(self.hear(endpoint), expecting)
        self.say(endpoint, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(self.hear(self.app), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.say(self.app, b"body")
        self.assertEqual(self.hear(endpoint), b"body")
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertKept()

    def test_expectDenied(self) -> None:
        """When the endpoint answers at once instead, the caller hears it and need not send."""
        endpoint = self.sent(with_(POST[:-4], b"Expect: 100-continue\r\n"))
        self.say(endpoint, OK.replace(b"200 OK", b"401 No"))
        self.assertIn(CLOSE, self.hear(self.app))
        self.assertReset(endpoint)

    def test_several(self) -> None:
        """Any number of them passes, together with the answer or apart."""
        endpoint = self.sent(GET)
        self.say(endpoint, EARLY_HINTS + EARLY_HINTS[:9], EARLY_HINTS[9:] + OK)
        self.assertEqual(self.hear(self.app), EARLY_HINTS * 2 + OK)
        self.assertKept()

    def test_notTwice(self) -> None:
        """Once an interim answer was forwarded, the request is not sent again."""
        self.use(endpoints=2)
        endpoint = self.sent(GET)
        self.say(endpoint, EARLY_HINTS)
        self.ladder.reset(endpoint)
        self.assertEqual(self.ladder.loop.dialled, [])
        self.assertIn(b"502 ", self.hear(self.app))
        self.assertOnce("UX")

    def test_flood(self) -> None:
        """An endpoint that sends nothing but interim answers is held up by a slow caller."""
        endpoint = self.sent(GET)
        self.app.fake.room = 0
        self.say(endpoint, *[EARLY_HINTS * 1_000] * 8)
        self.assertFalse(self.ladder.loop.isReading(endpoint))


class KeptConnectionTests(Talk):
    """Endpoint connections that carried a request before."""

    def kept(self, endpoints: int = 1, count: int = 1) -> list[Wire]:
        """Callers' earlier requests have left so many idle connections."""
        self.use(endpoints=endpoints)
        wires = []
        callers = [self.ladder.caller() for _ in range(count)]
        for caller in callers:
            self.say(caller, GET)
            wires.append(self.ladder.accepts())
        for wire in wires:
            self.say(wire, OK)
            self.hear(wire)
        return wires

    def test_dead(self) -> None:
        """When it turns out dead, a harmless request goes over a fresh one."""
        (old,) = self.kept(endpoints=1)
        self.app.says(GET)
        old.ends()
        self.ladder.loop.turn()
        fresh = self.ladder.accepts()
        self.assertEqual(self.hear(fresh), GET)
        self.say(fresh, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertOnce("", "")

    def test_deadForPost(self) -> None:
        """A request that may have had an effect is not sent again."""
        (old,) = self.kept(endpoints=1)
        self.app.says(POST)
        old.ends()
        self.ladder.loop.turn()
        self.assertEqual(self.ladder.loop.dialled, [])
        self.assertAnswered("UX", 502)

    def test_endpointDead(self) -> None:
        """When the endpoint itself is gone, another one gets the request."""
        one, two = self.kept(endpoints=2, count=2)
        self.app.says(GET)
        one.breaks()
        self.ladder.loop.turn()
        self.ladder.refuses()
        # Fresh, although one is kept: the last try must not meet a second dead one.
        last = self.ladder.accepts()
        self.assertEqual((self.hear(last), self.hear(two)), (GET, b""))
        self.say(last, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertEqual(self.ladder.inFlight, 0)

    def test_endpointDying(self) -> None:
        """An endpoint that still takes a connection while it dies is left for another one."""
        one, _ = self.kept(endpoints=2, count=2)
        self.app.says(GET)
        one.breaks()
        self.ladder.loop.turn()
        self.ladder.end(self.ladder.accepts())
        last = self.ladder.accepts()
        self.assertEqual(self.hear(last), GET)
        self.say(last, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertEqual(self.ladder.inFlight, 0)

    def test_thriceAtMost(self) -> None:
        """Nothing is sent a fourth time."""
        one, _, _ = self.kept(endpoints=3, count=3)
        self.app.says(GET)
        one.breaks()
        self.ladder.loop.turn()
        self.ladder.end(self.ladder.accepts())
        self.ladder.end(self.ladder.accepts())
        self.assertAnswered("UX", 502)
        self.assertEqual(self.ladder.loop.dialled, [])

    def test_surplus(self) -> None:
        """More than the answer never reaches a caller, and the connection is not used again."""
        for answer in (OK, CHUNKED + CHUNKS, b"HTTP/1.1 204 No Content\r\n\r\n"):
            self.use()
            endpoint = self.sent(GET)
            self.say(endpoint, answer + OK.replace(b"ok", b"no"))
            self.assertEqual(self.hear(self.app), answer)
            self.assertTrue(endpoint.fake.closed)
            self.say(self.app, GET)
            self.assertEqual(len(self.ladder.loop.dialled), 1)

    def test_lateSurplus(self) -> None:
        """So it is when the body came in pieces, and too much with the last one."""
        endpoint = self.sent(GET)
        self.say(endpoint, LONG + b"01234", b"56789" + OK)
        self.assertEqual(self.hear(self.app), LONG + b"0123456789")
        self.assertTrue(endpoint.fake.closed)
        self.assertOnce("")

    def test_unasked(self) -> None:
        """A connection that speaks while idle is closed, and nobody gets it."""
        (endpoint,) = self.kept()
        endpoint.says(OK)
        # The very next request, before the connection's end is through.
        self.ladder.loop.turn(1)
        self.say(self.app, GET)
        self.assertTrue(endpoint.fake.closed)
        self.assertEqual(self.hear(self.ladder.accepts()), GET)


class FailedTests(Talk):
    """Endpoints that do not answer, or not well."""

    def setUp(self) -> None:
        self.use(endpoints=2)

    def test_emptyReply(self) -> None:
        """An endpoint that closes without a word: once more elsewhere, then 502."""
        self.ladder.end(self.sent(GET))
        self.ladder.end(self.ladder.accepts())
        self.assertAnswered("UX", 502)
        self.assertOnce("UX")
        self.assertKept()

    def test_post(self) -> None:
        """A request that may have had an effect is not sent to another one."""
        self.ladder.end(self.sent(POST))
        self.assertEqual(self.ladder.loop.dialled, [])
        self.assertAnswered("UX", 502)

    def test_partOfHead(self) -> None:
        """Part of a head is no answer; a harmless request may go elsewhere."""
        endpoint = self.sent(GET)
        self.say(endpoint, OK[:20])
        self.ladder.reset(endpoint)
        self.say(self.ladder.accepts(), OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertOnce("")

    def test_malformed(self) -> None:
        """What is no answer is never forwarded."""
        for bad in (
            b"SSH-2.0-x\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            with_(OK, b"Content-Length: 3\r\n"),
            with_(OK, b"Transfer-Encoding: chunked\r\n"),
            with_(OK, b"X: \0\r\n"),
            CHUNKED + b"zz\r\n",
            with_(OK, b"X: " + b"x" * 70_000 + b"\r\n"),
        ):
            self.use(endpoints=2)
            endpoint = self.sent(GET)
            self.say(endpoint, bad)
            self.assertAnswered("UR", 502)
            self.assertReset(endpoint)
            self.assertKept()

    def test_silent(self) -> None:
        """An endpoint that never answers: 504, on time, and the connection to it is gone."""
        endpoint = self.sent(GET)
        self.ladder.after(2.9)
        self.assertEqual(self.hear(self.app), b"")
        self.ladder.after(0.2)
        self.assertAnswered("UT", 504)
        self.assertReset(endpoint)
        self.assertOnce("UT")
        self.assertKept()

    def test_truncated(self) -> None:
        """An answer that breaks off is visibly cut off, however the endpoint ended."""
        for answer in (LONG + b"01234", CHUNKED + b"5\r\n012", CHUNKED + b"1\r\n0\r\n"):
            for ending in ("end", "reset"):
                self.use()
                endpoint = self.sent(GET)
                self.say(endpoint, answer)
                getattr(self.ladder, ending)(endpoint)
                self.assertReset()
                self.assertOnce("UX")

    def test_untilCloseReset(self) -> None:
        """A reset is no end for a body that ends with the connection."""
        endpoint = self.sent(GET)
        self.say(endpoint, UNTIL_CLOSE + b"some")
        self.ladder.reset(endpoint)
        self.assertReset()
        self.assertOnce("UX")

    def test_brokenChunks(self) -> None:
        """Broken framing in the middle of an answer is not forwarded; the caller is cut off."""
        endpoint = self.sent(GET)
        self.say(endpoint, CHUNKED + b"2\r\nok\r\n", b"0\r\nbad trailer\r\n\r\n")
        self.assertEqual(self.hear(self.app), CHUNKED + b"2\r\nok\r\n")
        self.assertReset()
        self.assertOnce("UR")

    def test_idleBody(self) -> None:
        """An answer that stops in the middle is cut off after the idle time."""
        endpoint = self.sent(GET)
        self.say(endpoint, LONG + b"0")
        self.ladder.after(4.0)
        self.say(endpoint, b"1")
        self.ladder.after(4.0)
        self.assertEqual(self.ladder.reasons, [])
        self.ladder.after(2.0)
        self.assertReset()
        self.assertReset(endpoint)
        self.assertOnce("IT")


class DialledTests(Talk):
    """Requests whose endpoint is not connected yet."""

    def test_bodyWaits(self) -> None:
        """While it is dialled the caller's body is not read; what comes all the same is sent."""
        self.say(self.app, BEGUN)
        self.assertFalse(self.ladder.loop.isReading(self.app))
        self.app.protocol.dataReceived(b"mo")
        endpoint = self.ladder.accepts()
        self.say(self.app, b"re")
        self.assertEqual(self.hear(endpoint), BEGUN + b"more")
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertOnce("")


class EarlyAnswerTests(Talk):
    """Final answers that come while the request's body is still being sent."""

    def test_whole(self) -> None:
        """The answer is kept, and says that the connection ends."""
        endpoint = self.sent(BEGUN)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), with_(OK, CLOSE))
        self.assertReset(endpoint)
        self.assertOnce("")

    def test_thenLost(self) -> None:
        """Also when the endpoint hangs up right after it."""
        endpoint = self.sent(BEGUN)
        endpoint.says(OK)
        endpoint.breaks()
        self.ladder.loop.turn()
        self.assertEqual(self.hear(self.app), with_(OK, CLOSE))
        self.assertOnce("")

    def test_bodyCompletes(self) -> None:
        """When the body is through before the answer is, the endpoint's connection is kept."""
        endpoint = self.sent(BEGUN)
        self.say(endpoint, LONG)
        self.say(self.app, b"more")
        self.assertTrue(self.hear(endpoint).endswith(b"bodymore"))
        self.say(endpoint, b"0123456789")
        self.assertEqual(self.hear(self.app), with_(LONG, CLOSE) + b"0123456789")
        self.assertClosed()
        self.assertFalse(endpoint.fake.closed)
        self.assertOnce("")

    def test_lostInstead(self) -> None:
        """An endpoint lost in the middle of a body: the caller still gets a readable 502."""
        endpoint = self.sent(BEGUN)
        self.ladder.reset(endpoint)
        self.assertIn(CLOSE.strip(), self.assertAnswered("UX", 502))
        self.assertFalse(self.app.fake.reset)
        self.assertOnce("UX")

    def test_notTaken(self) -> None:
        """A connection with unsent bytes of one request never carries another."""
        endpoint = self.sent(POST[:-4].replace(b": 4", b": 200000"))
        endpoint.fake.room = 0
        self.say(self.app, *[b"x" * 50_000] * 4)
        self.say(endpoint, OK)
        self.assertTrue(self.hear(self.app).endswith(b"ok"))
        self.assertTrue(endpoint.fake.closed)


class WebSocketTests(Talk):
    """Upgrades to WebSocket."""

    def test_accepted(self) -> None:
        """After the 101 both sides talk unread, bytes sent ahead included."""
        endpoint = self.sent(WEBSOCKET + b"early")
        heard = self.hear(endpoint)
        self.assertIn(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", heard)
        self.say(endpoint, SWITCHED + b"\x81\x01a")
        self.assertEqual(self.hear(endpoint), b"early")
        answer = self.hear(self.app)
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "))
        self.assertTrue(answer.endswith(b"\r\n\r\n\x81\x01a"))
        self.say(self.app, b"\x81\x01b")
        self.assertEqual(self.hear(endpoint), b"\x81\x01b")

    def test_ends(self) -> None:
        """It is one call, of status 101, with all its bytes."""
        endpoint = self.sent(WEBSOCKET)
        self.say(endpoint, SWITCHED)
        self.say(self.app, b"12345")
        answer = self.hear(self.app)
        self.ladder.end(endpoint)
        self.ladder.end(self.app)
        self.assertOnce("")
        outcome = self.ladder.ended[0].outcome
        self.assertEqual(
            (outcome.status, outcome.received, outcome.sent),
            (101, len(WEBSOCKET) + 5, len(answer)),
        )

    def test_declined(self) -> None:
        """An endpoint that answers with anything else stays in HTTP."""
        endpoint = self.sent(WEBSOCKET + GET)
        self.hear(endpoint)
        self.say(endpoint, OK)
        self.assertEqual(self.hear(self.app), OK)
        self.assertEqual(self.hear(endpoint), GET)

    def test_unasked(self) -> None:
        """A 101 that nobody asked for is no answer."""
        for request in (GET, UPGRADE % b"Connection: Upgrade\r\nUpgrade: h2c\r\n", POST):
            self.use()
            endpoint = self.sent(request)
            self.assertNotIn(b"Upgrade", self.hear(endpoint))
            self.say(endpoint, SWITCHED)
            self.assertAnswered("UR", 502)
            self.assertReset(endpoint)
            self.assertKept()

    def test_toSomethingElse(self) -> None:
        """A 101 to another protocol than WebSocket is no answer either."""
        endpoint = self.sent(WEBSOCKET)
        self.say(endpoint, SWITCHED.replace(b"websocket", b"h2c"))
        self.assertAnswered("UR", 502)

    def test_reset(self) -> None:
        """A tunnel whose caller is reset resets its endpoint."""
        endpoint = self.sent(WEBSOCKET)
        self.say(endpoint, SWITCHED)
        self.ladder.reset(self.app)
        self.assertReset(endpoint)
        self.assertEqual((self.ladder.inFlight, self.ladder.mesh.live), (0, {}))
