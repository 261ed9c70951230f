"""Many WebSocket clients in one process, made to cost little: raw TCP, a frame parser by hand, one list of arrivals.

Each line on standard input is a command in JSON, each answer a line on standard output:
``{"connect": [[target, subscribe], …], "port": N}``, ``{"venue": target, "port": N}``, ``{"collect": seconds}``,
``{"until": text, "seconds": n}``, ``{"frames": true}`` for how many were heard since it was asked last.

A tick is known by its best bid. ``venue`` listens to a ``bookTicker`` stream of the paper venue, whose update ids are
microseconds since the epoch: the moment that each bid was made.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import uvloop

_BID = b'"bid":"'
_AT_ONCE = 8


class Subscriber(asyncio.Protocol):
    """One client: hands on its frames."""

    def __init__(self, hear: Callable[[Subscriber, bytes], None], target: str, first: str | None) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hear = hear
        self._target = target
        self._first = first
        self._buffer = bytearray()
        self._open = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(bytes(self._buffer[:200]).decode("latin-1")))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._open:
            head, separator, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not separator or not head.startswith(b"HTTP/1.1 101"):
                return
            self._open = True
            self._buffer = buffer = bytearray(rest)
            if self._first is None:
                self.ready.set_result(None)
            else:
                self._send(self._first.encode())
        while len(buffer) >= 2:
            size, start = buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(buffer[2:10], "big"), 10
            if len(buffer) < start + size:
                return
            frame = bytes(buffer[start : start + size])
            del buffer[: start + size]
            if not self.ready.done() and frame.startswith(b'{"type":"snapshot"'):
                self.ready.set_result(None)
            elif not self.ready.done() and frame.startswith(b'{"type":"error"'):
                self.ready.set_exception(ConnectionError(frame.decode()))
            self._hear(self, frame)

    def _send(self, payload: bytes) -> None:
        size = len(payload)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self._transport.write(head + b"\0\0\0\0" + payload)  # a mask of zeros leaves the payload as it is


class Swarm:
    """All clients, and what they have heard since they were asked last."""

    def __init__(self) -> None:
        self.clients: list[Subscriber] = []
        self.arrivals: list[tuple[int, bytes, Subscriber]] = []
        self.frames = 0
        self.made: list[tuple[int, int, bytes]] = []
        self._wanted: bytes | None = None
        self._found = asyncio.Event()

    def heard(self, client: Subscriber, frame: bytes) -> None:
        """A client got a frame."""
        self.frames += 1
        bid = frame.find(_BID)
        while bid >= 0:
            begin = bid + len(_BID)
            self.arrivals.append((time.time_ns(), frame[begin : frame.index(b'"', begin)], client))
            bid = frame.find(_BID, begin)
        if self._wanted is not None and self._wanted in frame:
            self._found.set()

    def told(self, _: Subscriber, frame: bytes) -> None:
        """The venue said a tick: arrival and making in nanoseconds since the epoch, and the bid."""
        message = orjson.loads(frame)
        self.made.append((time.time_ns(), message["u"] * 1000, message["b"].encode()))

    async def listen(self, port: int, target: str) -> None:
        """Listen to the venue itself."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: Subscriber(self.told, target, None), "127.0.0.1", port)
        await client.ready

    def latencies(self) -> dict[str, list[int]]:
        """Nanoseconds from the making of a tick to its arrival, at the subscribers and straight from the venue."""
        # Only bids that were said once: a tick with the bid of an earlier one may tell of something else.
        times = Counter(bid for _, _, bid in self.made)
        moments = {bid: made for _, made, bid in self.made if times[bid] == 1}
        first: dict[tuple[bytes, Subscriber], int] = {}
        for arrived, bid, client in self.arrivals:
            if bid in moments:
                first.setdefault((bid, client), arrived)
        found = [arrived - moments[bid] for (bid, _), arrived in first.items()]
        return {
            "subscribers": found,
            "venue": [arrived - moments[bid] for arrived, _, bid in self.made if bid in moments],
        }

    async def connect(self, port: int, wanted: list[list[str | None]]) -> None:
        """Open clients, some at a time; each is ready when it has its snapshot."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(target: str, first: str | None) -> None:
            async with gate, asyncio.timeout(60):
                loop = asyncio.get_running_loop()
                _, client = await loop.create_connection(
                    lambda: Subscriber(self.heard, target, first), "127.0.0.1", port
                )
                await client.ready
                self.clients.append(client)

        await asyncio.gather(*(one(str(target), first) for target, first in wanted))

    async def until(self, text: str, seconds: float) -> int:
        """Wait for a frame that holds a text; nanoseconds since the epoch at its arrival."""
        self._wanted = text.encode()
        self._found.clear()
        async with asyncio.timeout(seconds):
            await self._found.wait()
        return time.time_ns()

    async def serve(self) -> None:
        """Obey until the input ends."""
        reader = asyncio.StreamReader(limit=2**26)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            command: dict[str, Any] = json.loads(line)
            if "connect" in command:
                await self.connect(command["port"], command["connect"])
                answer: Any = len(self.clients)
            elif "frames" in command:
                answer, self.frames = self.frames, 0
            elif "venue" in command:
                await self.listen(command["port"], command["venue"])
                answer = 1
            elif "until" in command:
                answer = await self.until(command["until"], command["seconds"])
            else:
                self.arrivals.clear()
                self.made.clear()
                await asyncio.sleep(command["collect"])
                answer = self.latencies()
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(Swarm().serve())
