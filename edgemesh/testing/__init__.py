# -*- test-case-name: tests.testing -*-
"""
The public kit for plugin authors: what the built-in protocols are tested with.

* :func:`assertResolves`: a resolver's verdict at every split point of a sample.
* :class:`Ladder`: a node in memory, real chains and all; callers and endpoints are
  the test itself.  No socket, no sleep.
* :class:`Loop` and :class:`Wire`: the reactor and the connections underneath.
* :func:`protocolTests`: a whole suite for one protocol: interfaces, split points,
  back-pressure both ways, half-close, stop.

For example, all there is to say about a protocol that is relayed as it is::

    from edgemesh.testing import Conversation, protocolTests

    class RedisTests(protocolTests(REDIS, Conversation(
        opening=b"*1\\r\\n$4\\r\\nPING\\r\\n", foreign=(b"GET / HTTP/1.1\\r\\n",)
    ))):
        pass
"""

from edgemesh.testing.ladder import EndedCall, Ladder
from edgemesh.testing.memory import Dialling, Loop, Wire
from edgemesh.testing.suites import Conversation, assertResolves, protocolTests

__all__ = [
    "Conversation",
    "Dialling",
    "EndedCall",
    "Ladder",
    "Loop",
    "Wire",
    "assertResolves",
    "protocolTests",
]
