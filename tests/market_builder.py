"""Builders of a market: a catalogue, minutes with and without gaps, trades, running bars."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import orjson

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import keys
from fullon.market.candles_store import put_candles, put_series
from fullon.market.trades_store import put_trades
from fullon.venues import store as venue_store
from fullon.venues.model import Symbol, Venue
from fullon.venues.quotes import Bar, Trade

if TYPE_CHECKING:
    from fullon.runtime.container import Container

#: Monday 2026-08-03 00:00 UTC.
MONDAY = 1_785_715_200_000


async def listed(container: Container, *names: str, exchange: str = "paper") -> list[Symbol]:
    """Symbols of an exchange in the catalogue, of which nothing was ever collected."""
    async with container.transaction() as connection:
        cat_ex_id = await venue_store.put_venue(connection, Venue(0, exchange, "binance", "Paper venue", paper=True))
        found = []
        for name in names:
            base, _, quote = name.partition("/")
            values = {"symbol": name, "base": base, "quote": quote.partition(":")[0]}
            found.append(await venue_store.add_symbol(connection, cat_ex_id, values))
        return found


async def collected(
    container: Container, bars: Iterable[Bar], name: str = "BTC/USDT", exchange: str = "paper"
) -> Symbol:
    """A symbol with these minutes."""
    [symbol] = await listed(container, name, exchange=exchange)
    await add_minutes(container, symbol, bars)
    return symbol


async def add_minutes(container: Container, symbol: Symbol, bars: Iterable[Bar]) -> None:
    """Store minutes as the collector does."""
    async with (await container.candles()).acquire() as connection, connection.transaction():
        await put_series(connection, [symbol])
        await put_candles(connection, [(symbol.symbol_id, bar) for bar in bars])


async def add_trades(container: Container, symbol: Symbol, trades: Iterable[Trade]) -> None:
    """Store trades as the collector does."""
    async with (await container.candles()).acquire() as connection, connection.transaction():
        await put_series(connection, [symbol])
        await put_trades(connection, [(symbol.symbol_id, trade) for trade in trades])


async def run_bar(container: Container, symbol: Symbol, bars: Iterable[tuple[Timeframe, Bar]]) -> None:
    """Make these the present bars in Valkey."""
    for timeframe, bar in bars:
        record = orjson.dumps(bar.to_record()).decode()
        await container.valkey.hset(keys.bars(symbol.exchange, symbol.symbol), timeframe.value, record)


async def close_bar(container: Container, symbol: Symbol, timeframe: Timeframe, bar: Bar) -> None:
    """Put a final bar among the recent ones in Valkey."""
    record = orjson.dumps(bar.to_record()[:6]).decode()
    await container.valkey.zadd(keys.recent(symbol.exchange, symbol.symbol, timeframe), {record: bar.ts})


def minutes(start: int, count: int, *, without: Collection[int] = (), seed: int = 7) -> list[Bar]:
    """A random walk of `count` minutes; those whose number is in `without` are missing."""
    chance = random.Random(seed)
    price, found = 100.0, []
    for number in range(count):
        close = round(price + chance.uniform(-1, 1), 2)
        high, low = max(price, close) + chance.random() / 8, min(price, close) - chance.random() / 8
        bar = Bar(
            start + number * MINUTE_MS, price, round(high, 3), round(low, 3), close, round(chance.random() * 9, 8)
        )
        if number not in without:
            found.append(bar)
        price = close
    return found


def trade(ts: int, trade_id: str, price: str = "100.5", amount: str = "0.25") -> Trade:
    """A public trade."""
    return Trade(trade_id, ts, Decimal(price), Decimal(amount), "buy")


def recomputed(bars: Sequence[Bar], timeframe: Timeframe) -> list[Bar]:
    """Bars of a timeframe, bucket by bucket and by the book: what everything else must agree with."""
    buckets: dict[int, list[Bar]] = {}
    for bar in bars:
        buckets.setdefault(timeframe.floor(bar.ts), []).append(bar)
    return [
        Bar(
            start,
            held[0].open,
            max(bar.high for bar in held),
            min(bar.low for bar in held),
            held[-1].close,
            sum(bar.volume for bar in held),
        )
        for start, held in buckets.items()
    ]
