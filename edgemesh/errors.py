# -*- test-case-name: tests.test_errors -*-
"""
The one table of how a call can fail, and the exceptions that carry its rows.

Every way a call can fail is one :class:`Failure`: one HTTP status, one gRPC
status, one reason word.  The reason word is what ``x-edgemesh-reason``, the
metric label ``reason`` and the access log's ``response_flags`` all show.  A
protocol's server turns a Failure into its own idiom; nobody else invents a
status.

Whose fault it was is a type: :class:`Refused` is the mesh's own policy,
:class:`RemoteProtocolError` a peer's bytes, :class:`LocalProtocolError` a bug
of ours.  May be imported by every module; imports nothing of edgemesh.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """
    One row of the failure table.

    :ivar reason: the word in ``x-edgemesh-reason``, metrics and access log.
    :ivar http: the HTTP status the caller gets.
    :ivar grpc: the gRPC status code the caller gets.
    :ivar meaning: one sentence for people.
    :ivar endpointFault: whether the endpoint is to blame, so that the Biz
        keeper counts it.
    """

    reason: str
    http: int
    grpc: int
    meaning: str
    endpointFault: bool = False


BAD_REQUEST = Failure("BR", 400, 3, "the caller's message is malformed or ambiguous")
NO_ROUTE = Failure("NR", 404, 12, "no known Service has this name and port")
METHOD_REFUSED = Failure("MR", 405, 12, "this listener does not take this method")
HEADER_TIMEOUT = Failure("HT", 408, 4, "the caller did not finish its request head in time")
URI_TOO_LONG = Failure("UL", 414, 3, "the request target is longer than the limit")
EXPECTATION_FAILED = Failure("EX", 417, 3, "the expectation is none that is known")
HEAD_TOO_LARGE = Failure("HL", 431, 3, "the head has more bytes or fields than the limit")
RATE_LIMITED = Failure("RL", 429, 8, "the QPS limit is spent")
NOT_IMPLEMENTED = Failure("NI", 501, 12, "this transfer coding is not supported")
BAD_RESPONSE = Failure("UR", 502, 14, "the endpoint's answer is malformed or missing", True)
NO_ENDPOINT = Failure("NE", 503, 14, "the Service has no endpoint that can take a call")
CIRCUIT_OPEN = Failure("CB", 503, 14, "the circuit is open")
ISOLATED = Failure("BH", 503, 14, "too many calls are in flight already")
CONNECT_FAILED = Failure("UF", 503, 14, "no connection to the endpoint", True)
NO_SOCKET = Failure("NS", 503, 14, "this node has no socket left for a connection")
UPLINK_DOWN = Failure("UD", 503, 14, "the link to the cloud is down")
DRAINING = Failure("DR", 503, 14, "this node is shutting down")
UPSTREAM_TIMEOUT = Failure("UT", 504, 4, "the endpoint did not answer in time", True)
VERSION_UNSUPPORTED = Failure("HV", 505, 12, "this HTTP version is not supported")
UPSTREAM_RESET = Failure("UX", 502, 14, "the endpoint reset the connection", True)
IDLE_TIMEOUT = Failure("IT", 504, 4, "nothing moved in either direction for too long")
#: The status is for the log only: there is nobody left to read it.
CALLER_GONE = Failure("DC", 499, 1, "the caller went away")
INTERNAL = Failure("IE", 500, 13, "a defect of the mesh; see its log")

#: The whole table, by reason word.
FAILURES: dict[str, Failure] = {
    row.reason: row for row in list(globals().values()) if isinstance(row, Failure)
}


class MeshError(Exception):
    """Everything the mesh raises on purpose."""


class Refused(MeshError):
    """
    The mesh declined a call by policy; no byte of it was forwarded.

    :ivar failure: the row of the table.
    :ivar detail: what exactly, for the log and ``/chain``; never sent secrets.
    :ivar retryAfter: seconds after which trying again makes sense, or None.
    :ivar status: the HTTP status to answer instead of the row's, or 0.
    :ivar endpointOnly: only this endpoint refuses; another may take the call.
    """

    def __init__(
        self,
        failure: Failure,
        detail: str = "",
        *,
        retryAfter: float | None = None,
        status: int = 0,
        endpointOnly: bool = False,
    ) -> None:
        super().__init__(failure.reason, detail)
        self.failure = failure
        self.detail = detail or failure.meaning
        self.retryAfter = retryAfter
        self.status = status
        self.endpointOnly = endpointOnly


class RemoteProtocolError(MeshError):
    """
    A peer's bytes break its protocol.

    :ivar failure: the row of the table to answer with.
    """

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(failure.reason, detail)
        self.failure = failure
        self.detail = detail


class LocalProtocolError(MeshError):
    """Our own code asked for something that its state does not allow."""


class ConfigurationError(MeshError):
    """
    A file or an option is wrong; the text is one line for people.

    It names the file, the key path, what was expected and what was found.
    """
