"""Reading candles from PostgreSQL and Valkey: exact, whatever the timeframe, the gaps and the state of the cache."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fullon.kernel.clock import from_milliseconds
from fullon.kernel.timeframes import DAY_MS, HOUR_MS, MINUTE_MS, Timeframe
from fullon.market import packed, store
from fullon.market.candles_store import set_verified
from fullon.market.errors import UnknownExchange, UnknownSymbol
from fullon.market.service import Candles, MarketData
from fullon.runtime.container import Container
from fullon.venues.quotes import Bar
from tests.market_builder import MONDAY, add_minutes, close_bar, collected, listed, minutes, recomputed, run_bar

LOST = {0, 3, *range(200, 290), *range(1_500, 1_620)}


@pytest.fixture
def market(container: Container) -> MarketData:
    return MarketData(container.candles, container.connection, container.valkey)


def bars_of(found: Candles) -> list[Bar]:
    stored = [bar for chunk in found.stored for bar in packed.unpack(chunk)]
    return [*stored, *found.tail]


def values(bars: list[Bar]) -> list[tuple[object, ...]]:
    return [(bar.ts, bar.open, bar.high, bar.low, bar.close, pytest.approx(bar.volume, rel=1e-12)) for bar in bars]


async def test_the_latest_minutes_are_those_that_exist_however_torn_the_series_is(
    container: Container, market: MarketData
) -> None:
    stored = minutes(MONDAY, 3_000, without=LOST)
    await collected(container, stored)

    for limit in (1, 59, 60, 61, 500, 2_000, 10_000):
        _, found = await market.latest("paper", "BTC/USDT", Timeframe.M1, limit)

        assert bars_of(found) == stored[-limit:]


async def test_every_timeframe_is_what_its_minutes_say(container: Container, market: MarketData) -> None:
    stored = minutes(MONDAY + 90 * MINUTE_MS, 4_000, without=LOST)
    await collected(container, stored)

    for timeframe in Timeframe:
        _, everything = await market.between("paper", "BTC/USDT", timeframe, 0, None, 10_000)
        _, latest = await market.latest("paper", "BTC/USDT", timeframe, 3)

        expected = recomputed(stored, timeframe)
        assert values(bars_of(everything)) == values(expected)
        assert values(bars_of(latest)) == values(expected[-3:])


async def test_a_long_silence_does_not_hide_what_came_before(container: Container, market: MarketData) -> None:
    early, late = minutes(MONDAY, 10), minutes(MONDAY + 40 * DAY_MS, 5)
    await collected(container, early + late)

    _, found = await market.latest("paper", "BTC/USDT", Timeframe.M1, 12)
    _, hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 2)

    assert bars_of(found) == early[-7:] + late
    assert [bar.ts for bar in bars_of(hours)] == [MONDAY, MONDAY + 40 * DAY_MS]


async def test_pages_of_a_range_join_without_overlap_or_loss(container: Container, market: MarketData) -> None:
    stored = minutes(MONDAY, 1_000, without=LOST)
    await collected(container, stored)
    start, end = MONDAY + 17 * MINUTE_MS + 1, MONDAY + 900 * MINUTE_MS

    for timeframe in (Timeframe.M1, Timeframe.M5, Timeframe.H2):
        pages: list[Bar] = []
        position: int | None = start
        while position is not None:
            _, found = await market.between("paper", "BTC/USDT", timeframe, position, end, 7)
            assert len(bars_of(found)) <= 7
            pages += bars_of(found)
            position = found.next_start

        whole = [bar for bar in recomputed(stored, timeframe) if start <= bar.ts < end]
        assert values(pages) == values(whole)


async def test_a_complete_hour_is_read_from_its_packed_minutes_and_follows_a_correction(container: Container) -> None:
    hour = minutes(MONDAY, 60)
    symbol = await collected(container, hour)
    async with (await container.candles()).acquire() as connection:
        kept = await connection.fetchval("SELECT packed FROM candles_1h")

        corrected = [*hour[:30], replace(hour[30], high=500.0), *hour[31:]]
        await add_minutes(container, symbol, [corrected[30]])
        after = await store.latest_hours(connection, "paper", "BTC/USDT", 1)
        await connection.execute("UPDATE candles_1h SET packed = NULL")
        computed = await store.latest_hours(connection, "paper", "BTC/USDT", 1)

    assert packed.unpack(kept) == hour
    assert packed.unpack(after[1][0]) == corrected
    assert computed == after


async def test_a_bucket_is_final_when_a_later_minute_is_known_and_not_before(
    container: Container, market: MarketData
) -> None:
    symbol = await collected(container, minutes(MONDAY, 59))

    _, before = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)
    await add_minutes(container, symbol, minutes(MONDAY + HOUR_MS, 1))
    _, after = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)

    assert [bar.final for bar in bars_of(before)] == [False]
    assert [bar.final for bar in bars_of(after)] == [True, False]


async def test_a_bucket_is_final_when_the_venue_was_read_beyond_it(container: Container, market: MarketData) -> None:
    symbol = await collected(container, minutes(MONDAY, 58))
    async with (await container.candles()).acquire() as connection:
        await set_verified(connection, symbol.symbol_id, MONDAY + HOUR_MS)

    _, found = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)

    assert [bar.final for bar in bars_of(found)] == [True]


async def test_the_running_bar_comes_from_the_cache(container: Container, market: MarketData) -> None:
    stored = minutes(MONDAY, 70)
    symbol = await collected(container, stored)
    minute = Bar(MONDAY + 70 * MINUTE_MS, 1.0, 9.0, 0.5, 2.0, 3.0, final=False)
    hour = Bar(MONDAY + HOUR_MS, 7.0, 9.0, 0.5, 2.0, 33.0, final=False)
    await run_bar(container, symbol, [(Timeframe.M1, minute), (Timeframe.H1, hour)])

    _, latest_minutes = await market.latest("paper", "BTC/USDT", Timeframe.M1, 3)
    _, latest_hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 3)
    _, closed_range = await market.between("paper", "BTC/USDT", Timeframe.M1, MONDAY, minute.ts, 100)

    assert bars_of(latest_minutes) == [*stored[-2:], minute]
    assert bars_of(latest_hours)[-1] == hour
    assert len(bars_of(latest_hours)) == 2
    assert bars_of(closed_range) == stored


async def test_a_bar_in_the_cache_that_is_behind_postgresql_is_not_believed(
    container: Container, market: MarketData
) -> None:
    stored = minutes(MONDAY, 90)
    symbol = await collected(container, stored)
    old = Bar(MONDAY + 70 * MINUTE_MS, 1.0, 9.0, 0.5, 2.0, 3.0, final=False)
    await run_bar(container, symbol, [(Timeframe.M1, old), (Timeframe.H1, replace(old, ts=MONDAY + HOUR_MS))])

    _, latest_minutes = await market.latest("paper", "BTC/USDT", Timeframe.M1, 2)
    _, latest_hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 1)

    assert bars_of(latest_minutes) == stored[-2:]
    assert values(bars_of(latest_hours)) == values(recomputed(stored[60:], Timeframe.H1))
    assert not bars_of(latest_hours)[0].final


async def test_what_is_stored_as_closed_is_answered_once_and_from_the_store(
    container: Container, market: MarketData
) -> None:
    stored = minutes(MONDAY, 120)
    symbol = await collected(container, stored)
    newest = replace(stored[-1], high=999.0)
    hour = Bar(MONDAY + HOUR_MS, 1.0, 999.0, 0.5, 2.0, 33.0)
    await run_bar(container, symbol, [(Timeframe.M1, newest), (Timeframe.H1, hour)])
    await close_bar(container, symbol, Timeframe.M1, newest)
    await close_bar(container, symbol, Timeframe.H1, hour)

    _, latest_minutes = await market.latest("paper", "BTC/USDT", Timeframe.M1, 5)
    _, latest_hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)

    assert bars_of(latest_minutes) == stored[-5:]
    assert values(bars_of(latest_hours)) == values(recomputed(stored, Timeframe.H1))


async def test_a_minute_that_has_just_closed_is_answered_before_it_is_stored(
    container: Container, market: MarketData
) -> None:
    symbol = await collected(container, minutes(MONDAY, 59))
    closed = Bar(MONDAY + 59 * MINUTE_MS, 1.0, 9.0, 0.5, 2.0, 3.0)
    hour = Bar(MONDAY, 7.0, 9.0, 0.5, 2.0, 33.0)
    await run_bar(container, symbol, [(Timeframe.M1, closed), (Timeframe.H1, hour)])

    _, latest_minutes = await market.latest("paper", "BTC/USDT", Timeframe.M1, 1)
    _, latest_hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 1)

    assert bars_of(latest_minutes) == [closed]
    assert bars_of(latest_hours) == [hour]


async def test_a_bar_that_closed_while_its_last_minute_is_not_stored_yet_is_answered_whole(
    container: Container, market: MarketData
) -> None:
    stored = minutes(MONDAY, 59)
    symbol = await collected(container, stored)
    closed_minute = Bar(MONDAY + 59 * MINUTE_MS, 1.0, 999.0, 0.5, 2.0, 3.0)
    closed_hour = Bar(MONDAY, 100.0, 999.0, 0.5, 2.0, 33.0)
    running = Bar(MONDAY + HOUR_MS, 2.0, 2.0, 2.0, 2.0, 1.0, final=False)
    await run_bar(container, symbol, [(Timeframe.M1, running), (Timeframe.H1, running)])

    _, without_recent = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)
    await close_bar(container, symbol, Timeframe.M1, closed_minute)
    await close_bar(container, symbol, Timeframe.H1, closed_hour)
    _, latest_minutes = await market.latest("paper", "BTC/USDT", Timeframe.M1, 3)
    _, latest_hours = await market.latest("paper", "BTC/USDT", Timeframe.H1, 5)
    _, page = await market.between("paper", "BTC/USDT", Timeframe.M1, MONDAY, None, 60)

    assert [bar.final for bar in bars_of(without_recent)] == [False, False]
    assert bars_of(latest_minutes) == [stored[-1], closed_minute, running]
    assert bars_of(latest_hours) == [closed_hour, running]
    assert bars_of(page) == [*stored, closed_minute]
    assert page.next_start == running.ts


@pytest.mark.parametrize("record", [b"no json", b"[1,2]", b"{}"])
async def test_candles_are_answered_when_the_cache_holds_rubbish(
    container: Container, market: MarketData, record: bytes
) -> None:
    stored = minutes(MONDAY, 5)
    await collected(container, stored)
    await container.valkey.hset("bars:{paper:BTC/USDT}", "1m", record.decode())

    _, found = await market.latest("paper", "BTC/USDT", Timeframe.M1, 5)

    assert bars_of(found) == stored


async def test_what_was_verified_at_the_venue_is_settled_and_nothing_else(
    container: Container, market: MarketData
) -> None:
    symbol = await collected(container, minutes(MONDAY, 240, without=LOST))
    async with (await container.candles()).acquire() as connection:
        await set_verified(connection, symbol.symbol_id, MONDAY + 2 * HOUR_MS)

    async def settled(hours: int | None, limit: int = 1_000) -> bool:
        end = None if hours is None else MONDAY + hours * HOUR_MS
        return (await market.between("paper", "BTC/USDT", Timeframe.M1, MONDAY, end, limit))[1].settled

    assert await settled(2)
    assert not await settled(3)
    assert not await settled(None)
    assert await settled(3, limit=50)


async def test_filling_leaves_no_bucket_out_between_the_first_candle_and_now(
    container: Container, market: MarketData
) -> None:
    stored = minutes(MONDAY, 300, without=LOST)
    await collected(container, stored)

    for timeframe, length in ((Timeframe.M1, MINUTE_MS), (Timeframe.M15, 15 * MINUTE_MS)):
        pages: list[Bar] = []
        position: int | None = MONDAY - DAY_MS
        while position is not None:
            _, found = await market.filled("paper", "BTC/USDT", timeframe, position, None, 200)
            pages += bars_of(found)
            position = found.next_start

        whole = recomputed(stored, timeframe)
        assert [bar.ts for bar in pages] == list(range(whole[0].ts, whole[-1].ts + 1, length))
        present = {bar.ts for bar in whole}
        assert values([bar for bar in pages if bar.ts in present]) == values(whole)
        assert all(bar.volume == 0 for bar in pages if bar.ts not in present)


async def test_filling_goes_on_from_the_close_before_the_range(container: Container, market: MarketData) -> None:
    stored = minutes(MONDAY, 20, without=range(10, 19))
    await collected(container, stored)

    _, found = await market.filled(
        "paper", "BTC/USDT", Timeframe.M1, MONDAY + 12 * MINUTE_MS, MONDAY + 14 * MINUTE_MS, 100
    )

    assert [bar.close for bar in bars_of(found)] == [stored[9].close] * 2


async def test_a_known_symbol_without_data_has_no_candles_and_reading_creates_nothing(
    container: Container, market: MarketData
) -> None:
    await listed(container, "ETH/USDT")

    series, found = await market.latest("PAPER", "ETH/USDT", Timeframe.D1, 10)

    assert (series.exchange, series.symbol) == ("paper", "ETH/USDT")
    assert bars_of(found) == []
    async with (await container.candles()).acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM series") == 0


async def test_an_unknown_name_is_answered_with_those_that_read_alike(container: Container, market: MarketData) -> None:
    await listed(container, "BTC/USDT", "ETH/USDT")

    with pytest.raises(UnknownSymbol) as symbol:
        await market.latest("paper", "BTCUSDT", Timeframe.M1, 1)
    with pytest.raises(UnknownExchange) as exchange:
        await market.latest("papper", "BTC/USDT", Timeframe.M1, 1)

    assert symbol.value.facts["nearest"] == ["BTC/USDT", "ETH/USDT"]
    assert exchange.value.facts["nearest"] == ["paper"]


async def test_hours_of_a_range_begin_where_the_range_begins_within_them(container: Container) -> None:
    await collected(container, minutes(MONDAY, 180))
    async with (await container.candles()).acquire() as connection:
        _, hours = await store.hours_between(
            connection, "paper", "BTC/USDT", MONDAY + 90 * MINUTE_MS, MONDAY + 120 * MINUTE_MS, 10
        )

    assert [packed.first_ts(hour) for hour in hours] == [MONDAY + HOUR_MS]
    assert from_milliseconds(packed.last_ts(hours[0])).minute == 59
