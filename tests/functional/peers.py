"""Programs that the functional tests talk to, and what happens when one is missing."""

from __future__ import annotations

import os
import shutil
from unittest import SkipTest

#: Set where every program must be there: a missing one is a failure then.
REQUIRED = "EDGEMESH_REQUIRE_PEERS"

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def program(name: str, package: str = "") -> str:
    """
    Where a program is; the test that asks is skipped when it is missing.

    :param package: Debian's package, when it is called otherwise.
    """
    found = shutil.which(name, path=_PATH)
    if found is not None:
        return found
    reason = f"{name} is not installed (Debian: apt install {package or name})"
    if os.environ.get(REQUIRED):
        raise AssertionError(reason)
    raise SkipTest(reason)
