# -*- test-case-name: tests.demo.test_play -*-
"""
The demo's three acts, each with what it promises to show.

Acts look only at what a user can see: answers, the access log, the admin's pages.
A promise that is not kept is remembered in :attr:`Play.broken`; the play goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from threading import Event, Thread

from edgemesh.demo import promises
from edgemesh.demo.calls import Answer, Caller
from edgemesh.demo.files import BURST, LIMIT, SLEEP_WINDOW
from edgemesh.demo.hops import Call, hopsOf
from edgemesh.demo.processes import Trouble
from edgemesh.demo.promises import Promise
from edgemesh.demo.scene import INSTANCES, Scene
from edgemesh.demo.screen import Screen

URL = "http://b/resource"
#: The instance that fails in the third act.
FAILING = "b-2"
#: Seconds between calls that shall stay below the limit.
_PACE = 1.25 / LIMIT
_CROWD = 40
_CALLERS = 8
#: After so many calls the circuit should have moved.
_ENOUGH = 40


class Play:
    """
    The acts and their promises.

    :ivar broken: promises that were not kept, in words.
    """

    def __init__(self, scene: Scene, screen: Screen) -> None:
        self._scene = scene
        self._screen = screen
        self._numbers = count(1)
        self.broken: list[str] = []

    def run(self) -> None:
        """All acts, in order."""
        self._screen.title(f"1. App a calls {URL} by name; three instances of b")
        self._screen.header()
        first = self.balanced()
        self._screen.title(
            f"2. {_CROWD} calls at once; the limit is {LIMIT} a second, {BURST} at once"
        )
        self._screen.rule()
        self.limited()
        self._screen.title(f"3. {FAILING} fails: its circuit opens, b goes on answering")
        self._screen.rule()
        self.guarded()
        self._way(first)

    def balanced(self) -> Call:
        """Calls by name reach every instance; returns the first."""
        with closing(self._caller()) as caller:
            calls = self._known([self._get(caller) for _ in range(2 * len(INSTANCES))])
        self._screen.calls(calls)
        self._promise(*promises.balanced(calls, self._scene.addresses()))
        return calls[0]

    def limited(self) -> None:
        """More calls than allowed: the limit's share passes, the rest is refused."""
        self._refill()
        began = time.monotonic()
        with ThreadPoolExecutor(_CALLERS) as crowd:
            parts = list(crowd.map(self._several, [_CROWD // _CALLERS] * _CALLERS))
        answers = [answer for part in parts for answer in part]
        elapsed = max(answer.ended for answer in answers) - began
        self._screen.groups(self._known(answers))
        self._promise(*promises.limited(answers, LIMIT, BURST, elapsed))

    def guarded(self) -> None:
        """A failing instance is left out, and taken back when it is mended."""
        with closing(self._caller()) as caller, Watch(self._circuit) as watch:
            self._refill()
            self._scene.behave(FAILING, "status=500")
            failing = self._until("OPEN", caller)
            opened = time.monotonic()
            # They end well before a probe may be sent.
            enough = opened + 0.7 * SLEEP_WINDOW
            rest = self._paced(caller, lambda got: len(got) == 12 or time.monotonic() > enough)
            self._screen.calls(self._known(failing))
            self._screen.line(f"   {FAILING} is OPEN, says /services")
            self._screen.groups(self._known(rest))
            self._promise(promises.withoutFailing(rest, FAILING))
            # Slow at first, so that the probe can be seen under way.
            self._scene.behave(FAILING, "delay=0.4")
            time.sleep(max(0.0, opened + SLEEP_WINDOW + _PACE - time.monotonic()))
            self._screen.line(f"   {FAILING} is mended and its sleep window is over")
            self._screen.calls(self._known(self._until("CLOSED", caller)))
            self._scene.behave(FAILING, "")
            self._screen.line(f"   {FAILING} is {self._circuit()}, says /services")
            back = self._paced(caller, lambda got: len(got) == len(INSTANCES))
        self._screen.calls(self._known(back))
        self._promise(*promises.mended(back, watch.states(), INSTANCES))

    def _way(self, call: Call) -> None:
        """Draw the hops of one call."""
        hops, answer = call.hops, call.answer
        line = self._screen.line
        self._screen.title(f"The way of call {call.number}, from the access log and /chain")
        line(f"   app a  → GET {URL} to 127.0.0.1:{self._scene.ports.proxy}")
        line(f"          → edgemesh: {hops.protocol} recognised")
        line(f"            outbound chain [{' → '.join(_long(hops.outbound))}]")
        line(f"          → transport server [{' → '.join(_long(hops.inbound))}]")
        line(f"          → {answer.app} at {hops.endpoint}, which got Via: {answer.via}")

    def _promise(self, *promised: Promise) -> None:
        for promise in promised:
            self._screen.promise(promise)
            if not promise.kept:
                self.broken.append(promise.text)

    def _caller(self) -> Caller:
        return Caller(self._scene.ports.proxy)

    def _get(self, caller: Caller) -> Answer:
        return caller.get(URL, f"demo-{next(self._numbers)}")

    def _several(self, calls: int) -> list[Answer]:
        with closing(self._caller()) as caller:
            return [self._get(caller) for _ in range(calls)]

    def _paced(self, caller: Caller, enough: Callable[[list[Answer]], bool]) -> list[Answer]:
        """Calls below the limit, until it is enough."""
        answers: list[Answer] = []
        while not enough(answers):
            answers.append(self._get(caller))
            time.sleep(_PACE)
        return answers

    def _until(self, state: str, caller: Caller) -> list[Answer]:
        """Calls until the failing instance's circuit has this state."""
        return self._paced(
            caller, lambda answers: len(answers) == _ENOUGH or self._circuit() == state
        )

    def _refill(self) -> None:
        """Wait until the limit's burst is there again, whatever was called before."""
        time.sleep(BURST / LIMIT)

    def _circuit(self) -> str:
        return self._scene.circuits()[FAILING]

    def _known(self, answers: Iterable[Answer]) -> list[Call]:
        """Join answers with what the node wrote down about them; sorted by number."""
        byNumber = {int(answer.identity.rpartition("-")[2]): answer for answer in answers}
        lines = self._scene.logged({answer.identity for answer in byNumber.values()})
        chain = self._scene.chain()
        return [
            Call(number, answer, hopsOf(chain, lines[answer.identity]))
            for number, answer in sorted(byNumber.items())
        ]


class Watch:
    """Looks at a state all the time, and remembers how it changed."""

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state
        self._enough = Event()
        self._thread = Thread(target=self._lookOn, daemon=True)
        self._seen: list[str] = []
        self._trouble: Trouble | None = None

    def __enter__(self) -> Watch:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._enough.set()
        self._thread.join()
        # The last change may be younger than the last look.
        self.look()

    def look(self) -> None:
        """Look once."""
        try:
            state = self._state()
        except Trouble as trouble:
            self._trouble = trouble
            return
        if not self._seen or self._seen[-1] != state:
            self._seen.append(state)

    def states(self) -> list[str]:
        """
        Every state that was seen, in order.

        :raise Trouble: the state could not be looked at.
        """
        if self._trouble is not None:
            raise self._trouble
        return self._seen

    def _lookOn(self) -> None:
        while not self._enough.wait(0.02):
            self.look()


def _long(handlers: tuple[str, ...]) -> list[str]:
    return ["QPS controller" if name == "QPS" else name for name in handlers]
