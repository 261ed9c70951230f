"""A WebSocket of any ASGI server as a wire of the WebSocket API.

Source: ASGI specification, "HTTP & WebSocket ASGI Message Format" 2.4, with the extension "websocket.http.response"
for refusals. What is to be sent waits here, in bytes that are counted, and one task writes it: ``send`` of an ASGI
server may wait for a client that does not read, and a push may not.
"""

import asyncio
from collections import deque
from contextlib import suppress

from fullon.runtime.gateway.connections import (
    ABNORMAL,
    NO_STATUS,
    TOO_BIG,
    UNSUPPORTED,
    Listener,
    Sent,
)
from fullon.runtime.gateway.http_events import source_address
from fullon.runtime.gateway.parts import Message, Receive, Scope, Send

BUFFER_LIMIT = 256 * 1024
"""Unsent bytes kept for a client that does not read; beyond it, a push is refused."""


class AsgiWire:
    """One connection, from its scope to its end.

    Args:
        listener: is told about everything.
        message_limit: bytes of a client's message, over which it is closed with 1009.
    """

    def __init__(self, listener: Listener, scope: Scope, message_limit: int, buffer_limit: int = BUFFER_LIMIT) -> None:
        server = scope.get("server")
        self.peer = source_address(scope)
        self.port = (server[1] if server else None) or 80
        self.last_active = 0.0
        self._listener = listener
        self._scope = scope
        self._message_limit = message_limit
        self._buffer_limit = buffer_limit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Message, int]] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._open = False
        self._ended = False
        self._outcome: tuple[int, str] | None = None

    async def run(self, receive: Receive, send: Send) -> None:
        """Serve the connection to its end."""
        if (await receive())["type"] != "websocket.connect":
            return
        writing = asyncio.create_task(self._write(send))
        code, reason = ABNORMAL, "Connection lost"
        try:
            query = self._scope["query_string"].decode("latin-1")
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._scope["headers"]]
            self._listener.opening(self, self._scope["path"] + (f"?{query}" if query else ""), headers)
            while True:
                await self._reading.wait()
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    code, reason = message.get("code", NO_STATUS), message.get("reason") or ""
                    break
                self.last_active = self._loop.time()
                self._take(message)
        finally:
            self._ended, self._open = True, False
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            self._listener.closed(self, *(self._outcome or (code, reason)))

    # -- what the API does

    def accept(self) -> bool:
        """Open the connection; False when the client has gone meanwhile."""
        if self._ended:
            return False
        self._put({"type": "websocket.accept"})
        self._open = True
        self.last_active = self._loop.time()
        return True

    def refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer the handshake with an HTTP error and end; a server without the extension answers 403."""
        if self._ended:
            return
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            self._put({"type": "websocket.close"})
            return
        own = [*headers, (b"content-length", str(len(body)).encode())]
        self._put({"type": "websocket.http.response.start", "status": status, "headers": own})
        self._put({"type": "websocket.http.response.body", "body": body})

    def send(self, payload: bytes) -> Sent:
        """Push a text message; ``payload`` is UTF-8. Nothing is kept when the buffer is full."""
        if not self._open:
            return Sent.GONE
        if self._waiting_bytes and self._waiting_bytes + len(payload) > self._buffer_limit:
            return Sent.FULL
        self._put({"type": "websocket.send", "text": payload.decode()}, len(payload))
        self.last_active = self._loop.time()
        return Sent.DONE

    def close(self, code: int, reason: str, explanation: str | None = None) -> None:
        """Say goodbye; ``explanation`` is what ``closed`` will be told instead of the reason on the wire."""
        if self._ended or self._outcome is not None:
            return
        self._open = False
        self._outcome = (code, reason if explanation is None else explanation)
        self._reading.set()
        self._put({"type": "websocket.close", "code": code, "reason": reason})

    def pause(self) -> None:
        """Read no more from the client until ``resume``."""
        self._reading.clear()

    def resume(self) -> None:
        """Read on."""
        self._reading.set()

    # -- inside

    def _take(self, message: Message) -> None:
        text = message.get("text")
        if not self._open:
            return
        if text is None:
            self.close(UNSUPPORTED, "Only text messages are accepted")
        elif len(text) > self._message_limit or len(text.encode("utf-8", "replace")) > self._message_limit:
            self.close(TOO_BIG, "The message is too big")
        else:
            self._listener.received(self, text)

    def _put(self, message: Message, size: int = 0) -> None:
        self._waiting.append((message, size))
        self._waiting_bytes += size
        self._something.set()

    async def _write(self, send: Send) -> None:
        """Send what waits, in order; a client that has gone ends this, and ``receive`` says so."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                message, size = self._waiting[0]
                try:
                    await send(message)
                except OSError:  # ASGI 2.4: the client has disconnected
                    return
                self._waiting.popleft()
                self._waiting_bytes -= size
