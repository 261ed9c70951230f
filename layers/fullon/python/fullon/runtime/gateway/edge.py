"""What stands in front of the HTTP API: in the cloud a CloudFront function and the API's own front, here this.

An API key in ``X-API-Key`` becomes ``Authorization: Bearer KEY`` when there is no ``Authorization``, because the
authorizer's identity source is that one header. The forwarding headers are written as API Gateway writes them: the
peer's address is appended to what the client claims, and only the peer counts as the source address.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"})


@dataclass(slots=True)
class EdgeHeaders:
    """Request headers as an event holds them: lower-case names, repeated values joined by commas, cookies apart."""

    headers: dict[str, str]
    cookies: list[str]
    trace_id: str


def read_headers(raw: Iterable[tuple[bytes, bytes]], *, peer: str, scheme: str, port: int) -> EdgeHeaders:
    """Take the headers of a request from ``peer`` as an ASGI server gives them."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in raw:
        if raw_name == b"cookie":
            cookies += [cookie for part in raw_value.decode("latin-1").split(";") if (cookie := part.strip())]
            continue
        if raw_name in _HOP_BY_HOP:
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if "authorization" not in headers and (key := headers.pop("x-api-key", "")):
        headers["authorization"] = f"Bearer {key}"
    claimed = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{claimed}, {peer}" if claimed else peer
    headers["x-forwarded-port"] = str(port)
    headers["x-forwarded-proto"] = scheme
    trace_id = headers.get("x-amzn-trace-id")
    if trace_id is None or not _is_trace_id(trace_id):
        trace_id = headers["x-amzn-trace-id"] = new_trace_id()
    return EdgeHeaders(headers, cookies, trace_id)


def new_request_id() -> str:
    """A random UUID (version 4) as text; ``str(uuid4())`` takes three times as long."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_trace_id() -> str:
    """A root trace header: format version, epoch seconds and 96 random bits in hexadecimal (X-Ray concepts)."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def _is_trace_id(text: str) -> bool:
    # It travels to the runtime as a header line of its own, so it may not be just anything.
    return text.startswith("Root=") and len(text) <= 256 and text.isascii() and text.isprintable()
