"""The management API of the WebSocket API: ``POST``, ``GET`` and ``DELETE /@connections/{id}``.

An internal listener for whoever pushes: unmodified boto3 (``apigatewaymanagementapi``) and the streamer.
Source: API Gateway Developer Guide, "Use @connections commands in your backend service"; errors have the types of the
service model (GoneException 410, PayloadTooLargeException 413, LimitExceededException 429, ForbiddenException 403).

A push is the hottest path of the gateway, so this is a protocol of its own on ``httptools``: answers to the requests of
one read leave in one write, and requests may follow each other without waiting (``X-Pipelining`` says how many).
"""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import orjson

from fullon.runtime.gateway.connections import Connections, Sent
from fullon.runtime.gateway.signature import NotSigned, Verifier
from fullon.streams.sigv4 import canonical_path

PIPELINING = 256
"""Requests that a client may have under way on one connection."""

_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Payload Too Large",
    429: "Too Many Requests",
}


def _answer(status: int, body: bytes = b"", error: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nX-Pipelining: {PIPELINING}\r\n"
        + (f"x-amzn-ErrorType: {error}\r\n" if error else "")
        + ("" if status == 204 else f"Content-Length: {len(body)}\r\n")
        + "\r\n"
    )
    return head.encode("ascii") + body


def _error(status: int, kind: str, message: str) -> bytes:
    return _answer(status, orjson.dumps({"message": message}), kind)


_POSTED = _answer(200)
_DELETED = _answer(204)
_BAD_REQUEST = _error(400, "BadRequestException", "The request is not valid.")
_NOT_TEXT = _error(400, "BadRequestException", "The message is not UTF-8.")
_FORBIDDEN = _error(403, "ForbiddenException", "The credentials of the request are not those of this gateway.")
_NOT_FOUND = _error(404, "NotFoundException", "There is only /@connections/{id} here.")
_NOT_ALLOWED = _error(405, "BadRequestException", "Use POST, GET or DELETE.")
_GONE = _error(410, "GoneException", "The connection is gone.")
_TOO_LARGE = _error(413, "PayloadTooLargeException", "The message is over 128 KB.")
_TOO_MANY = _error(429, "LimitExceededException", "The client does not read; its buffer is full.")


class ManagementListener:
    """Answers the management API on a port of its own.

    Args:
        access_key: of the requests that are served.
        verifier: checks their whole signature; on loopback the key's name is enough, for whoever is there can read
            the environment of our processes, or cannot know it.
    """

    def __init__(self, connections: Connections, access_key: str, verifier: Verifier | None = None) -> None:
        self._connections = connections
        # An empty key would match an empty credential.
        self._credential = f"AWS4-HMAC-SHA256 Credential={access_key}/".encode() if access_key else None
        self._verifier = verifier
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Transport] = set()
        self.url = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Exchange(self._connections, self._credential, self._clients, self._verifier), host, port
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def stop(self) -> None:
        """Stop listening and drop the clients."""
        if self._server is not None:
            self._server.close()
            for transport in list(self._clients):
                transport.close()


class _Exchange(asyncio.Protocol):
    """One keep-alive connection of a client; httptools calls the ``on_`` methods."""

    def __init__(
        self,
        connections: Connections,
        credential: bytes | None,
        clients: set[asyncio.Transport],
        verifier: Verifier | None,
    ) -> None:
        self._connections = connections
        self._credential = credential
        self._clients = clients
        self._verifier = verifier
        self._headers: dict[str, str] = {}
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._answers: list[bytes] = []
        self._target = b""
        self._signed = False
        self._last = False
        self._size = 0
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._clients.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._answers.append(_BAD_REQUEST)
            self._transport.write(b"".join(self._answers))
            self._transport.close()
            return
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()
        if self._last:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._target = b""
        self._signed = False
        self._size = 0
        self._body.clear()
        self._headers.clear()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 13 and name.lower() == b"authorization" and self._credential is not None:
            self._signed = value.startswith(self._credential)
        if self._verifier is not None:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= self._connections.message_limit:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._answers.append(self._respond(self._parser.get_method()))
        self._last = not self._parser.should_keep_alive()

    def _respond(self, method: bytes) -> bytes:
        if not self._signed or (self._verifier is not None and not self._is_verified(self._verifier, method)):
            return _FORBIDDEN
        identifier = _identifier(self._target)
        if identifier is None:
            return _NOT_FOUND
        if method == b"POST":
            return self._post(identifier)
        if method == b"GET":
            described = self._connections.describe(identifier)
            return _GONE if described is None else _answer(200, orjson.dumps(described))
        if method == b"DELETE":
            return _DELETED if self._connections.close(identifier) else _GONE
        return _NOT_ALLOWED

    def _is_verified(self, verifier: Verifier, method: bytes) -> bool:
        path, _, query = self._target.decode("latin-1").partition("?")
        try:
            verifier.check(
                method.decode(), canonical_path(path), query, self._headers, b"".join(self._body), datetime.now(UTC)
            )
        except NotSigned:
            return False
        return True

    def _post(self, identifier: str) -> bytes:
        if self._size > self._connections.message_limit:
            return _TOO_LARGE
        payload = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                return _NOT_TEXT
        sent = self._connections.post(identifier, payload)
        return _POSTED if sent is Sent.DONE else _TOO_MANY if sent is Sent.FULL else _GONE


def _identifier(target: bytes) -> str | None:
    """The connection id of a request's target, with or without a stage in front."""
    target = target.replace(b"%3D", b"=")  # the end of most ids, and all that is to be decoded in them
    if b"%" in target:
        target = unquote_to_bytes(target)
    front, _, identifier = target.partition(b"/@connections/")
    if not identifier or b"/" in front[1:]:
        return None
    try:
        return identifier.decode("ascii")
    except UnicodeDecodeError:
        return None
