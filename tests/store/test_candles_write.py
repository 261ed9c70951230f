"""Candles in PostgreSQL: written once however often, hours and days exact, older leaders refused."""

from __future__ import annotations

import asyncio
import math
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import candles_store, recent_bars
from fullon.market.candles_store import Writer
from fullon.market.errors import Superseded
from fullon.market.running_bars import aggregated
from fullon.venues.model import Symbol
from fullon.venues.quotes import Bar

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any]

START = to_milliseconds(datetime(2026, 10, 31, 22, 0, tzinfo=UTC))


def symbol(number: int, name: str = "BTC/USDT", exchange: str = "paper") -> Symbol:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return Symbol(
        symbol_id=number, cat_ex_id=1, exchange=exchange, symbol=name, base="BTC", quote="USDT", settle=None,
        futures=False, price_decimals=2, quantity_decimals=8, tick_size=None, step_size=None, min_quantity=None,
        min_notional=None, updateframe="1m", backtest=30, only_ticker=False, active=True,
        created_at=now, updated_at=now,
    )  # fmt: skip


def made(count: int, start: int = START, seed: int = 1) -> list[Bar]:
    chance = random.Random(seed)
    bars = []
    for number in range(count):
        low, high = sorted((chance.uniform(90, 110), chance.uniform(90, 110)))
        bars.append(
            Bar(
                start + number * MINUTE_MS,
                chance.uniform(low, high),
                high,
                low,
                chance.uniform(low, high),
                chance.random(),
            )
        )
    return bars


async def put(connection: Connection, bars: list[Bar], series: int = 1) -> list[int]:
    async with connection.transaction():
        return [ts for _, ts in await candles_store.put_candles(connection, [(series, bar) for bar in bars])]


async def rows(connection: Connection, table: str, series: int = 1) -> list[Bar]:
    found = await connection.fetch(
        f"SELECT ts, open, high, low, close, volume FROM {table} WHERE series_id = $1 ORDER BY ts", series
    )
    return [Bar(to_milliseconds(row[0]), *row[1:]) for row in found]


@pytest.fixture
async def candles(candle_connection: Connection) -> Connection:
    await candles_store.put_series(candle_connection, [symbol(1), symbol(2, "ETH/USDT")])
    return candle_connection


async def hours_and_days_are_exact(connection: Connection) -> None:
    minutes = await rows(connection, "candles")
    for table, timeframe in (("candles_1h", Timeframe.H1), ("candles_1d", Timeframe.D1)):
        expected = aggregated(minutes, timeframe, minutes[-1].ts + MINUTE_MS)
        for found, wanted in zip(await rows(connection, table), expected, strict=True):
            assert (found.ts, found.open, found.high, found.low, found.close) == (
                wanted.ts, wanted.open, wanted.high, wanted.low, wanted.close,
            )  # fmt: skip
            assert math.isclose(found.volume, wanted.volume, rel_tol=1e-12)


async def test_every_digit_of_a_candle_is_kept(candles: Connection) -> None:
    bars = made(200)

    changed = await put(candles, bars)

    assert changed == [bar.ts for bar in bars]
    assert await rows(candles, "candles") == bars


async def test_writing_the_same_again_changes_nothing(candles: Connection) -> None:
    bars = made(200)
    await put(candles, bars)

    assert await put(candles, bars) == []
    assert await rows(candles, "candles") == bars


async def test_hours_and_days_follow_their_minutes_over_the_end_of_a_month(candles: Connection) -> None:
    await put(candles, made(300))

    await hours_and_days_are_exact(candles)
    partitions = await candles.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits ORDER BY 1")
    assert {"candles_2026_10", "candles_2026_11"} <= {row["name"] for row in partitions}


async def test_late_and_corrected_minutes_change_their_hour_and_day(candles: Connection) -> None:
    bars = made(300)
    await put(candles, bars[:30] + bars[40:])
    correction = Bar(bars[100].ts, 1.0, 999.0, 0.5, 2.0, 1234.5)

    late = await put(candles, bars[30:40])
    corrected = await put(candles, [correction])

    assert late == [bar.ts for bar in bars[30:40]]
    assert corrected == [correction.ts]
    await hours_and_days_are_exact(candles)
    assert max(bar.high for bar in await rows(candles, "candles_1d")) == 999.0


async def test_of_several_bars_for_one_minute_the_last_counts(candles: Connection) -> None:
    first, second = made(1, seed=1)[0], made(1, seed=2)[0]

    await put(candles, [first, second])

    assert await rows(candles, "candles") == [second]


