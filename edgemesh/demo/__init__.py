# -*- test-case-name: tests.test_demo -*-
"""
``edgemesh demo``: the mesh at work on one machine, to look at.

A real node and three instances of an app, each a process of its own, in a
temporary folder that is removed at the end.  :mod:`~edgemesh.demo.play` has the
acts, :mod:`~edgemesh.demo.scene` the processes, :mod:`~edgemesh.demo.screen` the
look.  Nothing of the node runs in this process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from edgemesh.demo.play import URL, Play
from edgemesh.demo.processes import Trouble
from edgemesh.demo.scene import Scene
from edgemesh.demo.screen import Screen, Tone


def main(keep: bool = False, out: TextIO | None = None) -> int:
    """
    Show it.

    :param keep: leave everything running until Ctrl-C.
    :param out: where to; standard output when None.
    :return: the exit status: 0 when everything shown is as promised.
    """
    screen = Screen(out or sys.stdout, os.environ)
    began = time.monotonic()
    screen.line("Starting a node and three instances of an app, each a process of its own ...")
    try:
        with _endedByTerm(), Scene() as scene:
            screen.line(f"They run, after {time.monotonic() - began:.1f} s.")
            play = Play(scene, screen)
            play.run()
            status = verdict(screen, play.broken, time.monotonic() - began)
            if keep:
                invite(screen, scene)
                _waitForInterrupt()
    except Trouble as trouble:
        screen.line(f"edgemesh demo: {trouble}", Tone.BAD)
        return 1
    except KeyboardInterrupt:
        screen.line("\nedgemesh demo: interrupted; everything it started has ended")
        return 130
    if not keep:
        farewell(screen)
    return status


def verdict(screen: Screen, broken: list[str], seconds: float) -> int:
    """Say whether all promises were kept; returns the exit status."""
    screen.line()
    if not broken:
        screen.line(f"Everything was as promised, in {seconds:.1f} s.", Tone.GOOD)
        return 0
    screen.line("Not as promised:", Tone.BAD)
    for promise in broken:
        screen.line(f" ✗ {promise}")
    return 1


def farewell(screen: Screen) -> None:
    """Say where to go from here."""
    screen.title("Look around")
    screen.line("  edgemesh demo --keep                 the same, and it stays to be looked at")
    screen.line("  edgemesh init node && cd node        a configuration and a service of your own")
    screen.line("  twistd -n edgemesh -c edgemesh.yaml  the node, for real")
    screen.line("(after make demo these commands are in .venv/demo/bin)")


def invite(screen: Screen, scene: Scene) -> None:
    """Say what can be looked at while it runs."""
    proxy, admin = scene.ports.proxy, f"http://127.0.0.1:{scene.ports.admin}"
    screen.title("It is still running; look around, then press Ctrl-C")
    screen.line(f"  curl -i --proxy http://127.0.0.1:{proxy} {URL}")
    screen.line(f"  curl {admin}/services")
    screen.line(f"  curl '{admin}/chain?service=b'")
    screen.line(f"  curl -s {admin}/metrics | grep ^edgemesh_")
    for name, port in scene.ports.apps.items():
        screen.line(f"  curl -X POST 'http://127.0.0.1:{port}/behave?status=500'   # {name} fails")
    screen.line(f"  tail -f {scene.folder}/access.log")
    screen.line(f"  $EDITOR {scene.folder}/services.d/b.yaml   # an edit counts at once")


def _waitForInterrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


@contextmanager
def _endedByTerm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that what was started is ended too."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
