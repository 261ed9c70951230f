"""The Lambda Runtime API: the HTTP service on loopback that a runtime client polls for events.

Protocol (AWS Lambda Developer Guide, "Using the Lambda runtime API", version 2018-06-01): ``GET
/runtime/invocation/next`` blocks until there is an event, ``POST /runtime/invocation/ID/response`` or ``…/error``
ends the invocation, ``POST /runtime/init/error`` says that the handler could not be loaded. Every execution
environment has a listener of its own, so the address in ``AWS_LAMBDA_RUNTIME_API`` says who is calling.

Answers go out in one write, header and body together: two writes meet delayed acknowledgements, 40 ms each.
"""

import asyncio
from typing import Protocol, cast

import httptools
import orjson

from fullon.runtime.gateway.invocation import PAYLOAD_LIMIT

_PREFIX = b"/2018-06-01/runtime/"
_NEXT = _PREFIX + b"invocation/next"
_INVOCATION = _PREFIX + b"invocation/"
_INIT_ERROR = _PREFIX + b"init/error"
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 413: b"Payload Too Large"}


class Runtime(Protocol):
    """The execution environment behind a listener."""

    def next_requested(self, connection: "RuntimeConnection") -> None:
        """The runtime waits for an event on ``connection``."""

    def responded(self, request_id: str, body: bytes) -> bool:
        """The handler answered; False when that invocation is not under way."""

    def response_too_large(self, request_id: str) -> bool:
        """The handler answered more than fits; False when that invocation is not under way."""

    def failed(self, request_id: str, error_type: str, body: bytes) -> bool:
        """The handler raised; False when that invocation is not under way."""

    def init_failed(self, error_type: str, body: bytes) -> None:
        """The handler could not be loaded."""

    def disconnected(self, connection: "RuntimeConnection") -> None:
        """A connection of the runtime has ended."""


class RuntimeConnection(asyncio.Protocol):
    """One keep-alive connection of a runtime client."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._error_type = ""
        self._body: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports share the interface of asyncio's and not the class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._runtime.disconnected(self)

    def close(self) -> None:
        """End the connection; a runtime that waits on it sees the end and exits."""
        if self._transport is not None:
            self._transport.abort()

    def send_event(self, request_id: str, deadline_ms: int, function_arn: str, trace_id: str, event: bytes) -> None:
        """Answer the waiting ``next`` with an event."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {function_arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {trace_id}\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        )
        self._write(head.encode("ascii") + event)

    # What httptools calls while it parses a request.

    def on_message_begin(self) -> None:
        self._path = b""
        self._error_type = ""
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"lambda-runtime-function-error-type":
            self._error_type = value.decode("latin-1")
        elif lower == b"expect":
            self._write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= PAYLOAD_LIMIT:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method, path = self._parser.get_method(), self._path
        if method == b"GET" and path == _NEXT:
            self._runtime.next_requested(self)
        elif method == b"POST" and path == _INIT_ERROR:
            self._runtime.init_failed(self._error_type, b"".join(self._body))
            self._write(_ACCEPTED)
        elif method == b"POST" and path.startswith(_INVOCATION):
            request_id, _, outcome = path[len(_INVOCATION) :].decode("latin-1").partition("/")
            self._finish_invocation(request_id, outcome)
        else:
            self._refuse(404, "NotFound", "There is no such operation.")

    def _finish_invocation(self, request_id: str, outcome: str) -> None:
        too_large = self._size > PAYLOAD_LIMIT
        if outcome == "response" and too_large:
            known = self._runtime.response_too_large(request_id)
        elif outcome == "response":
            known = self._runtime.responded(request_id, b"".join(self._body))
        elif outcome == "error":
            known = self._runtime.failed(request_id, self._error_type, b"".join(self._body))
        else:
            self._refuse(404, "NotFound", "There is no such operation.")
            return
        if not known:
            self._refuse(400, "InvalidRequestID", "That invocation is not under way.")
        elif too_large:
            self._refuse(413, "RequestEntityTooLarge", f"The answer is over {PAYLOAD_LIMIT} bytes.")
        else:
            self._write(_ACCEPTED)

    def _refuse(self, status: int, error_type: str, message: str) -> None:
        body = orjson.dumps({"errorType": error_type, "errorMessage": message})
        head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._write(head % (status, _REASONS[status], len(body)) + body)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def listen(runtime: Runtime) -> tuple[asyncio.Server, int]:
    """Open a listener for one execution environment on a free loopback port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RuntimeConnection(runtime), "127.0.0.1", 0, backlog=8)
    port: int = server.sockets[0].getsockname()[1]
    return server, port