async def test_a_rolled_back_batch_leaves_nothing_behind(candles: Connection) -> None:
    transaction = candles.transaction()
    await transaction.start()
    await candles_store.put_candles(candles, [(1, bar) for bar in made(5)])
    await candles_store.set_verified(candles, 1, START)
    await transaction.rollback()

    await put(candles, made(1))

    assert len(await rows(candles, "candles")) == 1
    assert await candles_store.verified_until(candles, 1) is None


async def test_two_writers_of_one_hour_at_once_leave_it_exact(candles: Connection, candles_database: str) -> None:
    bars = made(60, START)
    other = await asyncpg.connect(candles_database)
    try:
        for number in range(0, 60, 2):
            await asyncio.gather(put(candles, [bars[number]]), put(other, [bars[number + 1]]))
    finally:
        await other.close()

    assert len(await rows(candles, "candles")) == 60
    await hours_and_days_are_exact(candles)


async def test_two_first_writers_of_a_month_both_succeed(candles: Connection, candles_database: str) -> None:
    other = await asyncpg.connect(candles_database)
    try:
        await asyncio.gather(put(candles, made(3), 1), put(other, made(3), 2))
    finally:
        await other.close()

    assert len(await rows(candles, "candles", 1)) == len(await rows(candles, "candles", 2)) == 3


async def test_an_older_leader_can_neither_claim_nor_write(candles: Connection) -> None:
    old, new = Writer("ohlcv", 3), Writer("ohlcv", 4)
    await candles_store.claim(candles, old)
    await candles_store.guard(candles, old)

    await candles_store.claim(candles, new)

    await candles_store.guard(candles, new)
    with pytest.raises(Superseded):
        await candles_store.guard(candles, old)
    with pytest.raises(Superseded):
        await candles_store.claim(candles, old)


async def test_fences_that_began_anew_are_accepted_from_a_confirmed_leader(candles: Connection) -> None:
    await candles_store.claim(candles, Writer("ohlcv", 900))

    await candles_store.claim(candles, Writer("ohlcv", 1), restart=True)

    await candles_store.guard(candles, Writer("ohlcv", 1))


async def test_a_renamed_symbol_keeps_its_candles_and_a_lost_name_passes_on(candles: Connection) -> None:
    await put(candles, made(2))

    await candles_store.put_series(candles, [symbol(1, "XBT/USDT")])
    await candles_store.put_series(candles, [symbol(7, "ETH/USDT")])

    names = {row["series_id"]: row["symbol"] for row in await candles.fetch("SELECT series_id, symbol FROM series")}
    assert names == {1: "XBT/USDT", 2: "ETH/USDT#2", 7: "ETH/USDT"}
    assert len(await rows(candles, "candles")) == 2


async def test_recent_bars_are_those_of_their_minutes(candles: Connection) -> None:
    bars = made(2000, to_milliseconds(datetime(2026, 10, 30, 13, 7, tzinfo=UTC)))
    await put(candles, bars)

    stored = await recent_bars.load(candles, 1)

    assert stored.closed_until == bars[-1].ts + MINUTE_MS
    for timeframe in Timeframe:
        expected = aggregated(bars, timeframe, stored.closed_until)
        found = [*stored.final[timeframe]] + ([stored.parts[timeframe]] if timeframe in stored.parts else [])
        for one, other in zip(found, expected[-len(found) :], strict=True):
            assert one.to_record()[:5] == other.to_record()[:5]
            assert one.final == other.final
            assert math.isclose(one.volume, other.volume, rel_tol=1e-12)
        assert len(stored.final[timeframe]) == min(300, sum(bar.final for bar in expected))


async def test_recent_bars_since_a_moment_begin_with_the_bars_that_hold_it(candles: Connection) -> None:
    bars = made(2000, to_milliseconds(datetime(2026, 10, 30, 13, 7, tzinfo=UTC)))
    await put(candles, bars)
    since = bars[-200].ts

    stored = await recent_bars.load(candles, 1, since)

    for timeframe in Timeframe:
        expected = [
            bar
            for bar in aggregated(bars, timeframe, stored.closed_until)
            if bar.ts >= timeframe.floor(since) and bar.final
        ]
        assert [bar.to_record()[:5] for bar in stored.final[timeframe]] == [bar.to_record()[:5] for bar in expected]


async def test_a_series_without_candles_has_no_bars(candles: Connection) -> None:
    stored = await recent_bars.load(candles, 2)

    assert (stored.final, stored.parts, stored.closed_until) == ({}, {}, 0)
