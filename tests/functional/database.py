"""MariaDB, whose server speaks first."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from edgemesh.demo.processes import freePorts
from tests.functional.harness import HOST, ProcessesMixin
from tests.functional.peers import program
from tests.functional.standing import untilListening

#: The only account with a password.
USER, PASSWORD = "shop", "a password"
_ACCOUNT = f"""
CREATE DATABASE shop;
CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON shop.* TO '{USER}'@'%';
"""


@dataclass(frozen=True, slots=True)
class Database:
    """A running server; ``port`` is where it listens."""

    port: int


def startDatabase(processes: ProcessesMixin) -> Database:
    """Make a database, start its server and wait until it listens."""
    server, make = program("mariadbd", "mariadb-server"), program("mariadb-install-db")
    folder = processes.folder()
    content = f"--datadir={folder / 'content'}"
    # It refuses to run as root unless it is told to.
    whose = ("--user=root",) if os.geteuid() == 0 else ()
    options = ("--auth-root-authentication-method=normal", "--skip-test-db")
    subprocess.run(
        (make, "--no-defaults", content, *whose, *options),
        check=True,
        capture_output=True,
        timeout=60,
    )
    account = folder / "account.sql"
    account.write_text(_ACCOUNT)
    (port,) = freePorts(1)
    where = (f"--bind-address={HOST}", f"--port={port}", f"--socket={folder / 'socket'}")
    more = ("--skip-name-resolve", f"--init-file={account}", f"--pid-file={folder / 'pid'}")
    running = processes.start(
        "mariadb", (server, "--no-defaults", content, *whose, *where, *more), folder
    )
    untilListening(running, port)
    return Database(port)


def query(port: int, statements: str) -> str:
    """Log in with the stock client and run statements; what it printed."""
    client = program("mariadb", "mariadb-client")
    where = ("--protocol=tcp", f"--host={HOST}", f"--port={port}", f"--user={USER}")
    done = subprocess.run(
        (client, "--no-defaults", *where, f"--password={PASSWORD}", "--batch", "shop"),
        input=statements,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout
