"""Use cases of reading the market: the latest candles, candles and trades of a range, gapless series.

PostgreSQL holds what has closed; the bars that run come from Valkey, and when that is away, or behind PostgreSQL, from
the minutes stored so far. Whether a bar is final is decided by what is known of the venue's clock, never by this
machine's: stored minutes have closed, and so has everything before a newer bar.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import cache, packed, store, stored_rows
from fullon.market.catalogue import Catalogue
from fullon.market.store import Series, StoredTrade
from fullon.venues.quotes import Bar

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

    from fullon.market.store import Connection

    Pools = Callable[[], Awaitable[asyncpg.Pool[Any]]]
    Connections = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles of one timeframe, oldest first.

    Attributes:
        stored: packed rows, all final.
        tail: the newest ones, which are not stored as final: they run, or have only just closed.
        next_start: where the next page begins, epoch milliseconds; None when there is none.
        settled: nothing in this answer can change any more.
        known_until: the venue's clock has passed this, epoch milliseconds.
    """

    stored: Sequence[bytes] = ()
    tail: Sequence[Bar] = ()
    next_start: int | None = None
    settled: bool = False
    known_until: int = 0

    @property
    def total(self) -> int:
        """How many candles these are."""
        return stored_rows.total(self.stored) + len(self.tail)


class MarketData:
    """Candles and trades of the catalogue's symbols.

    Args:
        candles: the pool on the candle database.
        platform: opens a connection of the platform database.
        valkey: where the running bars are; may be down.
    """

    def __init__(self, candles: Pools, platform: Connections, valkey: Redis) -> None:
        self._candles = candles
        self._catalogue = Catalogue(platform)
        self._valkey = valkey

    async def latest(self, exchange: str, symbol: str, timeframe: Timeframe, limit: int) -> tuple[Series, Candles]:
        """The latest ``limit`` candles that exist.

        Raises:
            UnknownExchange, UnknownSymbol: the catalogue does not have it.
        """
        exchange = exchange.lower()
        (known, rows), present = await asyncio.gather(
            self._latest(exchange, symbol, timeframe, limit),
            cache.present(self._valkey, exchange, symbol, timeframe),
        )
        series = known or await self._without_data(exchange, symbol)
        found = _joined(series, timeframe, rows, present)
        tail = found.tail[-limit:]
        return series, replace(found, stored=stored_rows.newest(found.stored, limit - len(tail)), tail=tail)

    async def between(
        self, exchange: str, symbol: str, timeframe: Timeframe, start: int, end: int | None, limit: int
    ) -> tuple[Series, Candles]:
        """The first ``limit`` candles that begin in ``start`` ≤ time < ``end`` (epoch milliseconds).

        Raises:
            UnknownExchange, UnknownSymbol: the catalogue does not have it.
        """
        begin = timeframe.floor(start) if timeframe.floor(start) == start else timeframe.next(start)
        stop = None if end is None else max(begin, timeframe.next(end - 1))
        async with (await self._candles()).acquire() as connection:
            known, rows = await stored_rows.between(
                connection, exchange.lower(), symbol, timeframe, begin, stop, limit + 1
            )
        series = known or await self._without_data(exchange, symbol)
        if stored_rows.total(rows) > limit:
            return series, _page(Candles(rows, known_until=series.closed_until), limit, series, None)
        present = None
        if stop is None or stop > series.closed_until:
            present = await cache.present(self._valkey, series.exchange, series.symbol, timeframe)
        found = _joined(series, timeframe, rows, present)
        tail = [bar for bar in found.tail if begin <= bar.ts and (end is None or bar.ts < end)]
        found = replace(found, tail=tail)
        return series, _page(found, limit, series, stop)

    async def filled(
        self, exchange: str, symbol: str, timeframe: Timeframe, start: int, end: int | None, limit: int
    ) -> tuple[Series, Candles]:
        """Like :meth:`between`, with a flat candle at the close before, without volume, for every bucket without one.

        Filling begins with the first candle there ever was and goes as far as the venue's clock is known.
        """
        begin = timeframe.floor(start) if timeframe.floor(start) == start else timeframe.next(start)
        stop = begin
        for _ in range(limit):
            stop = timeframe.next(stop)
        window = stop if end is None else min(stop, timeframe.next(end - 1))
        series, found = await self.between(exchange, symbol, timeframe, begin, max(window, begin + 1), limit)
        if series.series_id is None:
            return series, found
        async with (await self._candles()).acquire() as connection:
            before = await store.close_before(connection, series.series_id, begin)
        known = found.tail[-1].ts + 1 if found.tail else timeframe.floor(found.known_until)
        present = packed.unpack(b"".join(found.stored)) + list(found.tail)
        bars = packed.fill(present, timeframe, begin, min(window, known), before)
        final = next((number for number, bar in enumerate(bars) if not bar.final), len(bars))
        more = window if window < known and (end is None or window < end) else None
        return series, replace(found, stored=[packed.pack(bars[:final])], tail=bars[final:], next_start=more)

    async def latest_trades(self, exchange: str, symbol: str, limit: int) -> tuple[Series, list[StoredTrade]]:
        """The latest public trades, oldest first."""
        async with (await self._candles()).acquire() as connection:
            series = await self._series(connection, exchange, symbol)
            if series.series_id is None:
                return series, []
            return series, await store.latest_trades(connection, series.series_id, limit)

    async def trades_between(
        self,
        exchange: str,
        symbol: str,
        start: datetime,
        end: datetime | None,
        limit: int,
        after: tuple[int, str] | None = None,
    ) -> tuple[Series, list[StoredTrade]]:
        """The first public trades with ``start`` ≤ time < ``end``; ``after`` as in :func:`store.trades_between`."""
        async with (await self._candles()).acquire() as connection:
            series = await self._series(connection, exchange, symbol)
            if series.series_id is None:
                return series, []
            return series, await store.trades_between(connection, series.series_id, start, end, limit, after)

    async def find(self, exchange: str, symbol: str) -> Series:
        """What is known of a symbol's candles.

        Raises:
            UnknownExchange, UnknownSymbol: the catalogue does not have it.
        """
        async with (await self._candles()).acquire() as connection:
            return await self._series(connection, exchange, symbol)

    async def _series(self, connection: Connection, exchange: str, symbol: str) -> Series:
        found = await store.series(connection, exchange.lower(), symbol)
        return found or await self._without_data(exchange, symbol)

    async def _without_data(self, exchange: str, symbol: str) -> Series:
        known = await self._catalogue.symbol(exchange, symbol)
        return Series(None, known.exchange, known.symbol)

    async def _latest(
        self, exchange: str, symbol: str, timeframe: Timeframe, limit: int
    ) -> tuple[Series | None, list[bytes]]:
        async with (await self._candles()).acquire() as connection:
            return await stored_rows.latest(connection, exchange, symbol, timeframe, limit)


