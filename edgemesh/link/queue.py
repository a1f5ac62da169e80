# -*- test-case-name: tests.link.test_queue -*-
"""
Records that wait for a peer that reads slowly, and who is paused meanwhile.

Bounded in bytes.  Above half of the bound the producer is paused, from a quarter
on it is resumed; the upper half is for those who cannot be paused.  Knows bytes
and producers only.
"""

from __future__ import annotations

from collections import deque

from edgemesh.errors import LocalProtocolError
from edgemesh.link.records import PauseSource


class RecordQueue:
    """
    First in, first out, whole records.

    :ivar size: bytes that wait.
    :param most: bytes that may wait.
    """

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._records: deque[bytes] = deque()
        self._producer: PauseSource | None = None
        self._paused = False

    def __len__(self) -> int:
        return len(self._records)

    def takes(self, size: int) -> bool:
        """Whether a record of this size may wait too."""
        return self.size + size <= self._most

    def append(self, record: bytes) -> None:
        """Let one more record wait."""
        self._records.append(record)
        self.size += len(record)
        self._ask()

    def first(self) -> bytes:
        """The record that has waited longest; it stays."""
        return self._records[0]

    def remove(self) -> None:
        """The first record waits no more."""
        self.size -= len(self._records.popleft())
        self._ask()

    def close(self) -> None:
        """Forget every record, and stop the producer."""
        self._records.clear()
        self.size = 0
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def register(self, producer: PauseSource) -> None:
        """Pause and resume this producer from now on."""
        if self._producer is not None:
            raise LocalProtocolError(f"{self._producer!r} is registered, {producer!r} cannot be")
        self._producer = producer
        self._paused = False
        self._ask()

    def unregister(self) -> None:
        """Nobody is to be paused any more."""
        self._producer = None

    def _ask(self) -> None:
        if self._producer is None:
            return
        if not self._paused and self.size > self._most // 2:
            self._paused = True
            self._producer.pauseProducing()
        elif self._paused and self.size <= self._most // 4:
            self._paused = False
            self._producer.resumeProducing()
