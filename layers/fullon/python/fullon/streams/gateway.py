"""A client of the connection-management API (``@connections``), made for many small pushes.

HTTP/1.1 by hand on a few keep-alive connections: a push costs a signature, one write shared with its neighbours and a
call-back (measured: about a twentieth of aiobotocore's CPU). A server that answers with ``X-Pipelining: N`` is sent up
to N requests without waiting; any other gets one at a time on each connection.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httptools

from fullon.kernel.errors import FullonError
from fullon.streams.sigv4 import Credentials, Signer, canonical_path

_log = logging.getLogger("fullon.streams")

#: Requests written together at most; more would keep the server waiting while a long round goes on.
_TOGETHER = 16
_PIPELINING_LIMIT = 256
_PIPELINED_LINES = 4
_PATIENCE_SECONDS = 10.0
_CREDENTIALS_SECONDS = 60.0
_REFUSALS_TOLD_SECONDS = 10.0


class Outcome(Enum):
    """What became of a request."""

    DONE = auto()
    #: The connection does not exist any more.
    GONE = auto()
    #: It was not taken: too fast, too much, not allowed, or out of order. Trying again is safe.
    REFUSED = auto()
    #: The gateway could not be reached; the request never left.
    UNREACHABLE = auto()
    #: It may have been taken or not: the connection broke, or there was no answer in time.
    UNKNOWN = auto()


Done = Callable[[Outcome], None]


@dataclass(slots=True)
class Target:
    """The address of one connection, written once."""

    line: bytes
    canonical: bytes


@dataclass(slots=True)
class _Request:
    method: bytes
    target: Target
    body: bytes
    done: Done
    sent_at: float = 0.0


class GatewayClient:
    """Posts to, looks at and ends connections.

    Args:
        endpoint: address of the API, with its stage if it has one.
        region: of the signature.
        credentials: gives those in force.
        connections: keep-alive connections at most, where each takes one request at a time.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Callable[[], Awaitable[Credentials]],
        *,
        connections: int = 64,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the endpoint of the connection-management API is not an http address")
        self._host = parts.hostname
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._netloc = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._patience = patience
        self._signer: Signer | None = None
        self._waiting: deque[_Request] = deque()
        self._lines: deque[_Line] = deque()
        self._most = connections
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        #: Requests that the server takes on one connection without waiting; 0 until it has answered once.
        self.depth = 0
        self.reachable = True
        #: How often the gateway could not be reached.
        self.losses = 0
        self._refusals = 0
        self._refusals_told = -_REFUSALS_TOLD_SECONDS

    async def start(self) -> None:
        """Get credentials, and go on getting them.

        Raises:
            Unavailable: there are none.
        """
        self.begin(await self._credentials())

    def begin(self, credentials: Credentials) -> None:
        """Start with credentials that are in force, and go on getting them."""
        self._sign_with(credentials)
        self._spawn(self._look_after())

    async def close(self) -> None:
        """Drop every connection; requests under way have an unknown outcome."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for line in list(self._lines):
            line.abort()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._waiting)

    def target(self, connection_id: str) -> Target:
        """The address of a connection."""
        path = f"{self._prefix}/@connections/{quote(connection_id, safe='')}"
        return Target(f" {path} HTTP/1.1\r\n".encode(), canonical_path(path).encode())

    def post(self, target: Target, body: bytes, done: Done) -> None:
        """Push a message; ``done`` is called with what became of it, never before this returns."""
        self._submit(_Request(b"POST", target, body, done))

    def look(self, target: Target, done: Done) -> None:
        """Ask whether the connection is still there."""
        self._submit(_Request(b"GET", target, b"", done))

    def end(self, target: Target, done: Done) -> None:
        """Close the connection."""
        self._submit(_Request(b"DELETE", target, b"", done))

    def _submit(self, request: _Request) -> None:
        if not self._waiting and self._lines:
            line = self._lines[0]
            if line.gathered < _TOGETHER and len(line.under_way) < self.depth:
                line.send(request, self._sign)
                return
        self._waiting.append(request)
        self._dispatch()

    def _dispatch(self) -> None:
        """Give waiting requests to connections that may take them; open more where none may."""
        waiting, depth = self._waiting, self.depth or 1
        while waiting:
            line = self._line_with_room(depth)
            if line is None:
                most = 1 if not self.depth else self._most if depth == 1 else min(self._most, _PIPELINED_LINES)
                if len(self._lines) + self._opening < most and not self._closed:
                    self._opening += 1
                    self._spawn(self._open())
                return
            line.send(waiting.popleft(), self._sign)

    def _line_with_room(self, depth: int) -> _Line | None:
        """Filled one after the other, so that requests leave in groups."""
        lines = self._lines
        for _ in range(len(lines)):
            line = lines[0]
            if len(line.under_way) < depth and line.gathered < _TOGETHER:
                return line
            line.gathered = 0
            lines.rotate(-1)
        return lines[0] if lines and len(lines[0].under_way) < depth else None

    def _sign(self, request: _Request) -> bytes:
        assert self._signer is not None
        method, target, body = request.method, request.target, request.body
        signed = self._signer.headers(method, target.canonical, body, int(time.time()))
        return b"".join((method, target.line, signed, b"Content-Length: ", str(len(body)).encode(), b"\r\n\r\n", body))

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                _, line = await asyncio.get_running_loop().create_connection(
                    lambda: _Line(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            self._opening -= 1
            if not self._lines and not self._opening:
                if self.reachable:
                    _log.warning("gateway cannot be reached", extra={"cause": repr(error)})
                self.reachable = False
                self.losses += 1
                failed, self._waiting = self._waiting, deque()
                for request in failed:
                    request.done(Outcome.UNREACHABLE)
            return
        self._opening -= 1
        self.reachable = True
        self._lines.append(line)
        self._dispatch()

    async def _look_after(self) -> None:
        """Renew credentials; give up on connections that do not answer."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._patience / 10)
            now = time.monotonic()
            for line in list(self._lines):
                if line.under_way and now - line.under_way[0].sent_at > self._patience:
                    _log.warning("gateway does not answer", extra={"under_way": len(line.under_way)})
                    line.abort()
            if now - renewed > _CREDENTIALS_SECONDS:
                renewed = now
                try:
                    await self._renew()
                except FullonError as error:
                    _log.error("credentials not renewed", extra={"code": error.code})

    async def _renew(self) -> None:
        self._sign_with(await self._credentials())

    def _sign_with(self, credentials: Credentials) -> None:
        self._signer = Signer(credentials, self._region, self._netloc)

    def leave(self, line: _Line) -> None:
        """A connection takes no more requests; called by it."""
        if line in self._lines:
            self._lines.remove(line)

    def lost(self, line: _Line) -> None:
        """A connection has ended; called by it."""
        self.leave(line)
        unanswered = list(line.under_way)
        line.under_way.clear()
        for request in unanswered:
            request.done(Outcome.UNKNOWN)
        if not self._closed:
            self._dispatch()

    def answered(self) -> None:
        """A connection can take more; called by it."""
        if self._waiting:
            self._dispatch()

    def refused(self, status: int, method: bytes) -> None:
        """The gateway took no request, and not for its pace; called by a connection.

        A missing permission refuses thousands of pushes a second: it is said now and then, with how many there were.
        """
        self._refusals += 1
        now = time.monotonic()
        if now - self._refusals_told >= _REFUSALS_TOLD_SECONDS:
            facts = {"status": status, "method": method.decode(), "refusals": self._refusals}
            _log.warning("gateway refused", extra=facts)
            self._refusals, self._refusals_told = 0, now

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Line(asyncio.Protocol):
    """One keep-alive connection; httptools calls the ``on_`` methods."""

    def __init__(self, client: GatewayClient) -> None:
        self.under_way: deque[_Request] = deque()
        #: Requests given to it since the last one had its turn.
        self.gathered = 0
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._broken = False
        #: The parser is between two answers.
        self._between = True
        self._usual = b"\0"

    def send(self, request: _Request, sign: Callable[[_Request], bytes]) -> None:
        """Write a request, together with those that follow at once."""
        request.sent_at = time.monotonic()
        self.under_way.append(request)
        self.gathered += 1
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(sign(request))
        if len(self._out) >= _TOGETHER:
            self._flush()

    def abort(self) -> None:
        """End it now; what is under way has an unknown outcome."""
        self._client.leave(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._client.lost(self)

    def data_received(self, data: bytes) -> None:
        count = len(data) // len(self._usual)
        if self._between and count <= len(self.under_way) and data == self._usual * count:
            # Answers that are byte for byte what the parser understood once (measured: a fifth of a push's cost).
            for _ in range(count):
                self._answered(200)
        else:
            if self._between:
                self._learn(data)
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                _log.error("gateway answers nonsense", extra={"cause": repr(error)})
                self._broken = True
        if self._broken:
            self.abort()
        else:
            self._client.answered()

    def _learn(self, data: bytes) -> None:
        """Remember what an answer without a body looks like."""
        first, separator, _ = data.partition(b"\r\n\r\n")
        if first.startswith(b"HTTP/1.1 200 ") and b"\r\ncontent-length: 0\r\n" in first.lower() + b"\r\n":
            self._usual = first + separator

    def on_message_begin(self) -> None:
        self._between = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 12 and name.lower() == b"x-pipelining" and value.isdigit():
            self._client.depth = max(1, min(int(value), _PIPELINING_LIMIT))

    def on_message_complete(self) -> None:
        self._between = True
        self._client.depth = self._client.depth or 1
        if not self.under_way or not self._parser.should_keep_alive():
            self._broken = True
            self._client.leave(self)
        if self.under_way:
            self._answered(self._parser.get_status_code())

    def _answered(self, status: int) -> None:
        request = self.under_way.popleft()
        if 200 <= status < 300:
            request.done(Outcome.DONE)
        elif status == 410:
            request.done(Outcome.GONE)
        else:
            if status != 429:
                self._client.refused(status, request.method)
            request.done(Outcome.REFUSED)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))
