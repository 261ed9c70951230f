"""What subscribers get: snapshots, updates, every trade in order; with the real function, gateway and daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fullon.identity.model import Role
from tests.daemons.streaming import Streaming, running_streaming
from tests.people import a_session, a_venue


@pytest.fixture
async def streaming(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Streaming]:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        async with streaming.database.acquire() as connection:
            await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT")
        yield streaming


async def somebody(streaming: Streaming, role: Role = Role.TRADER) -> Any:
    async with streaming.database.acquire() as connection:
        return await a_session(connection, role)


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
        await streaming.tick("ETH/USDT")
        await asyncio.sleep(0.1)
        assert (await client.ask(action="ping"))["type"] == "pong"
