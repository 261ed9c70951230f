"""Streams through ccxt.pro, and their replacement by polling where a venue has none.

A ``watch…`` call of ccxt returns one message, and what arrives between two calls is only in ccxt's caches. So the
calls serve as a bell here and everything is read from the caches: nothing that arrived is missed, however many
messages came at once and in whatever order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues import ccxt_values
from fullon.venues.ccxt_errors import FOREIGN
from fullon.venues.errors import VenueDown
from fullon.venues.port import Stream
from fullon.venues.quotes import Bar, Tick, Trade

if TYPE_CHECKING:
    from fullon.venues.ccxt_venue import CcxtVenue

Item = TypeVar("Item")
Call = Callable[[], Awaitable[Any]]

#: Seconds between two looks at a venue that does not stream.
POLL_SECONDS = 2.0
_TRADE_PAGE = 1000
_MINUTE = "1m"


async def tickers(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[Tick]:
    """Changes of ``symbols``; best bid and ask come from a stream of their own where there is one."""
    if not venue.capabilities.ticker_streams:
        async with aclosing(_poll_tickers(venue, symbols)) as polled:
            async for batch in polled:
                yield batch
        return
    exchange = await venue.connection()
    names = list(symbols)
    calls: list[Call] = [lambda: exchange.watch_tickers(names)]
    if not exchange.has.get("watchTickers"):
        calls = [_of(exchange.watch_ticker, name) for name in names]
    if exchange.has.get("watchBidsAsks"):
        calls.append(lambda: exchange.watch_bids_asks(names))
    seen: dict[str, Tick] = {}

    def collect() -> list[Tick]:
        changed = []
        for name in names:
            ticker = exchange.tickers.get(name)
            tick = ticker and ccxt_values.tick(venue.name, ticker, exchange.bidsasks.get(name), venue.now())
            if tick and seen.get(name) != tick:
                seen[name] = tick
                changed.append(tick)
        return changed

    async with aclosing(_read(venue, exchange, calls, collect)) as batches:
        async for batch in batches:
            yield batch


async def candles(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[tuple[str, Bar]]:
    """Running bars; a bar is final when the venue has begun a later one."""
    if not venue.capabilities.candle_streams:
        async with aclosing(_poll_candles(venue, symbols)) as polled:
            async for batch in polled:
                yield batch
        return
    exchange = await venue.connection()
    names = list(symbols)
    calls: list[Call] = [lambda: exchange.watch_ohlcv_for_symbols([[name, _MINUTE] for name in names])]
    if not exchange.has.get("watchOHLCVForSymbols"):
        calls = [_of(exchange.watch_ohlcv, name, _MINUTE) for name in names]
    running: dict[str, Bar] = {}

    def collect() -> list[tuple[str, Bar]]:
        changed = []
        for name in names:
            rows = (exchange.ohlcvs.get(name) or {}).get(_MINUTE) or ()
            bars = [bar for row in list(rows)[-3:] if (bar := ccxt_values.bar(row, final=False)) is not None]
            changed += [(name, bar) for bar in advance(running.get(name), bars)]
            if bars:
                running[name] = bars[-1]
        return changed

    async with aclosing(_read(venue, exchange, calls, collect)) as batches:
        async for batch in batches:
            yield batch


async def trades(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[tuple[str, Trade]]:
    """Every public trade."""
    if not venue.capabilities.trade_streams:
        async with aclosing(_poll_trades(venue, symbols)) as polled:
            async for batch in polled:
                yield batch
        return
    exchange = await venue.connection()
    names = list(symbols)
    calls: list[Call] = [lambda: exchange.watch_trades_for_symbols(names)]
    if not exchange.has.get("watchTradesForSymbols"):
        calls = [_of(exchange.watch_trades, name) for name in names]
    latest: dict[str, Any] = {}

    def collect() -> list[tuple[str, Trade]]:
        changed: list[tuple[str, Trade]] = []
        for name in names:
            cache: deque[Any] = exchange.trades.get(name) or deque()
            new: list[Any] = []
            for raw in reversed(cache):
                if raw is latest.get(name):
                    break
                new.append(raw)
            else:
                if name in latest and len(cache) == cache.maxlen:
                    raise VenueDown(f"Trades of {venue.name} came faster than they were read.", exchange=venue.name)
            if new:
                latest[name] = new[0]
                found = (ccxt_values.trade(raw) for raw in reversed(new))
                changed += [(name, trade) for trade in found if trade is not None]
        return changed

    async with aclosing(_read(venue, exchange, calls, collect)) as batches:
        async for batch in batches:
            yield batch


def advance(before: Bar | None, bars: Sequence[Bar]) -> list[Bar]:
    """What to report when a venue's latest bars were ``[before]`` and are ``bars``: closed ones as final, once."""
    changed: list[Bar] = []
    for place, bar in enumerate(bars):
        if before is not None and bar.ts < before.ts:
            continue
        if place < len(bars) - 1:
            changed.append(Bar(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume))
        elif bar != before:
            changed.append(bar)
    if before is not None and bars and bars[0].ts > before.ts:
        changed.insert(0, Bar(before.ts, before.open, before.high, before.low, before.close, before.volume))
    return changed


async def _read(
    venue: CcxtVenue, exchange: Any, calls: Sequence[Call], collect: Callable[[], list[Item]]
) -> Stream[Item]:
    """Repeat each of ``calls`` and yield what ``collect`` finds after any of them; closes ``exchange`` at the end."""
    bell = asyncio.Event()
    failures: list[Exception] = []

    async def repeat(call: Call) -> None:
        try:
            while True:
                await call()
                bell.set()
        except FOREIGN as error:
            failures.append(error)
            bell.set()

    tasks = [asyncio.create_task(repeat(call)) for call in calls]
    try:
        while True:
            await bell.wait()
            bell.clear()
            if items := collect():
                yield items
            if failures:
                raise venue.translated(failures[0], exchange) from failures[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await exchange.close()


async def _poll_tickers(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[Tick]:
    seen: dict[str, Tick] = {}
    while True:
        ticks = await venue.tickers(symbols)
        changed = [tick for tick in ticks if seen.get(tick.symbol) != tick]
        seen.update((tick.symbol, tick) for tick in changed)
        yield changed
        await asyncio.sleep(POLL_SECONDS)


async def _poll_candles(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[tuple[str, Bar]]:
    running: dict[str, Bar] = {}
    while True:
        for name in symbols:
            before = running.get(name)
            since = before.ts if before else await venue.server_time() - 2 * MINUTE_MS
            bars = [_open(bar) for bar in await venue.candles(name, since, 100)]
            yield [(name, bar) for bar in advance(before, bars)]
            if bars:
                running[name] = bars[-1]
        await asyncio.sleep(POLL_SECONDS)


async def _poll_trades(venue: CcxtVenue, symbols: Sequence[str]) -> Stream[tuple[str, Trade]]:
    latest: dict[str, list[Trade]] = {}
    while True:
        for name in symbols:
            before = latest.get(name)
            since, after = (before[-1].ts, before[-1].trade_id) if before else (None, None)
            page = await venue.trades(name, since, after, _TRADE_PAGE)
            known = {trade.trade_id for trade in before or ()}
            new = [trade for trade in page if trade.trade_id not in known]
            yield [(name, trade) for trade in new]
            if new:
                latest[name] = [*(before or ()), *new][-_TRADE_PAGE:]
        await asyncio.sleep(POLL_SECONDS)


def _open(bar: Bar) -> Bar:
    return Bar(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume, final=False)


def _of(method: Callable[..., Awaitable[Any]], *arguments: object) -> Call:
    return lambda: method(*arguments)
