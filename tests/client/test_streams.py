"""Live streams against a real WebSocket server: tickets, gaps, cuts, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import websockets

from fullon_client import (
    AsyncClient,
    Gap,
    NotAllowed,
    NotFound,
    Retries,
    SessionEnded,
    Tokens,
    Topic,
    Unreachable,
    streams,
)
from fullon_client.streams import Event, Value

Talk = Callable[[websockets.ServerConnection], Awaitable[None]]
TICKERS = Topic("tickers", "paper", ["BTC/USDT"])


class StandIn:
    """Hands out tickets and talks to one connection after the other as told."""

    def __init__(self) -> None:
        self.talks: list[Talk] = []
        self.tickets: list[str] = []
        self.notices: list[str] = []
        self.socket_url = ""
        self.refuses = False

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.method == "POST"
        if self.refuses:
            return httpx2.Response(401, json={"code": "session_ended", "detail": "It has ended."})
        assert request.url.path == "/api/v1/auth/ws-ticket"
        self.tickets.append(f"ticket-{len(self.tickets)}")
        return httpx2.Response(201, json={"ticket": self.tickets[-1], "expires_in": 30})

    async def serve(self, socket: websockets.ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == f"/ws?ticket={self.tickets[-1]}"
        await self.talks.pop(0)(socket)

    def client(self) -> AsyncClient:
        return AsyncClient(
            "http://fullon.test",
            tokens=Tokens("access", "refresh", 2**40),
            transport=httpx2.MockTransport(self.answer),
            socket_url=self.socket_url,
            retries=Retries(attempts=1),
        )

    async def events(self, count: int, *topics: Topic) -> list[Event]:
        """The first `count` of a subscription."""
        found: list[Event] = []
        chosen = topics or (TICKERS,)
        async with (
            asyncio.timeout(30),
            self.client() as client,
            client.subscribe(*chosen, on_notice=self.notices.append) as events,
        ):
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
        return found


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    monkeypatch.setattr(streams, "FIRST_PAUSE_SECONDS", 0.02)
    stand_in = StandIn()
    async with websockets.serve(stand_in.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stand_in.socket_url = f"ws://127.0.0.1:{port}/ws"
        yield stand_in


async def send(socket: websockets.ServerConnection, kind: str, seq: int = 0, **members: Any) -> None:
    frame = {"type": kind, "channel": "tickers", "key": "paper:BTC/USDT", "seq": seq, "ts": 1000, "data": {}}
    await socket.send(json.dumps({**frame, **members}))


def told(events: list[Event]) -> list[object]:
    """Numbers of values, causes of gaps."""
    return [event.sequence if isinstance(event, Value) else event.cause for event in events]


async def test_it_subscribes_to_every_topic_and_gives_what_comes(platform: StandIn) -> None:
    asked: list[dict[str, Any]] = []

    async def talk(socket: websockets.ServerConnection) -> None:
        asked.extend([json.loads(await socket.recv()), json.loads(await socket.recv())])
        await send(socket, "ack")
        await send(socket, "snapshot", 1, data={"price": "1"})
        await send(socket, "update", 2, data={"price": "2"})
        await socket.wait_closed()

    platform.talks = [talk]

    snapshot, update = await platform.events(2, TICKERS, Topic("ohlcv", "paper", ["BTC/USDT"], timeframe="1m"))

    assert asked == [
        {
            "action": "subscribe",
            "request_id": "0",
            "channel": "tickers",
            "exchange": "paper",
            "symbols": ["BTC/USDT"],
        },
        {
            "action": "subscribe",
            "request_id": "1",
            "channel": "ohlcv",
            "exchange": "paper",
            "symbols": ["BTC/USDT"],
            "timeframe": "1m",
        },
    ]
    assert isinstance(snapshot, Value)
    assert isinstance(update, Value)
    assert (snapshot.is_snapshot, update.is_snapshot, update.data) == (True, False, {"price": "2"})
    assert update.at.timestamp() == 1


async def test_a_number_left_out_is_told_and_subscribed_again(platform: StandIn) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await send(socket, "update", 3)
        await send(socket, "update", 4)  # on its way already
        await socket.recv()
        await send(socket, "snapshot", 1)
        await send(socket, "update", 2)
        await socket.wait_closed()

    platform.talks = [talk]

    assert told(await platform.events(4)) == [1, "sequence", 1, 2]


async def test_a_frame_that_comes_twice_is_given_once(platform: StandIn) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        for number in (2, 2, 3):
            await send(socket, "update", number)
        await socket.wait_closed()

    platform.talks = [talk]

    assert told(await platform.events(3)) == [1, 2, 3]


async def test_a_gap_that_the_platform_tells_is_passed_on(platform: StandIn) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await socket.send(json.dumps({"type": "gap", "channel": "trades", "key": "paper:BTC/USDT", "missed": 7}))
        await send(socket, "update", 2)
        await socket.wait_closed()

    platform.talks = [talk]

    events = await platform.events(3)

    assert told(events) == [1, "told", 2]
    assert events[1] == Gap("trades", "paper:BTC/USDT", 7, "told")


async def test_a_cut_is_told_once_and_the_stream_goes_on_with_a_new_ticket(platform: StandIn) -> None:
    async def breaks(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await socket.close(1012, "restart")

    async def ends_at_once(socket: websockets.ServerConnection) -> None:
        await socket.close(1012, "restart")

    async def works(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await send(socket, "update", 2)
        await socket.wait_closed()

    platform.talks = [breaks, ends_at_once, works]

    assert told(await platform.events(4)) == [1, "cut", 1, 2]
    assert platform.tickets == ["ticket-0", "ticket-1", "ticket-2"]
    assert any("connecting again" in notice for notice in platform.notices)


async def test_a_farewell_is_followed_by_a_new_connection_until_the_session_has_ended(platform: StandIn) -> None:
    async def says_bye(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        platform.refuses = True
        await socket.send(json.dumps({"type": "bye", "reason": "session_ended", "detail": "Log in again."}))
        await socket.wait_closed()

    platform.talks = [says_bye]

    with pytest.raises(SessionEnded):
        await platform.events(99)
    assert "the platform says bye: Log in again." in platform.notices


@pytest.mark.parametrize(("status", "kind"), [(403, NotAllowed), (404, NotFound)])
async def test_a_refused_subscription_is_raised(platform: StandIn, status: int, kind: type[Exception]) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send(
            json.dumps({"type": "error", "status": status, "code": "no", "detail": "No.", "request_id": "0"})
        )
        await socket.wait_closed()

    platform.talks = [talk]

    with pytest.raises(kind, match="No"):
        await platform.events(1)


async def test_a_subscription_that_fails_for_a_while_is_tried_again(platform: StandIn) -> None:
    async def works(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await socket.close(1012, "restart")

    async def is_down(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"type": "error", "status": 503, "code": "down", "detail": "Down."}))
        await socket.wait_closed()

    platform.talks = [works, is_down, works]

    assert told(await platform.events(3)) == [1, "cut", 1]


async def test_a_platform_that_was_never_reached_is_said_at_once(platform: StandIn) -> None:
    platform.socket_url = "ws://127.0.0.1:9/ws"

    with pytest.raises(Unreachable):
        await platform.events(1)


async def test_the_end_of_the_block_closes_the_connection(platform: StandIn) -> None:
    closed = asyncio.Event()

    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", 1)
        await socket.wait_closed()
        closed.set()

    platform.talks = [talk]

    await platform.events(1)

    await asyncio.wait_for(closed.wait(), 30)


def test_nothing_to_subscribe_to_is_a_mistake_of_the_program() -> None:
    client = AsyncClient("http://fullon.test")

    with pytest.raises(ValueError, match="at least one"):
        client.subscribe()
