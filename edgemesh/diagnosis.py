# -*- test-case-name: tests.test_diagnosis -*-
"""
``edgemesh check``: everything that is wrong with a node's files, without a node.

Reads the configuration and the manifests exactly as the node does, opens
nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgemesh import config
from edgemesh.errors import ConfigurationError


def problems(path: str | None, environ: Mapping[str, str]) -> list[str]:
    """
    Name every problem, one line each.

    :param path: the configuration file, or None for the defaults.
    """
    try:
        config.load(path, environ)
    except ConfigurationError as mistake:
        return [str(mistake)]
    return []
