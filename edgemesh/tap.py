# -*- test-case-name: tests.test_tap -*-
"""
``twistd edgemesh``: read the command line, compose the node.

:class:`Options` parses, :func:`makeService` composes; neither opens anything.
May know the configuration and the node; must not import the global reactor
before somebody has chosen one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from edgemesh._version import __version__
from edgemesh.config import Config, load
from edgemesh.errors import ConfigurationError
from edgemesh.monotonic import makeMonotonic
from edgemesh.node import makeNode

_log = Logger()


@contextmanager
def _inOneLine(place: str = "") -> Iterator[None]:
    """
    Turn a configuration mistake into one line on standard error and status 1.

    A UsageError would do neither: twistd prints its whole help to standard
    output before the message, and twist ends with status 64.

    :param place: the file and a colon, where the mistake does not name it itself.
    """
    try:
        yield
    except ConfigurationError as mistake:
        raise SystemExit(f"edgemesh: {place}{mistake}") from None


class Options(usage.Options):
    """
    The command line of ``twistd edgemesh``.

    :ivar config: the configuration, once the command line is parsed.
    """

    optParameters = [
        ["config", "c", None, "Configuration file (YAML); without one, defaults on loopback."],
    ]

    longdesc = (
        "Run the edge node's agent: apps call services by name, and the mesh finds, "
        "balances and guards the calls.  Without --config a proxy listens on "
        "127.0.0.1:18081 and the admin pages on 127.0.0.1:15000; services are read from "
        "services.d in the state directory.  SIGHUP reloads, SIGTERM drains and ends.  "
        "`edgemesh check` tells what is wrong with a configuration; `edgemesh init` "
        "writes one to begin with."
    )

    config: Config

    def opt_version(self) -> None:
        """Print the version of edgemesh and end."""
        sys.stdout.write(f"edgemesh {__version__}\n")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Read the configuration, so that a mistake stops start-up here."""
        with _inOneLine():
            self.config = self.read()
        if self["config"] is not None:
            # twistd may change the directory before the file is read again.
            self["config"] = os.path.abspath(self["config"])

    def read(self) -> Config:
        """
        Read the configuration, now or again.

        :raise ConfigurationError: it is wrong.
        """
        return load(self["config"], os.environ)


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    Compose the node; nothing is opened before its ``startService``.

    :param reactor: for tests; otherwise the one that twistd has chosen.
    """
    if reactor is None:
        from twisted.internet import reactor
    if not makeMonotonic(reactor):
        _log.warn("the clock may jump: timers were set before edgemesh was loaded")
    with _inOneLine(f"{options['config'] or 'defaults'}: "):
        return makeNode(options.config, reactor, options.read)
