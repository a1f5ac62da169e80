"""Heads of answers, for tests."""

from __future__ import annotations

from edgemesh.errors import BAD_RESPONSE, RemoteProtocolError
from edgemesh.wire.response import ResponseHead, parseResponse


def answer(data: bytes, method: bytes = b"GET") -> ResponseHead:
    """The head of an answer that is whole."""
    parsed = parseResponse(data, method, 1_000, 20)
    assert parsed is not None, data
    return parsed


def answered(
    *lines: bytes, start: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET"
) -> ResponseHead:
    """The head of an answer with these fields."""
    return answer(b"\r\n".join((start, *lines, b"", b"")), method)


def badAnswer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bool:
    """Whether such an answer is refused, as the endpoint's fault."""
    try:
        answered(*lines, start=start)
    except RemoteProtocolError as error:
        return error.failure is BAD_RESPONSE
    return False
