"""What subscribers get: snapshots, updates, every trade in order; with the real function, gateway and daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fullon.identity.model import Role
from tests.daemons.streaming import Client, Streaming, running_streaming, somebody


@pytest.fixture
async def streaming(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Streaming]:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        yield streaming


def ids(frames: list[dict[str, Any]]) -> list[int]:
    return [int(trade["id"]) for frame in frames for trade in frame["data"]]


async def trades_until(client: Client, last: int) -> list[dict[str, Any]]:
    """Frames of trades up to and with the one of this id."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["type"] == "gap" or ids(frames[-1:])[-1:] != [last]:
        frames += await client.pushed(1)
    return frames


async def test_a_ticker_begins_with_a_snapshot_and_goes_on_with_every_change(streaming: Streaming) -> None:
    first = await streaming.tick(price="1")
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
        [snapshot] = await client.pushed(1)

        assert (snapshot["type"], snapshot["seq"], snapshot["key"]) == ("snapshot", 1, "paper:BTC/USDT")
        assert snapshot["data"] == first

        for number in range(2, 6):
            tick = await streaming.tick(price=str(number))
            [update] = await client.pushed(1)
            assert (update["type"], update["seq"], update["data"]) == ("update", number, tick)


async def test_others_ticks_are_not_sent(streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
        await client.pushed(1)
        await streaming.tick("ETH/USDT")
        await streaming.tick("BTC/USDT", price="7")
        [update] = await client.pushed(1)

        assert (update["key"], update["data"]["price"]) == ("paper:BTC/USDT", "7")


async def test_all_tickers_of_an_exchange_come_without_naming_them(streaming: Streaming) -> None:
    await streaming.tick("BTC/USDT")
    async with streaming.client(await somebody(streaming)) as client:
        ack = await client.subscribe("tickers", exchange="paper")
        await client.pushed(1)
        await streaming.tick("ETH/USDT")
        [late] = await client.pushed(1)

        assert ack["keys"] == ["paper:*"]
        assert (late["type"], late["seq"], late["key"]) == ("snapshot", 1, "paper:ETH/USDT")


async def test_trades_come_every_one_in_order_across_a_restart_of_the_reader(streaming: Streaming) -> None:
    await streaming.trades(range(100))
    async with (
        streaming.client(await somebody(streaming)) as client,
        streaming.client(await somebody(streaming)) as late,
    ):
        await client.subscribe("trades", exchange="paper", symbol="BTC/USDT")
        frames = await client.pushed(1)
        for first in range(100, 3_000, 290):
            await streaming.trades(range(first, first + 290))
            await asyncio.sleep(0.02)
        await late.subscribe("trades", exchange="paper", symbol="BTC/USDT")
        frames += await trades_until(client, 2_999)
        other = await trades_until(late, 2_999)

        assert frames[0]["type"] == "snapshot"
        assert ids(frames[:1]) == list(range(50, 100))
        assert ids(frames[1:]) == list(range(100, 3_000))
        assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
        assert ids(other) == list(range(ids(other)[0], 3_000))


async def test_bars_are_sent_on_change_and_final_ones_are_marked(streaming: Streaming) -> None:
    await streaming.bar([0, 1, 2, 0.5, 1.5, 10, False], timeframe="5m")
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("ohlcv", exchange="paper", symbol="BTC/USDT", timeframe="5m")
        frames = await client.pushed(1)
        await streaming.bar([0, 1, 3, 0.5, 2.5, 12, True], timeframe="5m")
        await streaming.bar([60_000, 1, 3, 0.5, 2.5, 12, True], timeframe="1m")
        await streaming.bar([300_000, 2.5, 2.5, 2.5, 2.5, 0, False], timeframe="5m")
        frames += await client.pushed(2)

        assert [(frame["data"]["ts"], frame["data"]["close"], frame["data"]["final"]) for frame in frames] == [
            (0, 1.5, False),
            (0, 2.5, True),
            (300_000, 2.5, False),
        ]
        assert {frame["key"] for frame in frames} == {"paper:BTC/USDT:5m"}


async def test_an_admin_sees_the_daemons_work(streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming, Role.ADMIN)) as client:
        await client.subscribe("processes")
        frames = await client.pushed(2)

        assert {frame["data"]["type"] for frame in frames} == {"streamer"}
        assert [frame["type"] for frame in frames] == ["snapshot", "update"]
        assert frames[1]["data"]["heartbeat"] >= frames[0]["data"]["heartbeat"]


async def test_subscribing_again_brings_a_snapshot_and_unsubscribing_ends_it(streaming: Streaming) -> None:
    await streaming.tick(price="1")
    async with streaming.client(await somebody(streaming)) as client:
        for _ in range(2):
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            [snapshot] = await client.pushed(1)
            assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 1)
        await client.subscribe("tickers", exchange="paper", symbol="ETH/USDT")
        await client.pushed(1)
        await client.ask(action="unsubscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
        await asyncio.sleep(0.3)  # until the streamer has heard of it
        await streaming.tick(price="2")
        await streaming.tick("ETH/USDT", price="3")
        [update] = await client.pushed(1)

        assert update["key"] == "paper:ETH/USDT"


async def test_several_sockets_of_a_user_have_their_own_numbers(streaming: Streaming) -> None:
    await streaming.tick(price="1")
    identity = await somebody(streaming)
    async with streaming.client(identity) as one, streaming.client(identity) as other:
        for client in (one, other):
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            assert (await client.pushed(1))[0]["seq"] == 1
            await streaming.tick(price="2")
        assert [frame["seq"] for frame in await one.pushed(2)] == [2, 3]
        assert [frame["seq"] for frame in await other.pushed(1)] == [2]