def _joined(series: Series, timeframe: Timeframe, rows: Sequence[bytes], present: cache.Present | None) -> Candles:
    """Stored rows, and behind what the store knows to be over, what the cache says of the newest buckets."""
    stored = [chunk for chunk in rows if chunk]
    if present is not None and present.minute.ts + MINUTE_MS < series.closed_until:
        present = None  # PostgreSQL is ahead of it
    tail: dict[int, Bar] = {}
    if stored and timeframe.next(packed.last_ts(stored[-1])) > series.closed_until:
        [bar] = packed.unpack(stored[-1][-packed.ROW.size :], final=False)
        tail[bar.ts] = bar
        stored[-1] = stored[-1][: -packed.ROW.size]
        stored = [chunk for chunk in stored if chunk]
    if present is not None:
        closed = packed.last_ts(stored[-1]) if stored else -1
        tail.update((bar.ts, bar) for bar in (*present.recent, present.bar) if bar.ts > closed)
    known_until = max(series.closed_until, present.known_until if present else 0)
    return Candles(stored, [tail[ts] for ts in sorted(tail)], known_until=known_until)


def _page(found: Candles, limit: int, series: Series, end: int | None) -> Candles:
    """The first ``limit`` candles, where the next page begins, and whether any of it can still change."""
    kept = stored_rows.oldest(found.stored, limit)
    surplus, room = stored_rows.total(found.stored) - limit, limit - stored_rows.total(kept)
    tail, next_start = found.tail[:room], None
    if surplus > 0:
        next_start = packed.first_ts(stored_rows.newest(found.stored, surplus)[0])
    elif len(found.tail) > room:
        next_start = found.tail[room].ts
    covered = next_start or end
    settled = not tail and covered is not None and covered <= series.verified_until
    return replace(found, stored=kept, tail=tail, next_start=next_start, settled=settled)
