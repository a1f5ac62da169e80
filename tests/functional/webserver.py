"""nginx and curl, as the tests use them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemesh.demo.processes import freePorts
from tests.functional.certificates import Authority
from tests.functional.harness import HOST, ProcessesMixin
from tests.functional.peers import program
from tests.functional.standing import hasIPv6, untilListening

#: The names that nginx's own certificate is for.
SECURE_NAMES = ("servicea", "servicea.default")
#: What ``/text`` has; long enough for nginx to compress it.
TEXT = b"".join(b"line %d of some text\n" % number for number in range(2000))
_HEAD = b"\r\n\r\n"
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format calls "$connection $server_port $request_method $request_uri";
    access_log {folder}/calls.log calls;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    client_body_buffer_size 64k;
    default_type text/plain;
    keepalive_timeout 60s;
    gzip_types text/plain;
    # Otherwise nginx compresses nothing for a request with a Via.
    gzip_proxied any;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    server {{
        {listen}
        listen {host}:{secure} ssl http2;
        listen {host}:{h2c} http2;
        root {folder}/files;
        location = /who {{
            return 200 "$server_port $request_method $scheme $server_protocol $http_host\n";
        }}
        location = /came {{
            set $mesh "via=$http_via for=$http_x_forwarded_for own=$http_x_edgemesh_own";
            return 200 "uri=$request_uri $mesh\n";
        }}
        location = /none {{ return 204; }}
        location = /elsewhere {{ return 301 http://elsewhere.test/; }}
        location = /compressed {{ alias {folder}/files/text; gzip on; }}
        location = /form {{
            proxy_pass http://{host}:{first}/form-came;
            proxy_set_header X-Form $request_body;
        }}
        location = /form-came {{ return 200 "$http_x_form\n"; }}
        location /stored/ {{ dav_methods PUT DELETE; alias {folder}/files/stored/; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class WebServer:
    """
    A running nginx.

    :ivar ports: where it speaks HTTP; ``/who`` says at which one it was called.
    :ivar port6: the same on the other loopback, or 0.
    :ivar secure: where it speaks TLS, with a certificate for ``SECURE_NAMES``.
    :ivar h2c: where it speaks HTTP/2 without TLS.
    :ivar authority: the file of who signed its certificate.
    """

    ports: tuple[int, int, int]
    port6: int
    secure: int
    h2c: int
    authority: Path
    folder: Path

    def calls(self, uri: str) -> list[str]:
        """For each finished call of this URI: number of the connection, port and method."""
        lines = (self.folder / "calls.log").read_text().splitlines()
        return [line.rpartition(" ")[0] for line in lines if line.endswith(f" {uri}")]


def startWebServer(processes: ProcessesMixin) -> WebServer:
    """Start an nginx and wait until it listens."""
    command = program("nginx")
    folder = processes.folder()
    (folder / "files" / "stored").mkdir(parents=True)
    (folder / "files" / "text").write_bytes(TEXT)
    authority = Authority(folder)
    *ports, secure, h2c = freePorts(5)
    listen = [f"listen {HOST}:{port};" for port in ports]
    if hasIPv6():
        listen.append(f"listen [::1]:{ports[0]};")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            host=HOST,
            listen=" ".join(listen),
            first=ports[0],
            secure=secure,
            h2c=h2c,
            certificate=authority.sign(*SECURE_NAMES),
        )
    )
    running = processes.start(
        "nginx", (command, "-c", str(configuration), "-p", str(folder)), folder
    )
    for port in (*ports, secure, h2c):
        untilListening(running, port)
    first, second, third = ports
    port6 = first if hasIPv6() else 0
    return WebServer((first, second, third), port6, secure, h2c, authority.file, folder)


@dataclass(frozen=True, slots=True)
class Curled:
    """
    What curl said.

    :ivar exit: curl's own exit status.
    :ivar status: the last answer's status.
    :ivar head: its head, in lower case.
    :ivar answers: how many answers came in all, those with 1xx included.
    :ivar said: its complaints.
    """

    exit: int
    status: int
    head: str
    body: bytes
    answers: int
    said: str

    @property
    def text(self) -> str:
        """The body as text, without the end of its last line."""
        return self.body.decode().rstrip("\n")


def curl(*arguments: str, cwd: Path | None = None) -> Curled:
    """Run curl; an answer is returned whatever its status is."""
    mark = "\nedgemesh-test "
    options = ("--silent", "--show-error", "--include", "--max-time", "15")
    done = subprocess.run(
        (program("curl"), "--disable", *options, "--write-out", mark + "%{http_code}", *arguments),
        cwd=cwd,
        env={name: text for name, text in os.environ.items() if "proxy" not in name.lower()},
        capture_output=True,
        timeout=30,
    )
    came, _, status = done.stdout.rpartition(mark.encode())
    heads, body = _split(came)
    return Curled(
        done.returncode,
        int(status),
        heads[-1].decode("latin-1").lower() if heads else "",
        body,
        len(heads),
        done.stderr.decode(),
    )


def _split(came: bytes) -> tuple[Sequence[bytes], bytes]:
    """All heads that curl printed, and what came after the last one."""
    heads = []
    while came.startswith(b"HTTP/"):
        head, _, came = came.partition(_HEAD)
        heads.append(head)
    return heads, came
