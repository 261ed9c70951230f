"""One WebSocket on its transport: handshake, frames, closing. Knows nothing of routes and functions.

``websockets``' sans-I/O protocol reads the handshake and the client's frames; frames to the client are written straight
to the transport. Compression is never offered: it costs 1.6 times the CPU of a push and three times the memory.
"""

import asyncio
import email.utils
import logging
from http import HTTPStatus
from typing import Any, cast

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from fullon.runtime.gateway.connections import ABNORMAL, GOING_AWAY, NO_STATUS, NOT_UTF8, UNSUPPORTED, Listener, Sent

LINGER_SECONDS = 2.0
"""How long a client may take to answer a close frame; closing at once would lose it with what is still unread."""


class TransportWire(asyncio.Protocol):
    """What uvicorn makes for a connection that asks for an upgrade.

    Args:
        listener: is told about everything.
        server_state: uvicorn's; holds the connections to shut down.
        message_limit: bytes of a client's message, over which it is closed with 1009.
        buffer_limit: unsent bytes, over which a push is refused.
    """

    def __init__(self, listener: Listener, server_state: Any, message_limit: int, buffer_limit: int) -> None:
        self.last_active = 0.0
        self.peer = "unknown"
        self.port = 80
        self._listener = listener
        self._connections: set[Any] = server_state.connections
        self._buffer_limit = buffer_limit
        self._protocol = ServerProtocol(max_size=message_limit, logger=_QUIET)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._response: Response | None = None
        self._open = False
        self._ended = False
        self._parts: list[bytes] = []
        self._binary = False
        self._outcome: tuple[int, str] | None = None
        self._linger: asyncio.TimerHandle | None = None

    # -- what the listener does

    def accept(self) -> bool:
        """Open the connection; False when the client has gone meanwhile."""
        if self._transport is None or self._transport.is_closing() or self._response is None:
            return False
        self._protocol.send_response(self._response)
        self._flush()
        self._open = True
        self.last_active = self._loop.time()
        return True

    def refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer the handshake with an HTTP error and end."""
        own = [
            ("Date", email.utils.formatdate(usegmt=True)),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
        ]
        fields = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers] + own)
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        if self._transport is not None and not self._transport.is_closing():
            self._protocol.send_response(Response(status, phrase, fields, body))
            self._flush()
            self._transport.close()

    def send(self, payload: bytes) -> Sent:
        """Push a text message; ``payload`` is UTF-8. Nothing is kept when the buffer is full."""
        transport = self._transport
        if not self._open or transport is None:
            return Sent.GONE
        waiting = transport.get_write_buffer_size()
        if waiting and waiting + len(payload) > self._buffer_limit:
            return Sent.FULL
        size = len(payload)
        if size < 126:
            head = bytes((0x81, size))
        elif size < 65_536:
            head = b"\x81\x7e" + size.to_bytes(2, "big")
        else:
            head = b"\x81\x7f" + size.to_bytes(8, "big")
        transport.write(head + payload)
        self.last_active = self._loop.time()
        return Sent.DONE

    def close(self, code: int, reason: str, explanation: str | None = None) -> None:
        """Say goodbye; ``explanation`` is what ``closed`` will be told instead of the reason on the wire."""
        if not self._open:
            if self._transport is not None:
                self._transport.close()
            return
        self._open = False
        self._outcome = (code, reason if explanation is None else explanation)
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        self._flush()
        self._start_linger()

    def pause(self) -> None:
        """Read no more from the client until ``resume``."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- what uvicorn and the event loop do

    def shutdown(self) -> None:
        """The server stops."""
        self.close(GOING_AWAY, "Going away")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else "unknown"
        own = transport.get_extra_info("sockname")
        self.port = int(own[1]) if isinstance(own, tuple) else 80

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self.last_active = self._loop.time()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Request):
                self._begin(event)
        self._flush()
        if self._open and self._protocol.close_expected():
            self._ended_by_peer()
        transport = self._transport
        if transport is not None and (
            self._protocol.handshake_exc is not None
            or transport.get_write_buffer_size() > _UNREAD_PONGS * self._buffer_limit
        ):
            transport.abort()

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._open = False
        if self._linger is not None:
            self._linger.cancel()
        if not self._ended:
            self._ended = True
            self._listener.closed(self, *(self._outcome or (ABNORMAL, "Connection lost")))

    # -- inside

    def _begin(self, request: Request) -> None:
        response = self._protocol.accept(request)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._response = response
            self._listener.opening(self, request.path, request.headers.raw_items())
            return
        self._ended = True
        self._protocol.send_response(response)
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _take(self, frame: Frame) -> None:
        if not self._open or frame.opcode not in _DATA:
            return
        if frame.opcode is not Opcode.CONT:
            self._binary = frame.opcode is Opcode.BINARY
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message = b"".join(self._parts)
        self._parts.clear()
        if self._binary:
            self.close(UNSUPPORTED, "Only text messages are accepted")
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self.close(NOT_UTF8, "A text message must be UTF-8")
            return
        self._listener.received(self, text)

    def _ended_by_peer(self) -> None:
        """The client closed, or broke the protocol and was told so by the close frame just written."""
        self._open = False
        received, sent = self._protocol.close_rcvd, self._protocol.close_sent
        close = received or sent
        if close is None:
            self._outcome = (ABNORMAL, "Connection lost")
        elif close.code == NO_STATUS:
            self._outcome = (NO_STATUS, "Client-side close frame status not set")
        else:
            self._outcome = (close.code, close.reason)
        self._start_linger()

    def _flush(self) -> None:
        chunks = self._protocol.data_to_send()
        transport = self._transport
        if not chunks or transport is None or transport.is_closing():
            return
        data = b"".join(chunks)
        if data:
            transport.write(data)
        if chunks[-1] != b"":
            return
        if self._protocol.close_rcvd is not None:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()

    def _start_linger(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and self._linger is None:
            self.resume()
            self._linger = self._loop.call_later(LINGER_SECONDS, transport.abort)


_UNREAD_PONGS = 2
"""A client that pings and never reads is cut off at this many times the buffer."""
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_QUIET = logging.getLogger("local.gateway.wire")
_QUIET.setLevel(logging.ERROR)
