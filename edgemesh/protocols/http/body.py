# -*- test-case-name: tests.protocols.http.test_body -*-
"""
A body whose length its head has said: find where it ends.

The counterpart of :class:`~edgemesh.wire.chunked.ChunkedBody`, with the same face.
Knows bytes only.
"""

from __future__ import annotations


class SizedBody:
    """
    One message's body of known length.

    :ivar finished: the whole body has been seen.
    :ivar surplus: bytes after it, once it is finished.
    """

    __slots__ = ("_left", "finished", "surplus")

    def __init__(self, size: int) -> None:
        self._left = size
        self.finished = False
        self.surplus = b""

    def __repr__(self) -> str:
        return f"<SizedBody {'finished' if self.finished else self._left}>"

    def feed(self, data: bytes) -> bytes:
        """Take more bytes; return those that belong to the body."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        self.finished = True
        if left:
            self.surplus = data[left:]
            data = data[:left]
        return data
