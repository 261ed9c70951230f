"""`fullon ws tail` against a real WebSocket server: tickets, gaps, lost connections, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import websockets

from local.cli import tail
from local.cli.errors import CommandFailed

Talk = Callable[[websockets.ServerConnection], Awaitable[None]]


class StandIn:
    """Hands out tickets and talks to one connection after the other as told."""

    def __init__(self) -> None:
        self.talks: list[Talk] = []
        self.tickets: list[str] = []
        self.web_socket_url = ""

    def call(self, method: str, path: str) -> dict[str, str]:
        assert (method, path) == ("POST", "/api/v1/auth/ws-ticket")
        self.tickets.append(f"ticket-{len(self.tickets)}")
        return {"ticket": self.tickets[-1]}

    async def serve(self, socket: websockets.ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == f"/ws?ticket={self.tickets[-1]}"
        await self.talks.pop(0)(socket)


@pytest.fixture
async def stand_in(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    monkeypatch.setattr(tail, "FIRST_PAUSE_SECONDS", 0.02)
    stand_in = StandIn()
    async with websockets.serve(stand_in.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stand_in.web_socket_url = f"ws://127.0.0.1:{port}/ws"
        yield stand_in


async def tailed(stand_in: StandIn, count: int) -> None:
    request = {"channel": "tickers", "exchange": "paper"}
    await asyncio.wait_for(tail.Tail(stand_in, request, count, as_json=True).run(), 20)  # type: ignore[arg-type]


async def send(socket: websockets.ServerConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, "channel": "tickers", "key": "paper:BTC/USDT", **fields}))


def numbers(capsys: pytest.CaptureFixture[str]) -> list[int]:
    return [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]


async def test_it_subscribes_and_ends_after_the_wanted_number(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    frames: list[dict[str, Any]] = []

    async def talk(socket: websockets.ServerConnection) -> None:
        frames.append(json.loads(await socket.recv()))
        await send(socket, "ack")
        await send(socket, "snapshot", seq=7, data={"price": "1"})
        await send(socket, "update", seq=8, data={"price": "2"})
        await send(socket, "update", seq=9, data={"price": "3"})
        await socket.wait_closed()

    stand_in.talks = [talk]

    await tailed(stand_in, 2)

    assert frames == [{"action": "subscribe", "request_id": "tail", "channel": "tickers", "exchange": "paper"}]
    assert numbers(capsys) == [7, 8]


async def test_a_jump_of_the_sequence_subscribes_again(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", seq=1, data={})
        await send(socket, "update", seq=3, data={})
        await socket.recv()
        await send(socket, "snapshot", seq=4, data={})
        await send(socket, "update", seq=5, data={})
        await socket.wait_closed()

    stand_in.talks = [talk]

    await tailed(stand_in, 3)

    captured = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in captured.out.splitlines()] == [1, 4, 5]
    assert "a message was lost" in captured.err


async def test_a_lost_connection_is_made_again_with_a_new_ticket(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    async def breaks(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", seq=1, data={})
        await socket.close(1012, "restart")

    async def works(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "snapshot", seq=50, data={})
        await socket.wait_closed()

    stand_in.talks = [breaks, works]

    await tailed(stand_in, 2)

    captured = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in captured.out.splitlines()] == [1, 50]
    assert "closed" in captured.err
    assert "connecting again" in captured.err
    assert stand_in.tickets == ["ticket-0", "ticket-1"]


async def test_a_refused_subscription_ends_with_the_sentence(stand_in: StandIn) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await send(socket, "error", status=403, detail="Only admins may see processes.")
        await socket.wait_closed()

    stand_in.talks = [talk]

    with pytest.raises(CommandFailed, match="Only admins") as refusal:
        await tailed(stand_in, 1)

    assert refusal.value.exit_code == 4
