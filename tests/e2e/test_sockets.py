"""The WebSocket as clients meet it: every channel, garbage, limits, slow readers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import websockets

from tests.e2e.platform import Platform


async def ask(socket: websockets.ClientConnection, **frame: Any) -> dict[str, Any]:
    """Send a frame and return the answer that carries its request id."""
    frame.setdefault("request_id", "ask")
    await socket.send(json.dumps(frame))
    return await answer_to(socket, str(frame["request_id"]))


async def answer_to(socket: websockets.ClientConnection, request_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            received: dict[str, Any] = json.loads(await socket.recv())
            if received.get("request_id") == request_id:
                return received


async def frames(socket: websockets.ClientConnection, count: int, channel: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            frame = json.loads(await socket.recv())
            if frame.get("channel") == channel and frame["type"] in ("snapshot", "update"):
                found.append(frame)
    return found


async def subscribed(socket: websockets.ClientConnection, count: int, **subscription: Any) -> list[dict[str, Any]]:
    """Subscribe, and the first values; the gateway's answer may come after the first of them."""
    await socket.send(json.dumps({"action": "subscribe", "request_id": "subscribe", **subscription}))
    acknowledged = False
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not acknowledged or len(found) < count:
            frame = json.loads(await socket.recv())
            if frame.get("request_id") == "subscribe":
                assert frame["type"] == "ack", frame
                acknowledged = True
            elif frame.get("channel") == subscription["channel"] and frame["type"] in ("snapshot", "update"):
                found.append(frame)
    return found[:count]


async def test_every_channel_begins_with_a_snapshot_and_goes_on_without_a_gap(collecting: Platform) -> None:
    wanted: list[dict[str, Any]] = [
        {"channel": "tickers", "exchange": "paper", "symbol": "BTC/USDT"},
        {"channel": "trades", "exchange": "paper", "symbol": "BTC/USDT"},
        {"channel": "ohlcv", "exchange": "paper", "symbol": "BTC/USDT", "timeframe": "5m"},
        {"channel": "processes"},
    ]
    for subscription in wanted:
        async with collecting.socket(await collecting.token()) as socket:
            received = await subscribed(socket, 4, **subscription)

        by_key: dict[str, list[dict[str, Any]]] = {}
        for frame in received:
            by_key.setdefault(frame["key"], []).append(frame)
        for series in by_key.values():
            assert series[0]["type"] == "snapshot", subscription
            assert [frame["seq"] for frame in series] == list(range(series[0]["seq"], series[0]["seq"] + len(series)))


async def test_trades_arrive_every_one_and_in_order(collecting: Platform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        received = await subscribed(socket, 12, channel="trades", exchange="paper", symbol="BTC/USDT")

    identifiers = [int(trade["id"]) for frame in received[1:] for trade in frame["data"]]
    assert identifiers == list(range(identifiers[0], identifiers[0] + len(identifiers)))


async def test_garbage_is_answered_with_an_error_and_the_socket_stays(collecting: Platform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        for garbage in (
            "",
            "{",
            "[]",
            "42",
            '"text"',
            "null",
            '{"action": 7}',
            '{"action": "fly"}',
            "\u0000",
            "x" * 5000,
        ):
            await socket.send(garbage)
            async with asyncio.timeout(60):
                answer = json.loads(await socket.recv())
            assert answer["type"] == "error", garbage[:20]
            assert answer["detail"].endswith(".")
            await asyncio.sleep(0.1)

        assert (await ask(socket, action="ping"))["type"] == "pong"


async def test_ten_thousand_subscriptions_are_refused_with_the_limit_and_others_go_on(collecting: Platform) -> None:
    async with (
        collecting.socket(await collecting.token()) as other,
        collecting.socket(await collecting.token()) as greedy,
    ):
        symbols = [f"{number}/U" for number in range(10_000)]  # below the 128 KB of a message
        answer = await ask(greedy, action="subscribe", channel="tickers", exchange="paper", symbols=symbols)

        assert answer["type"] == "error"
        assert (await ask(greedy, action="ping"))["type"] == "pong"
        assert (await ask(other, action="ping"))["type"] == "pong"


async def test_an_unknown_symbol_is_named_in_the_error(collecting: Platform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        answer = await ask(socket, action="subscribe", channel="tickers", exchange="paper", symbol="NO/SUCH")

    assert answer["type"] == "error"
    assert "NO/SUCH" in answer["detail"]


async def test_a_slow_reader_does_not_hold_up_the_others(collecting: Platform) -> None:
    async with (
        collecting.socket(await collecting.token()) as slow,
        collecting.socket(await collecting.token()) as quick,
    ):
        for socket in (slow, quick):
            await ask(socket, action="subscribe", channel="trades", exchange="paper", symbol="BTC/USDT")
            await ask(socket, action="subscribe", channel="tickers", exchange="paper")
        slow.transport.pause_reading()  # the client's kernel buffer fills, then the server's

        received = await frames(quick, 30, "tickers")

    assert len(received) == 30


async def test_get_answers_once_and_list_names_the_subscriptions(collecting: Platform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        once = await ask(socket, action="get", channel="tickers", exchange="paper", symbol="BTC/USDT")
        await ask(socket, action="subscribe", channel="ohlcv", exchange="paper", symbol="BTC/USDT", timeframe="1m")
        listed = await ask(socket, action="list")

    assert once["type"] == "snapshot"
    assert "BTC/USDT" in json.dumps(once["data"])
    assert "ohlcv" in json.dumps(listed)
