"""What the benchmarks with real processes share; everything stays on loopback."""

from __future__ import annotations

import socket
import time


def awaitPort(port: int) -> None:
    """Return when somebody listens on ``port``; give up after 15 s."""
    end = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"nobody listens on port {port}") from None
            time.sleep(0.05)
