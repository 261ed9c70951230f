"""`fullon ws tail` over a real WebSocket: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import websockets

from fullon_client import AsyncClient, Retries, Tokens, Topic
from local.cli import tail
from local.cli.errors import CommandFailed

Talk = Callable[[websockets.ServerConnection], Awaitable[None]]
KEY = "paper:BTC/USDT"


class StandIn:
    """Talks to each connection as told."""

    url = ""
    talk: Talk

    async def serve(self, socket: websockets.ServerConnection) -> None:
        await self.talk(socket)

    async def tailed(self, count: int, *, as_json: bool = True) -> None:
        client = AsyncClient(
            "http://fullon.test",
            tokens=Tokens("access", "refresh", 2**40),
            transport=httpx2.MockTransport(
                lambda request: httpx2.Response(201, json={"ticket": "t", "expires_in": 30})
            ),
            socket_url=self.url,
            retries=Retries(attempts=1),
        )
        await asyncio.wait_for(tail.tail(client, Topic("tickers", "paper"), count, as_json=as_json), 30)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    async with websockets.serve(stand_in.serve, "127.0.0.1", 0) as server:
        stand_in.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ws"
        yield stand_in


async def send(socket: websockets.ServerConnection, kind: str, **members: Any) -> None:
    await socket.send(json.dumps({"type": kind, "channel": "tickers", "key": KEY, "ts": 1500, **members}))


async def prices(socket: websockets.ServerConnection) -> None:
    await socket.recv()
    await send(socket, "ack")
    for number, kind in enumerate(("snapshot", "update", "update"), 1):
        await send(socket, kind, seq=number, data={"price": str(number)})
    await socket.wait_closed()


async def test_it_prints_a_line_for_each_value_and_ends_after_the_wanted_number(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.talk = prices

    await stand_in.tailed(2)

    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == [
        {"type": kind, "channel": "tickers", "key": KEY, "seq": number, "ts": 1500, "data": {"price": str(number)}}
        for number, kind in ((1, "snapshot"), (2, "update"))
    ]
    assert "· live" in captured.err


async def test_for_people_a_line_says_when_and_what(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.talk = prices

    await stand_in.tailed(2, as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        f"00:00:01.500 = tickers {KEY} price=1",
        f"00:00:01.500 + tickers {KEY} price=2",
    ]


async def test_a_refused_subscription_ends_with_the_sentence(stand_in: StandIn) -> None:
    async def refuses(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "error", status=403, detail="Only admins may see processes.")
        await socket.wait_closed()

    stand_in.talk = refuses

    with pytest.raises(CommandFailed, match="Only admins") as refusal:
        await stand_in.tailed(1)

    assert refusal.value.exit_code == 4


async def test_a_platform_that_is_not_there_is_exit_code_3(stand_in: StandIn) -> None:
    stand_in.url = "ws://127.0.0.1:9/ws"

    with pytest.raises(CommandFailed) as refusal:
        await stand_in.tailed(1)

    assert refusal.value.exit_code == 3
