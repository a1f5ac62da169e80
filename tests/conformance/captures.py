"""
Golden data from KubeEdge itself, which is not part of this tree.

The environment variable ``EDGEMESH_CONFORMANCE_DATA`` names the folder that holds
``kubeedge/``.  Tests that need it are skipped when it is not set, and fail when it
is set and there is nothing.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SkipTest

VARIABLE = "EDGEMESH_CONFORMANCE_DATA"


@dataclass(frozen=True, slots=True)
class Capture:
    """
    One file.

    :ivar goType: what Go had as the content, where that was written down.
    """

    name: str
    data: bytes = field(repr=False)
    goType: str = ""


def captures(*prefixes: str) -> tuple[Capture, ...]:
    """Every file whose name begins with one of these, in order of the names."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise SkipTest(f"{VARIABLE} is not set: no data of KubeEdge's to compare with")
    found = tuple(c for c in _everything(Path(folder) / "kubeedge") if c.name.startswith(prefixes))
    if not found:
        raise AssertionError(f"{VARIABLE} is {folder!r}, and no {' '.join(prefixes)} are there")
    return found


@cache
def _everything(folder: Path) -> tuple[Capture, ...]:
    files = sorted(path for path in folder.glob("*") if path.suffix in (".json", ".bin"))
    return tuple(_capture(path) for path in files if not path.name.endswith(".desc.json"))


def _capture(path: Path) -> Capture:
    description = path.with_name(f"{path.name}.desc.json")
    described = json.loads(description.read_bytes()) if description.is_file() else {}
    return Capture(path.name, path.read_bytes(), described.get("contentGoType", ""))
