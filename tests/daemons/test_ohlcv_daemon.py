"""The ohlcv daemon as a process: what is stored is what the venue says, whatever happens to anyone."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Iterator
from typing import Any

import asyncpg
import orjson
import pytest

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import keys
from fullon.market.running_bars import aggregated
from fullon.venues.quotes import Bar
from tests.daemons.collecting import Daemon, Stage, sow, stage
from tests.daemons.waiting import until
from tests.paper_venue import SYMBOLS, RunningVenue, paper_venue

BTC, ETH = SYMBOLS[:2]


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control", "--speed", "60") as running:
        yield running


@pytest.fixture
def made(venue: RunningVenue, platform_database: str, candles_database: str, valkey_url: str) -> Iterator[Stage]:
    with stage(venue, platform_database, candles_database, valkey_url) as ready:
        yield ready
        ready.control(streams_silent=False, down=0, clock_offset_ms=0)


async def collecting(made: Stage, *, backtest: int = 0, **params: Any) -> Daemon:
    """A collector of two symbols that has stored its first minutes and trades."""
    await sow(made, symbols=[BTC, ETH], backtest=backtest, **params)
    daemon = made.start("ohlcv")
    await until(lambda: sum(line["event"] == "history loaded" for line in daemon.lines()) == 2, 60, "the history")
    for symbol in (BTC, ETH):
        await made.grown_past(symbol, await made.newest(symbol))
    return daemon


async def hours_and_days_are_exact(made: Stage, symbol: str) -> None:
    minutes = await made.minutes(symbol)
    for table, timeframe in (("candles_1h", Timeframe.H1), ("candles_1d", Timeframe.D1)):
        rows = await made.query(
            f"SELECT ts, open, high, low, close, volume FROM {table} JOIN series USING (series_id)"
            " WHERE symbol = $1 ORDER BY ts",
            symbol,
        )
        found = {to_milliseconds(row[0]): tuple(row[1:]) for row in rows}
        for bar in aggregated(minutes, timeframe, minutes[-1].ts):
            stored = found[bar.ts]
            assert stored[:3] == (bar.open, *sorted((bar.high, bar.low), reverse=True)) or not bar.final
            if bar.final:
                assert stored[3] == bar.close
                assert math.isclose(stored[4], bar.volume, rel_tol=1e-12)


async def told_once_and_in_order(made: Stage, symbol: str) -> None:
    published = await made.published_trades(symbol)
    assert published == sorted(set(published))
    assert published == made.venue_trades(symbol, published[0], published[-1])


@pytest.mark.parametrize("streams", ["binance", "ccxt"])
async def test_history_and_live_minutes_are_the_venues(streams: str, made: Stage) -> None:
    daemon = await collecting(made, backtest=1, streams=streams)

    minutes = await made.minutes(BTC)
    assert len(minutes) > 1440
    await made.equals_the_venue([BTC, ETH])
    for symbol in (BTC, ETH):
        await hours_and_days_are_exact(made, symbol)
        await told_once_and_in_order(made, symbol)
    assert await asyncio.to_thread(daemon.stop, 60) == 0
    assert not [line for line in daemon.lines() if line["level"] in {"error", "critical"}]


async def test_live_bars_of_every_timeframe_are_what_their_minutes_say(made: Stage) -> None:
    daemon = await collecting(made, backtest=1)
    made.control(streams_silent=True)  # what is in Valkey stands still after this, and so does what the test reads
    await asyncio.to_thread(daemon.stop, 60)

    minutes = await made.minutes(BTC)
    async with made.valkey() as valkey:
        raw: Any = await valkey.hgetall(keys.bars("paper", BTC))
        present = {Timeframe(name.decode()): Bar.from_record(orjson.loads(value)) for name, value in raw.items()}
        recent = {timeframe: await members(valkey, timeframe) for timeframe in Timeframe}

    assert set(present) == set(Timeframe)
    newest = present[Timeframe.M1]
    closed_until = newest.ts + MINUTE_MS if newest.final else newest.ts
    known = [bar for bar in minutes if bar.ts < closed_until] + ([] if newest.final else [newest])
    for timeframe in Timeframe:
        bars = aggregated(known, timeframe, closed_until)
        same(present[timeframe], bars[-1])
        closed = [bar for bar in bars if bar.final]
        assert len(recent[timeframe]) == min(300, len(closed))
        for one, other in zip(recent[timeframe], closed[-300:], strict=True):
            same(one, other)


async def members(valkey: Any, timeframe: Timeframe) -> list[Bar]:
    """The recent bars in Valkey."""
    found = await valkey.zrange(keys.recent("paper", BTC, timeframe), 0, -1)
    return [Bar.from_record(orjson.loads(value)) for value in found]


def same(one: Bar, other: Bar) -> None:
    assert (one.ts, one.open, one.high, one.low, one.close) == (
        other.ts,
        other.open,
        other.high,
        other.low,
        other.close,
    )
    assert math.isclose(one.volume, other.volume, rel_tol=1e-9)


async def test_published_bars_are_said_to_be_final_once_and_nothing_follows_them(made: Stage) -> None:
    await collecting(made)
    heard: list[tuple[str, str, Bar]] = []
    async with made.valkey() as valkey:
        feed = valkey.pubsub()
        await feed.subscribe(keys.BARS_CHANNEL)
        async with asyncio.timeout(60):
            while sum(bar.final and timeframe == "1m" for _, timeframe, bar in heard) < 8:
                message = await feed.get_message(ignore_subscribe_messages=True, timeout=1)
                for entry in orjson.loads(message["data"]) if message else []:
                    heard += [(entry["symbol"], name, Bar.from_record(bar)) for name, bar in entry["bars"].items()]

    for symbol in (BTC, ETH):
        for timeframe in Timeframe:
            bars = [bar for name, frame, bar in heard if (name, frame) == (symbol, timeframe.value)]
            times = [bar.ts for bar in bars]
            assert times == sorted(times)
            finals = [bar.ts for bar in bars if bar.final]
            assert finals == sorted(set(finals))
            assert all(bar.final or bar.ts not in finals[:-1] for bar in bars[-1:])


async def test_a_kill_leaves_neither_gap_nor_duplicate(made: Stage) -> None:
    daemon = await collecting(made)

    daemon.kill()
    await asyncio.sleep(4)  # four minutes of the venue's time; the lease runs out later
    again = made.start("ohlcv")
    await until(lambda: sum(line["event"] == "history loaded" for line in again.lines()) == 2, 60, "the second start")

    await made.equals_the_venue([BTC, ETH])
    for symbol in (BTC, ETH):
        await hours_and_days_are_exact(made, symbol)
        await told_once_and_in_order(made, symbol)


@pytest.mark.parametrize(
    "fault",
    [{"down": 4}, {"disconnect": True}, {"clock_offset_ms": 180_000}],
    ids=["venue down", "sockets dropped", "clock ahead"],
)
async def test_whatever_the_venue_does_nothing_is_lost_or_doubled(fault: dict[str, Any], made: Stage) -> None:
    daemon = await collecting(made)
    before = await made.newest(BTC)

    made.control(**fault)
    await asyncio.sleep(4.5)
    await made.grown_past(BTC, before + 6 * MINUTE_MS)

    await made.equals_the_venue([BTC, ETH])
    for symbol in (BTC, ETH):
        await told_once_and_in_order(made, symbol)
    assert daemon.process.poll() is None


async def test_silent_streams_are_noticed_and_their_time_is_filled_in(made: Stage) -> None:
    daemon = await collecting(made, silence_seconds=3)
    before = await made.newest(BTC)

    made.control(streams_silent=True)
    await made.grown_past(BTC, before + 4 * MINUTE_MS)  # the list is read on although the streams say nothing
    for stream in ("candle", "trade"):
        await until(lambda: daemon.said("waiting", waiting_for=f"{stream} stream of paper", code="stream_silent"))  # noqa: B023
    made.control(streams_silent=False)
    for stream in ("candle", "trade"):
        await until(lambda: daemon.said("resumed", waiting_for=f"{stream} stream of paper"))  # noqa: B023

    await made.grown_past(BTC, await made.newest(BTC) + MINUTE_MS)
    await made.equals_the_venue([BTC, ETH])
    for symbol in (BTC, ETH):
        await told_once_and_in_order(made, symbol)


async def test_what_was_stored_wrongly_is_corrected_with_its_hour_and_day(made: Stage) -> None:
    daemon = await collecting(made, backtest=1)
    daemon.kill()
    connection = await asyncpg.connect(made.candles)
    minute = await connection.fetchval("SELECT max(ts) - interval '5 minutes' FROM candles WHERE series_id = 1")
    async with connection.transaction():
        for table, unit in (("candles", "minute"), ("candles_1h", "hour"), ("candles_1d", "day")):
            await connection.execute(
                f"UPDATE {table} SET high = 9e9, volume = 7"
                f" WHERE series_id = 1 AND ts = date_trunc('{unit}', $1::timestamptz, 'UTC')",
                minute,
            )
        await connection.execute(
            "DELETE FROM candles WHERE series_id = 1 AND ts = $1::timestamptz - interval '1 min'", minute
        )
    await connection.close()

    again = made.start("ohlcv")
    await until(lambda: again.said("history loaded", symbol=BTC), 60, "the second start")

    await made.equals_the_venue([BTC])
    await hours_and_days_are_exact(made, BTC)


async def test_a_leader_that_was_paused_writes_nothing_after_it_was_replaced(made: Stage) -> None:
    first = await collecting(made)
    first.process.send_signal(signal.SIGSTOP)

    second = made.start("ohlcv")
    await until(lambda: second.said("history loaded", symbol=BTC), 60, "the second leader")
    first.process.send_signal(signal.SIGCONT)
    await until(lambda: first.said("leadership lost"), what="the first leader knowing")

    rows = await made.query("SELECT fence FROM writers")
    assert [row["fence"] for row in rows] == [2]
    await until(lambda: first.said("waiting for the lease"))
    await made.grown_past(BTC, await made.newest(BTC))
    await made.equals_the_venue([BTC, ETH])


async def test_symbols_with_tickers_only_are_left_alone_and_new_ones_begin_with_their_history(made: Stage) -> None:
    await sow(made, symbols=[BTC, ETH], backtest=0)
    connection = await asyncpg.connect(made.platform)
    await connection.execute("UPDATE symbols SET only_ticker = symbol = $1, backtest = 1", ETH)
    daemon = made.start("ohlcv")
    await until(lambda: daemon.said("history loaded", symbol=BTC), 60)
    before = await made.query("SELECT symbol FROM series")

    await connection.execute("UPDATE symbols SET only_ticker = false")
    await connection.close()
    await until(lambda: daemon.said("history loaded", symbol=ETH), 60)

    assert [row["symbol"] for row in before] == [BTC]
    assert len(await made.minutes(ETH)) >= 1440
