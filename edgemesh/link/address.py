# -*- test-case-name: tests.link.test_address -*-
"""
The path of a listening unix socket: who may have it, and whose it is.

The socket lies in a directory that only its owner may enter, and only its owner
may open it; both hold from the moment it exists.  A path is taken over from a
process that is dead, never from one that lives, and nothing but a socket is ever
removed.  Knows the file system; no reactor.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgemesh.errors import ConfigurationError
from edgemesh.link.sockets import newSocket

#: The kernel's structure has room for 108 bytes, and the last is a zero.
LONGEST = 107
#: Connections that may wait to be accepted.
BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A path that this process listens at.

    :ivar listening: the socket.
    :ivar device: with ``inode``, the file that was made; somebody may put another there.
    """

    path: str
    listening: socket.socket
    device: int
    inode: int

    def release(self) -> None:
        """Listen no more; remove the file if it is still the one that was made."""
        # First the file: its inode cannot be anybody else's while the socket is open.
        try:
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                os.unlink(self.path)
        except FileNotFoundError:
            # Somebody has removed it already, and there is nothing to do.
            return
        finally:
            self.listening.close()


def claim(path: str) -> Claim:
    """
    Listen at a path, for whole records.

    :raise ConfigurationError: it cannot be had; one line says why.
    """
    if not path or "\0" in path or len(os.fsencode(path)) > LONGEST:
        raise ConfigurationError(
            f"{path!r}: expected the path of a unix socket, "
            f"1 to {LONGEST} bytes, found {len(os.fsencode(path))}"
        )
    directory = os.path.dirname(path) or "."
    try:
        with _alone(directory):
            _makeWay(path)
            return _listen(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot listen there ({error.strerror})") from error


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """
    Nobody else looks for, removes or makes a socket in this directory meanwhile.

    Two processes that find the same dead socket would otherwise both replace it, and
    the second the first one's living one.
    """
    _make(directory)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        opened = os.open(directory, flags)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise ConfigurationError(f"{directory}: expected a directory, not a link to one") from None
    try:
        _checkPrivate(directory, os.fstat(opened))
        _lock(directory, opened)
        yield
    finally:
        os.close(opened)


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        # Made before; whether it will do is looked at when it is open.
        return
    # The umask may have taken what the owner needs.
    os.chmod(directory, 0o700)


def _checkPrivate(directory: str, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid() or mode & 0o077:
        raise ConfigurationError(
            f"{directory}: expected a directory of user {os.geteuid()} with mode 0700, "
            f"found one of user {found.st_uid} with mode {mode:04o}"
        )


def _lock(directory: str, opened: int) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            f"{directory}: another process begins to listen there just now"
        ) from None


def _makeWay(path: str) -> None:
    """Remove the socket of a dead process; leave everything else, and complain."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigurationError(f"{path}: expected nothing or a socket, found something else")
    if _isLive(path):
        raise ConfigurationError(f"{path}: another process listens there")
    os.unlink(path)


def _isLive(path: str) -> bool:
    """Whether a process has this socket: only a refusal proves that none has."""
    # Of another kind than any listener, so that who listens does not even notice.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(path) != errno.ECONNREFUSED


def _listen(path: str) -> Claim:
    listening = newSocket()
    try:
        # Linux makes the file with the mode that the socket has, so that nobody else
        # can open it even for a moment, and no umask of the process is touched.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(path)
        listening.listen(BACKLOG)
        made = os.lstat(path)
    except BaseException:
        listening.close()
        raise
    return Claim(path, listening, made.st_dev, made.st_ino)
