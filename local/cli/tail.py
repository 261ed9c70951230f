"""`fullon ws tail`: a real WebSocket client in the terminal, with the rules that the socket's clients should follow.

A ticket for each connection; one subscription; a jump of `seq` means a lost message, so subscribe again; after a lost
connection try again with growing, random pauses. The state of the connection is on standard error, data on
standard output.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import websockets

from local.cli.api import Api
from local.cli.errors import NOT_RUNNING, REFUSED, CommandFailed
from local.cli.output import print_json_line, say

LONGEST_PAUSE_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 0.5
STEADY_SECONDS = 30.0
REQUEST_ID = "tail"


class Tail:
    """One subscription. `request` is the subscribe frame, `count` how many messages to print, None without end."""

    def __init__(self, api: Api, request: Mapping[str, Any], count: int | None, *, as_json: bool) -> None:
        self._api = api
        self._request = request
        self._left = count
        self._as_json = as_json
        self._sequence: dict[str, int] = {}

    async def run(self) -> None:
        """Print messages until there are enough.

        Raises:
            CommandFailed: the platform refuses the log-in or the subscription, or was never reached.
        """
        loop = asyncio.get_running_loop()
        pause, connected = FIRST_PAUSE_SECONDS, False
        while self._left is None or self._left > 0:
            began = loop.time()
            try:
                ticket = await asyncio.to_thread(self._api.call, "POST", "/api/v1/auth/ws-ticket")
                async with websockets.connect(
                    f"{self._api.web_socket_url}?ticket={ticket['ticket']}", max_size=2**20, proxy=None
                ) as socket:
                    connected = True
                    await self._read(socket)
                    return
            except CommandFailed as problem:
                if problem.exit_code != NOT_RUNNING or not connected:
                    raise
                reason = problem.detail.rstrip(".")
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                reason = _reason(error)
            if loop.time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            wait = random.uniform(pause / 2, pause)  # noqa: S311 - spreads clients, guards nothing
            say(f"· {reason}; connecting again in {wait:.1f} s")
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _read(self, socket: websockets.ClientConnection) -> None:
        self._sequence.clear()
        await socket.send(json.dumps({"action": "subscribe", "request_id": REQUEST_ID, **self._request}))
        async for text in socket:
            frame = json.loads(text)
            kind = frame.get("type") or frame.get("action")
            if kind == "ack":
                say("· live")
            elif kind == "error":
                self._refused(frame)
            elif kind == "bye":
                say(f"· the platform says bye: {frame.get('reason', 'no reason given')}")
            elif kind in {"snapshot", "update"}:
                if self._lost_one(frame):
                    say("· a message was lost; subscribing again")
                    await socket.send(json.dumps({"action": "subscribe", "request_id": REQUEST_ID, **self._request}))
                    continue
                self._print(frame)
                if self._left is not None and self._left <= 0:
                    return
        raise ConnectionResetError("the connection was closed")

    def _lost_one(self, frame: Mapping[str, Any]) -> bool:
        key, number = str(frame.get("key", "")), frame.get("seq")
        if not isinstance(number, int):
            return False
        expected = self._sequence.get(key)
        self._sequence[key] = number
        if expected is None or frame.get("type") == "snapshot" or number == expected + 1:
            return False
        del self._sequence[key]
        return True

    def _print(self, frame: Mapping[str, Any]) -> None:
        if self._left is not None:
            self._left -= 1
        if self._as_json:
            print_json_line(frame)
            return
        stamp = frame.get("ts")
        at = datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int | float) else datetime.now(UTC)
        sign = "=" if frame.get("type") == "snapshot" else "+"
        data = frame.get("data")
        text = (
            " ".join(f"{name}={value}" for name, value in data.items()) if isinstance(data, dict) else json.dumps(data)
        )
        print(
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {sign}",
            f"{frame.get('channel', '')} {frame.get('key', '')} {text}",
            flush=True,
        )

    @staticmethod
    def _refused(frame: Mapping[str, Any]) -> None:
        sentence = str(frame.get("detail") or frame.get("title") or "The subscription was refused.")
        code = REFUSED if frame.get("status") in {401, 403} else 1
        raise CommandFailed(sentence, exit_code=code)


def run(
    channel: str, *, exchange: str | None, symbols: list[str], timeframe: str | None, count: int | None, as_json: bool
) -> None:
    """Tail a channel until there are enough messages or Ctrl-C."""
    request: dict[str, Any] = {"channel": channel}
    if exchange:
        request["exchange"] = exchange
    if symbols:
        request["symbols"] = symbols
    if timeframe:
        request["timeframe"] = timeframe
    asyncio.run(Tail(Api(), request, count, as_json=as_json).run())


def _reason(error: Exception) -> str:
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd is not None:
        return f"closed by the platform ({error.rcvd.code} {error.rcvd.reason})".replace(" )", ")")
    if isinstance(error, websockets.InvalidStatus):
        return f"refused with status {error.response.status_code}"
    return f"connection lost ({type(error).__name__})"
