"""Live values over the WebSocket, as an asynchronous iterator that goes on after cuts and gaps, and tells them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import websockets

from fullon_client.errors import ClientError, Problem, Unreachable
from fullon_client.wire import problem_from

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
STEADY_SECONDS = 30.0
"""A connection that held so long begins anew with the first pause."""
LARGEST_FRAME = 2**20
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Topic:
    """What to subscribe to: ``Topic("ohlcv", "paper", ("BTC/USDT",), timeframe="1m")``."""

    channel: str
    exchange: str | None = None
    symbols: Sequence[str] = ()
    timeframe: str | None = None
    bot_id: str | None = None
    account: str | None = None

    def frame(self, request_id: str) -> str:
        """The frame that subscribes."""
        members: dict[str, object] = {
            "channel": self.channel,
            "exchange": self.exchange,
            "symbols": list(self.symbols) or None,
            "timeframe": self.timeframe,
            "bot_id": self.bot_id,
            "account": self.account,
        }
        chosen = {name: value for name, value in members.items() if value is not None}
        return json.dumps({"action": "subscribe", "request_id": request_id, **chosen})


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a key.

    Attributes:
        is_snapshot: how things are now, after each (re-)subscription; otherwise a change.
        at: when the platform took it up.
        data: as the AsyncAPI document describes it for the channel.
    """

    channel: str
    key: str
    sequence: int
    at: datetime
    data: Any
    is_snapshot: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Something was, or may have been, missed; a snapshot of each key follows, except after ``told``.

    Attributes:
        key: None when all are meant.
        missed: how many, where that is known.
        cause: ``cut``: the connection was lost and made again; ``sequence``: a number was left out; ``told``: the
            platform says that this reader was too slow.
    """

    channel: str | None
    key: str | None
    missed: int | None
    cause: Literal["cut", "sequence", "told"]


Event = Value | Gap


class Subscription:
    """Iterate over it; ``async with`` closes the connection at the end of the block::

        async with client.subscribe(Topic("tickers", "paper")) as events:
            async for event in events:
                ...

    Iterating raises what the platform answers to a subscription it refuses (:class:`Problem`), what the ticket's call
    raises when the session has ended, and :class:`Unreachable` when there never was a connection. Later ones are made
    again, without end, with a new ticket and growing pauses; the iterator then gives a :class:`Gap`.

    Args:
        ticket: gives a new ticket for each connection.
        on_notice: hears what happens to the connection, as a sentence for people.
    """

    def __init__(
        self,
        url: str,
        ticket: Callable[[], Awaitable[str]],
        topics: Sequence[Topic],
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        if not topics:
            raise ValueError("subscribe to at least one topic")
        self._url = url
        self._ticket = ticket
        self._topics = topics
        self._notice = on_notice or (lambda sentence: None)
        self._events: AsyncGenerator[Event] | None = None
        self._sequence: dict[tuple[str, str], int] = {}
        self._stale: set[tuple[str, str]] = set()
        self._was_live = self._is_live = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            await self._events.aclose()

    def __aiter__(self) -> AsyncIterator[Event]:
        if self._events is None:
            self._events = self._run()
        return self._events

    async def _run(self) -> AsyncGenerator[Event]:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = loop.time()
            try:
                ticket = await self._ticket()
                proxy: Literal[True] | None = None if urlsplit(self._url).hostname in _LOOPBACK else True
                address = f"{self._url}?ticket={ticket}"
                async with websockets.connect(address, max_size=LARGEST_FRAME, proxy=proxy) as socket:
                    self._sequence.clear()
                    self._stale.clear()
                    for number, topic in enumerate(self._topics):
                        await socket.send(topic.frame(str(number)))
                    async for event in self._read(socket):
                        yield event
                reason = "closed by the platform"
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                reason = _reason(error)
                if not self._was_live:
                    raise _never_live(error, self._url) from error
            except ClientError as error:
                if not self._was_live or not _may_pass(error):
                    raise
                reason = error.detail.rstrip(".")
            if not self._was_live:
                raise Unreachable(f"{self._url} closed the connection before it answered.")
            if loop.time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            wait = random.uniform(pause / 2, pause)  # noqa: S311 - spreads clients, guards nothing
            self._notice(f"{reason}; connecting again in {wait:.1f} s")
            if self._is_live:
                self._is_live = False
                yield Gap(None, None, None, "cut")
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _read(self, socket: websockets.ClientConnection) -> AsyncGenerator[Event]:
        async for text in socket:
            frame = json.loads(text)
            kind = frame.get("type")
            if kind == "ack":
                self._was_live = self._is_live = True
                self._notice("live")
            elif kind == "error":
                raise problem_from(frame, status=int(frame.get("status") or 500))
            elif kind == "bye":
                self._notice(f"the platform says bye: {frame.get('detail') or frame.get('reason')}")
                return
            elif kind == "gap":
                yield Gap(frame.get("channel"), frame.get("key"), frame.get("missed"), "told")
            elif kind in {"snapshot", "update"}:
                self._was_live = self._is_live = True
                event = self._take(frame)
                if event is not None:
                    yield event
                if isinstance(event, Gap):
                    self._notice("a message was lost; subscribing again")
                    for number, topic in enumerate(self._topics):
                        if topic.channel == event.channel:
                            await socket.send(topic.frame(str(number)))

    def _take(self, frame: Mapping[str, Any]) -> Event | None:
        """The value of a frame; a gap when a number was left out; None for what was seen, or is superseded."""
        stream, number = (str(frame["channel"]), str(frame["key"])), int(frame["seq"])
        is_snapshot = frame["type"] == "snapshot"
        expected = self._sequence.get(stream, number - 1) + 1
        if is_snapshot:
            self._stale.discard(stream)
        elif stream in self._stale or number < expected:
            return None
        elif number > expected:
            self._stale.add(stream)
            return Gap(*stream, None, "sequence")
        self._sequence[stream] = number
        at = datetime.fromtimestamp(frame["ts"] / 1000, UTC)
        return Value(*stream, number, at, frame.get("data"), is_snapshot)


def _may_pass(error: ClientError) -> bool:
    return isinstance(error, Unreachable) or (
        isinstance(error, Problem) and (error.status >= 500 or error.status == 429)
    )


def _never_live(error: Exception, url: str) -> ClientError:
    if isinstance(error, websockets.InvalidStatus):
        status = error.response.status_code
        return problem_from({"detail": f"The connection was refused with status {status}."}, status=status)
    return Unreachable(f"{url} cannot be reached: {_reason(error)}.")


def _reason(error: Exception) -> str:
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd is not None:
        return f"closed by the platform ({error.rcvd.code} {error.rcvd.reason})".replace(" )", ")")
    if isinstance(error, websockets.InvalidStatus):
        return f"refused with status {error.response.status_code}"
    return f"connection lost ({type(error).__name__})"
