"""A stream connection: subscriptions by address and by message, pings, and the limits Binance sets.

Limits as in Binance's "WebSocket Streams" page: 1,024 streams a connection, five incoming messages a second, a ping
every 20 seconds that wants its pong within a minute, at most 24 hours. A client that reads too slowly is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import orjson
from aiohttp import WSMessage, WSMsgType, web

from local.paper import frames
from local.paper.faults import Faults
from local.paper.hub import Hub

MAXIMUM_STREAMS = 1024
MAXIMUM_MESSAGES_PER_SECOND = 5
PING_SECONDS = 20.0
PONG_SECONDS = 60.0
LONGEST_REQUEST_ID = 36
MAXIMUM_AGE_SECONDS = 24 * 3600.0
#: Bytes waiting to be read by a client after which it is dropped: some seconds of the fastest burst.
MAXIMUM_BACKLOG = 32 * 1024 * 1024
_METHODS = "SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY"

logger = logging.getLogger(__name__)


class Socket:
    """One connection.

    Args:
        transport: where frames are written.
        combined: whether messages are wrapped as ``{"stream": …, "data": …}``.
        faults: what is to go wrong.
        opened: monotonic seconds.
    """

    def __init__(self, transport: asyncio.Transport, *, combined: bool, faults: Faults, opened: float) -> None:
        self.combined = combined
        self._transport = transport
        self._faults = faults
        self._opened = self._pinged = self._answered = opened
        self._kept: list[bytes] = []
        self._not_before = 0.0
        self._received: deque[float] = deque(maxlen=MAXIMUM_MESSAGES_PER_SECOND)

    def add(self, frame: bytes) -> None:
        """Keep a frame for the next flush."""
        self._kept.append(frame)

    def flush(self, wall: float) -> None:
        """Write what was kept, or lose it where streams are silent; late where a delay is set."""
        data, self._kept = b"".join(self._kept), []
        if self._faults.streams_silent or self._transport.is_closing():
            return
        due = max(self._not_before, wall + self._faults.delay_ms / 1000)
        if due > wall:
            self._not_before = due
            asyncio.get_running_loop().call_later(due - wall, self._write, data)
        else:
            self._write(data)

    def send(self, frame: bytes, wall: float) -> None:
        """Write one frame."""
        self.add(frame)
        self.flush(wall)

    def keep_alive(self, wall: float, stated_time: int) -> None:
        """Ping when it is time; drop a connection that does not answer or is too old."""
        if wall - self._opened > MAXIMUM_AGE_SECONDS:
            self.end(1001, "24 hours")
        elif wall - self._answered > PING_SECONDS + PONG_SECONDS and not self._faults.streams_silent:
            self.end(1008, "Pong timeout")
        elif wall - self._pinged >= PING_SECONDS:
            self._pinged = wall
            self.send(frames.ping(str(stated_time).encode()), wall)

    def answered(self, wall: float) -> None:
        """A pong has come."""
        self._answered = wall

    def too_fast(self, wall: float) -> bool:
        """Note an incoming message; whether it is one too many in this second."""
        full = len(self._received) == MAXIMUM_MESSAGES_PER_SECOND and wall - self._received[0] < 1.0
        self._received.append(wall)
        return full

    def end(self, code: int, reason: str) -> None:
        """Close with a reason."""
        if not self._transport.is_closing():
            self._transport.write(frames.close(code, reason))
            self._transport.close()

    def abort(self) -> None:
        """Drop without a word."""
        self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAXIMUM_BACKLOG:
            logger.warning("slow stream client dropped")
            self.abort()


class Sockets:
    """The stream endpoints.

    Args:
        hub: where streams come from.
        faults: what is to go wrong.
        monotonic: wall seconds on a scale that never goes back.
    """

    def __init__(self, hub: Hub, faults: Faults, monotonic: Callable[[], float]) -> None:
        self._hub = hub
        self._faults = faults
        self._monotonic = monotonic

    async def plain(self, request: web.Request) -> web.WebSocketResponse:
        """``/ws/<stream>`` and ``/ws``: messages as they are."""
        return await self._serve(request, request.match_info.get("streams", ""), combined=False)

    async def combined(self, request: web.Request) -> web.WebSocketResponse:
        """``/stream?streams=a/b`` and ``/stream``: messages wrapped with the name of their stream."""
        return await self._serve(request, request.query.get("streams", ""), combined=True)

    async def _serve(self, request: web.Request, streams: str, *, combined: bool) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1024 * 1024)
        await connection.prepare(request)
        assert request.transport is not None
        socket = Socket(request.transport, combined=combined, faults=self._faults, opened=self._monotonic())
        self._hub.join(socket)
        try:
            for stream in [name for name in streams.split("/") if name][:MAXIMUM_STREAMS]:
                self._hub.subscribe(stream, socket)
            async for message in connection:
                self._receive(message, socket)
        finally:
            self._hub.leave(socket)
        return connection

    def _receive(self, message: WSMessage, socket: Socket) -> None:
        wall = self._monotonic()
        if socket.too_fast(wall):
            socket.end(1008, "Too many requests")
        elif message.type is WSMsgType.PONG:
            socket.answered(wall)
        elif message.type is WSMsgType.PING:
            socket.send(frames.pong(message.data), wall)
        elif message.type is WSMsgType.TEXT:
            socket.send(frames.text(answer(message.data, socket, self._hub)), wall)


def answer(text: str, socket: Socket, hub: Hub) -> bytes:
    """Do what a client's message asks for, and word the reply."""
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _refusal(3, f"Invalid JSON: {error.msg} at line {error.lineno} column {error.colno}")
    if not isinstance(request, dict) or "method" not in request:
        return _refusal(2, "Invalid request: missing field `method`")
    number = request.get("id")
    if not _is_request_id(number):
        return _refusal(2, "Invalid request: request ID must be an unsigned integer")
    method, parameters = request["method"], request.get("params", [])
    if not isinstance(parameters, list):
        return _refusal(2, "Invalid request: params must be an array", number)
    match method:
        case "SUBSCRIBE" | "UNSUBSCRIBE":
            if not all(isinstance(name, str) for name in parameters):
                return _refusal(2, "Invalid request: stream names must be strings", number)
            return _subscribe(method, parameters, socket, hub, number)
        case "LIST_SUBSCRIPTIONS":
            return _result(hub.streams(socket), number)
        case "SET_PROPERTY" if len(parameters) == 2 and parameters[0] == "combined":
            if not isinstance(parameters[1], bool):
                return _refusal(1, "Invalid value type: expected Boolean", number)
            socket.combined = parameters[1]
            return _result(None, number)
        case "GET_PROPERTY" if parameters == ["combined"]:
            return _result(socket.combined, number)
        case "SET_PROPERTY" | "GET_PROPERTY":
            return _refusal(0, "Unknown property", number)
    return _refusal(2, f"Invalid request: unknown variant {method}, expected one of {_METHODS}", number)


def _subscribe(method: str, names: list[str], socket: Socket, hub: Hub, number: object) -> bytes:
    if method == "UNSUBSCRIBE":
        for name in names:
            hub.unsubscribe(name, socket)
        return _result(None, number)
    if len({*hub.streams(socket), *names}) > MAXIMUM_STREAMS:
        return _refusal(2, f"Invalid request: more than {MAXIMUM_STREAMS} streams", number)
    for name in names:
        hub.subscribe(name, socket)
    return _result(None, number)


def _is_request_id(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= 0
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_REQUEST_ID)


def _result(result: object, number: object) -> bytes:
    return orjson.dumps({"result": result, "id": number})


def _refusal(code: int, message: str, number: object = None) -> bytes:
    return orjson.dumps({"error": {"code": code, "msg": message}, "id": number})
