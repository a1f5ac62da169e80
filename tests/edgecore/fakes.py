"""What the tests of this package share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

from edgemesh.beehive.message import Message, Messages
from edgemesh.edgecore.rows import Delete, Gone, Raise, Row, Upsert, Write

NOW = 1_700_000_000_000


class MemoryRows:
    """The rows of a store, in memory; ``test_store`` shows that the store is like it."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.origins: dict[str, str] = {}
        self.buried: dict[str, Gone] = {}
        self.counters: dict[str, int] = {}

    def value(self, key: str) -> str | None:
        """The value of a row."""
        return self.rows[key].value if key in self.rows else None

    def ofType(self, kind: str, after: str = "", limit: int = -1) -> list[Row]:
        """Rows of one type."""
        found = [row for key, row in sorted(self.rows.items()) if row.type == kind and key > after]
        return found if limit < 0 else found[:limit]

    def fedBy(self, origin: str) -> list[Row]:
        """Rows of one origin."""
        return [row for key, row in sorted(self.rows.items()) if self.origins.get(key) == origin]

    def origin(self, key: str) -> str:
        """Who feeds a row."""
        return self.origins.get(key, "")

    def gone(self, key: str) -> Gone | None:
        """What was deleted under a key."""
        return self.buried.get(key)

    def counter(self, name: str) -> int:
        """A counter."""
        return self.counters.get(name, 0)

    def apply(self, writes: Iterable[Write]) -> None:
        """Write."""
        for write in writes:
            if isinstance(write, Raise):
                self.counters[write.counter] = max(self.counter(write.counter), write.value)
                continue
            key = write.row.key if isinstance(write, Upsert) else write.key
            self.origins.pop(key, None)
            if isinstance(write, Delete):
                self.rows.pop(key, None)
                if write.gone is not None:
                    self.buried[key] = write.gone
            else:
                self.buried.pop(key, None)
                self.rows[key] = write.row
                if write.origin:
                    self.origins[key] = write.origin


def maker(prefix: str = "id") -> Messages:
    """Makes Messages with the ids id1, id2, ... at one time."""
    numbers = itertools.count(1)
    return Messages(lambda: f"{prefix}{next(numbers)}", lambda: NOW)


def fromCloud(operation: str, resource: str, content: object, version: str = "") -> Message:
    """A Message as edgecontroller sends it."""
    message = maker("cloud").newMessage().setResourceVersion(version)
    routed = message.buildRouter("edgecontroller", "resource", resource, operation)
    return routed.fillBody(content)


def asked(operation: str, resource: str, content: object = None) -> Message:
    """A Message as the mesh sends it."""
    message = maker("module").newMessage().setSync(True)
    return message.buildRouter("edgemesh", "meta", resource, operation).fillBody(content)


def service(
    name: str = "web", version: int = 0, uid: str = "u1", **more: object
) -> dict[str, object]:
    """A Service."""
    about = {"name": name, "namespace": "default", "uid": uid, **more}
    if version:
        about["resourceVersion"] = str(version)
    return {"apiVersion": "v1", "kind": "Service", "metadata": about}


def text(value: object) -> str:
    """A value as it is stored."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
