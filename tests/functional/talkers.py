"""Tiny TCP servers in threads, for protocols that no program here speaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from tests.functional.harness import HOST

#: What a server does with one connection; it is closed afterwards.
Conversation = Callable[[socket.socket], None]


class Talker:
    """
    A server whose every connection is one conversation.

    :ivar port: where it listens.
    :ivar connections: how many were accepted.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._listening = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        # Closing alone would leave the thread in accept.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with connection:
            try:
                self._conversation(connection)
            except OSError:
                # The caller went away in the middle; the tests see it on its side.
                return


def greeting(banner: bytes) -> Conversation:
    """Speak first, as SMTP and FTP do; then answer each line."""

    def converse(connection: socket.socket) -> None:
        connection.sendall(banner)
        with connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(b"250 " + line)

    return converse


def echo(connection: socket.socket) -> None:
    """Send back what comes, at once."""
    while part := connection.recv(65_536):
        connection.sendall(part)
