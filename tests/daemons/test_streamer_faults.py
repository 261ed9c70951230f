"""What goes on when something goes away: slow readers, Valkey, PostgreSQL, the streamer itself, the gateway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.conftest import Databases
from tests.daemons.restarting import a_postgres, a_valkey
from tests.daemons.streaming import Client, Streaming, end, running_streaming, somebody, start_streamer
from tests.daemons.test_streamer_channels import ids, trades_until
from tests.local.platform import until


@pytest.fixture
async def streaming(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Streaming]:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        yield streaming


async def price_reaches(streaming: Streaming, client: Client, price: str) -> dict[str, Any]:
    """Publish a price until it is heard; returns its frame."""
    async with asyncio.timeout(60):
        while True:
            await streaming.tick(price=price)
            waiting = client.frame()
            try:
                async with asyncio.timeout(0.5):
                    frame = await waiting
            except TimeoutError:
                continue
            if frame.get("channel") == "tickers" and frame["data"] and frame["data"]["price"] == price:
                return frame


# -- slow readers


async def test_a_slow_reader_holds_up_nobody_and_gets_the_newest_when_it_reads_again(streaming: Streaming) -> None:
    await streaming.tick(price="0", note="x" * 4_000)
    async with (
        streaming.client(await somebody(streaming)) as slow,
        streaming.client(await somebody(streaming)) as quick,
    ):
        for client in (slow, quick):
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            await client.pushed(1)
        slow.socket.transport.pause_reading()
        heard: list[dict[str, Any]] = []
        for number in range(1, 3_001):
            await streaming.tick(price=str(number), note="x" * 4_000)
            if number % 100 == 0:
                heard += await quick.pushed(1)
        while heard[-1]["data"]["price"] != "3000":
            heard += await quick.pushed(1)
        slow.socket.transport.resume_reading()
        late = await slow.pushed(1)
        while late[-1]["data"]["price"] != "3000":
            late += await slow.pushed(1)

        assert len(late) < 3_000  # it was spared the most
        for frames in (heard, late):
            assert [frame["seq"] for frame in frames] == list(range(2, len(frames) + 2))


async def test_trades_of_a_slow_reader_wait_and_beyond_the_bound_are_announced(streaming: Streaming) -> None:
    async with (
        streaming.client(await somebody(streaming)) as slow,
        streaming.client(await somebody(streaming)) as quick,
    ):
        for client in (slow, quick):
            await client.subscribe("trades", exchange="paper", symbol="BTC/USDT")
            await client.pushed(1)
        slow.socket.transport.pause_reading()
        heard: list[dict[str, Any]] = []
        for first in range(0, 240_000, 6_000):
            await streaming.trades(range(first, first + 6_000))
            heard += await trades_until(quick, first + 5_999)
        slow.socket.transport.resume_reading()
        await asyncio.sleep(1)
        await streaming.trades(range(240_000, 240_001))
        late = await trades_until(slow, 240_000)

        assert ids(heard) == list(range(240_000))
        expected, gaps = 0, [frame["missed"] for frame in late if frame["type"] == "gap"]
        for frame in late:
            if frame["type"] == "gap":
                expected += frame["missed"]
                continue
            for trade in frame["data"]:
                assert int(trade["id"]) == expected
                expected += 1
        assert sum(gaps) > 0
        numbered = [frame["seq"] for frame in late if frame["type"] == "update"]
        assert numbered == list(range(2, len(numbered) + 2))


# -- Valkey


async def test_a_flushed_valkey_leaves_subscriptions_alive(streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
        await client.subscribe("trades", exchange="paper", symbol="BTC/USDT")
        await price_reaches(streaming, client, "1")
        await streaming.trades(range(10))
        await streaming.valkey.flushall()
        await streaming.trades(range(10, 20))
        frame = await price_reaches(streaming, client, "2")

        assert frame["type"] == "update"


async def test_a_restarted_valkey_is_found_again(tmp_path: Path, platform_database: str, candles_database: str) -> None:
    with a_valkey() as store:
        address = str(store.server.url)  # type: ignore[union-attr]
        async with (
            running_streaming(tmp_path, platform_database, candles_database, address) as streaming,
            streaming.client(await somebody(streaming)) as client,
        ):
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            await price_reaches(streaming, client, "1")
            store.stop()
            pong = await client.ask(action="ping")
            store.start()
            await until(lambda: listens(streaming))
            frame = await price_reaches(streaming, client, "2")

            assert pong["type"] == "pong"
            assert frame["type"] == "update"
            await end(streaming.streamer)


async def listens(streaming: Streaming) -> bool:
    """Whether the streamer hears ticks; it cannot while Valkey is away."""
    try:
        return await streaming.published_to("feed:tickers")
    except (RedisError, OSError):
        return False


# -- PostgreSQL


async def test_pushing_goes_on_without_postgresql_and_everything_comes_back_with_it(
    tmp_path: Path, valkey_url: str
) -> None:
    with a_postgres() as store:
        databases = Databases(store.server)  # type: ignore[arg-type]
        databases.migrate()
        platform, candles = databases.clone("fullon_template"), databases.clone("fullon_ohlcv_template")
        async with (
            running_streaming(tmp_path, platform, candles, valkey_url) as streaming,
            streaming.client(await somebody(streaming)) as client,
        ):
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            await price_reaches(streaming, client, "1")
            store.stop()
            without = await price_reaches(streaming, client, "2")
            refused = await client.ask(action="subscribe", **BAR)
            store.start()
            await until(lambda: accepted(client))
            [frame] = await client.pushed(1, "snapshot")

            assert without["type"] == "update"
            assert (refused["status"], refused["code"]) == (503, "database_down")
            assert frame["channel"] == "ohlcv"
            assert streaming.streamer.returncode is None
            await end(streaming.streamer)


BAR = {"channel": "ohlcv", "exchange": "paper", "symbol": "BTC/USDT", "timeframe": "1m"}


async def accepted(client: Client) -> bool:
    """Whether a subscription can be made again."""
    answer = await client.ask(action="subscribe", **BAR)
    return bool(answer["type"] == "ack")


# -- the streamer itself


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_new_streamer_takes_over_with_a_snapshot(how: signal.Signals, streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
        await price_reaches(streaming, client, "1")
        await streaming.restart_streamer(how)
        await streaming.tick(price="2")
        async with asyncio.timeout(60):
            # What the one before had pushed already may come first.
            [snapshot] = await client.pushed(1, "snapshot")

        assert (snapshot["seq"], snapshot["data"]["price"]) == (1, "2")


async def test_a_streamer_stops_quickly_when_asked(streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming)) as client:
        await client.subscribe("tickers", exchange="paper")
        began = asyncio.get_running_loop().time()

        assert await end(streaming.streamer) == 0
        assert asyncio.get_running_loop().time() - began < 10


async def test_two_streamers_do_not_send_twice(streaming: Streaming) -> None:
    second = await start_streamer(streaming.environment, streaming.log)
    try:
        await until(lambda: "waiting for the lease" in streaming.log.read_text())
        async with streaming.client(await somebody(streaming)) as client:
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            frames = await client.pushed(1)
            for number in range(5):
                await streaming.tick(price=str(number))
                frames += await client.pushed(1)

            assert [frame["seq"] for frame in frames] == [1, 2, 3, 4, 5, 6]
    finally:
        await end(second)


# -- the gateway


async def test_rows_of_a_gateway_that_was_replaced_go_and_new_sockets_are_served(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> None:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        identity = await somebody(streaming)
        async with streaming.client(identity) as client:
            await client.subscribe("tickers", exchange="paper")
            # As after a kill: the sockets are gone and nobody was told.
            part = streaming.gateway.part
            for connection in part.connections:
                part.connections.remove(connection)
                connection.ended = (1006, "")
                part._wires.pop(connection.wire)
                connection.wire._ended = True  # type: ignore[attr-defined]
            await streaming.tick(price="1")

            async def gone() -> bool:
                async with streaming.database.acquire() as database:
                    return bool(await database.fetchval("SELECT count(*) FROM ws_connections") == 0)

            await until(gone)
        async with streaming.client(identity) as client:
            await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
            assert (await client.pushed(1))[0]["data"]["price"] == "1"
