"""
A program that writes into a store until it is killed, and says what it has stored.

Batch ``n`` replaces ten rows, adds one, and deletes what batch ``n - 50`` added, in one
transaction; when it is committed, ``n`` goes to standard output.  So after the end all
ten rows must be of one batch, and the added rows of the last fifty must be there.
"""

from __future__ import annotations

import itertools
import json
import os
import sys

from edgemesh.edgecore.rows import Delete, Raise, Row, Upsert, Write
from edgemesh.edgecore.store import MetaStore

ROWS = 10
KEPT = 50


def replaced(number: int) -> str:
    """The key of one of the rows that every batch writes."""
    return f"default/service/replaced-{number}"


def added(batch: int) -> str:
    """The key of the row that only this batch writes."""
    return f"default/listener/added-{batch}"


def writes(batch: int) -> list[Write]:
    """Everything that a batch does."""
    # Several pages each time, so that the log is often put into the file.
    value = json.dumps({"batch": batch, "padding": "x" * 3000})
    rows = [Upsert(Row(replaced(number), "service", value)) for number in range(ROWS)]
    added_ = Upsert(Row(added(batch), "listener", str(batch)), "manifests")
    return [*rows, added_, Delete(added(batch - KEPT)), Raise("batch", batch)]


def main(path: str) -> None:
    """Write for ever."""
    store = MetaStore(path)
    for batch in itertools.count(store.counter("batch") + 1):
        store.apply(writes(batch))
        os.write(1, b"%d\n" % batch)


if __name__ == "__main__":
    main(sys.argv[1])
