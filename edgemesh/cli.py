# -*- test-case-name: tests.test_cli -*-
"""
``edgemesh``: the commands for people.

``demo`` shows the mesh at work, ``init`` writes a configuration to begin with,
``check`` tells what is wrong with one.  Parses, prints and chooses the exit
status; what is done stands elsewhere.  Runs no reactor of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TextIO

from edgemesh._version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :param arguments: without the program's name; by default the process' own.
    :return: the exit status.
    """
    options = _parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgemesh",
        description="Service mesh for edge nodes: apps call services by name.",
        epilog="The node itself: twistd -n edgemesh --config edgemesh.yaml",
    )
    parser.add_argument("--version", action="version", version=f"edgemesh {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser("demo", help="show calls, limits and a circuit breaker at work")
    demo.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    demo.set_defaults(run=_demo)
    init = commands.add_parser("init", help="write a configuration and an example service")
    init.add_argument("directory", type=Path, help="where to; made when it is missing")
    init.set_defaults(run=_init)
    check = commands.add_parser("check", help="name every problem of a configuration")
    check.add_argument("-c", "--config", metavar="FILE", help="as for twistd edgemesh")
    check.set_defaults(run=_check)
    return parser


def _demo(options: argparse.Namespace) -> int:
    # Imported late, as the reactor below: asking for help should load neither.
    from edgemesh.demo import main as demo

    return demo(keep=options.keep)


def _init(options: argparse.Namespace) -> int:
    try:
        return init(options.directory, sys.stdout, sys.stderr)
    except OSError as trouble:
        sys.stderr.write(f"edgemesh: {trouble.filename}: {trouble.strerror}\n")
        return 1


def _check(options: argparse.Namespace) -> int:
    from twisted.internet import reactor

    from edgemesh.diagnosis import problems

    found = problems(options.config, os.environ, reactor)
    for line in found:
        sys.stderr.write(f"edgemesh: {line}\n")
    if not found:
        sys.stdout.write("edgemesh: nothing is wrong\n")
    return 1 if found else 0


def init(directory: Path, out: TextIO, errors: TextIO) -> int:
    """
    Write the starter files into ``directory``; all of them or none.

    :return: the exit status: 1 when a file of that name exists already.
    """
    starter = resources.files("edgemesh") / "starter"
    targets = {directory / name: source for name, source in _filesBelow(starter, "")}
    existing = [target for target in targets if target.exists()]
    if existing:
        errors.write(f"edgemesh: {existing[0]} exists already and is left as it is\n")
        return 1
    for target, source in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
        out.write(f"wrote {target}\n")
    out.write(f"next: cd {directory} && twistd -n edgemesh --config edgemesh.yaml\n")
    return 0


def _filesBelow(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix + entry.name
        if entry.is_dir():
            found += _filesBelow(entry, f"{name}/")
        else:
            found.append((name, entry))
    return found
