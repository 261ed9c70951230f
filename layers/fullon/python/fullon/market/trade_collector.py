"""Public trades of one venue: by its streams, with its lists filling in what was missed whenever a stream opens.

Trades go two ways, each at its own pace: into PostgreSQL, where writing one again changes nothing, and into a stream
in Valkey, after the last one that is in it. While one of the two is away its trades wait in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import TYPE_CHECKING

from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Troubles
from fullon.market import candles_store, trades_store
from fullon.market.candles_store import Writer
from fullon.market.figures import SILENT, Figures
from fullon.market.live_cache import LiveCache, Series
from fullon.market.trade_catch_up import catch_up
from fullon.market.trade_series import TradeSeries
from fullon.venues.follow import SILENCE_SECONDS, follow
from fullon.venues.model import Symbol, Venue
from fullon.venues.port import MarketData
from fullon.venues.quotes import Trade

if TYPE_CHECKING:
    from fullon.market.candles_store import Connection

_PUBLISH_SECONDS = 0.05
_STORE_SECONDS = 0.25
_RETRY_SECONDS = 1.0
#: Trades in one entry of the stream.
_BATCH = 100
#: Trades that wait while a store is away; beyond this the oldest are let go, and the log says so.
_WAITING = 200_000
_DRAIN_SECONDS = 5.0
#: A stream's second look at the list: by now every subscription is in force.
_SETTLE_SECONDS = 3.0
_SYMBOLS_A_STREAM = 500
_AT_ONCE = 4

_log = logging.getLogger("fullon.trades")


class TradeCollector:
    """Collects until cancelled, and then puts away what waits.

    Args:
        transaction: opens one on the candle database.
        writer: whose fence guards it.
        leading: whether anything may still be written at the end.
        progress: told how many trades were taken in.
        figures: told how many were written where, and how long they had waited.
    """

    def __init__(
        self,
        venue: Venue,
        data: MarketData,
        symbols: Sequence[Symbol],
        cache: LiveCache,
        transaction: Callable[[], AbstractAsyncContextManager[Connection]],
        writer: Writer,
        *,
        leading: Callable[[], bool],
        troubles: Troubles,
        progress: Callable[[int], None],
        figures: Figures = SILENT,
    ) -> None:
        self._venue = venue
        self._data = data
        self._symbols = {symbol.symbol: symbol for symbol in symbols}
        self._cache = cache
        self._transaction = transaction
        self._writer = writer
        self._leading = leading
        self._troubles = troubles
        self._progress = progress
        self._figures = figures
        self._arrived: float | None = None
        self._series: dict[str, TradeSeries] = {}
        self._published: dict[str, tuple[int, int]] = {}
        self._unpublished: list[tuple[str, Trade]] = []
        self._unstored: list[tuple[int, Trade]] = []
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._silence = float(venue.params.get("silence_seconds", SILENCE_SECONDS))

    async def run(self) -> None:
        """Work until cancelled."""
        await self._begin()
        names = list(self._symbols)
        try:
            async with asyncio.TaskGroup() as tasks:
                for start in range(0, len(names), _SYMBOLS_A_STREAM):
                    tasks.create_task(self._stream(names[start : start + _SYMBOLS_A_STREAM]))
                tasks.create_task(self._publish_forever())
                tasks.create_task(self._store_forever())
        finally:
            if self._leading():
                await self._drain()

    async def _begin(self) -> None:
        """Find where each series ends; the older of the two ends is where its list is read from."""
        outage = self._troubles.outage(f"stored trades of {self._venue.name}")
        ids = {symbol.symbol_id: name for name, symbol in self._symbols.items()}
        stored: dict[str, Trade] = {}
        published: dict[Series, Trade] = {}
        while True:
            try:
                async with self._transaction() as connection:
                    ends = await trades_store.last_trades(connection, list(ids))
                stored = {ids[series_id]: trade for series_id, trade in ends.items()}
                published = await self._cache.trades_ends([(self._venue.name, name) for name in self._symbols])
            except Unavailable as error:
                outage.failed(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                outage.passed()
                break
        for name in self._symbols:
            known = [end for end in (stored.get(name), published.get((self._venue.name, name))) if end is not None]
            last = min(known, key=lambda trade: trade.order, default=None)
            self._series[name] = TradeSeries(last)
            newest = published.get((self._venue.name, name)) or stored.get(name)
            self._published[name] = newest.order if newest is not None else (0, 0)

    async def _stream(self, names: Sequence[str]) -> None:
        opened, spoke = asyncio.Event(), asyncio.Event()

        def opening() -> None:
            for name in names:
                self._series[name].hold()
            spoke.clear()
            opened.set()

        def deliver(batch: Sequence[tuple[str, Trade]]) -> None:
            if self._arrived is None:
                self._arrived = monotonic()
            for name, trade in batch:
                self._series[name].take((trade,))
            self._progress(len(batch))
            spoke.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill_in(names, opened, spoke))
            await follow(
                lambda: self._data.stream_trades(names),
                deliver,
                what=f"trade stream of {self._venue.name}",
                troubles=self._troubles,
                silence=self._silence,
                opening=opening,
            )

    async def _fill_in(self, names: Sequence[str], opened: asyncio.Event, spoke: asyncio.Event) -> None:
        """After each opening read the lists: at once, when the stream has said its first word, and soon after that.

        What the stream says waits until the second time, so that trades come in their order. The third is for
        subscriptions that began later than the first word.
        """
        while True:
            await opened.wait()
            opened.clear()
            await self._read_lists(names)
            await spoke.wait()
            ends = await self._read_lists(names)
            for name in names:
                self._series[name].release()
            await asyncio.sleep(_SETTLE_SECONDS)
            if not opened.is_set():
                await self._read_lists(names, ends)

    async def _read_lists(
        self, names: Sequence[str], begins: Mapping[str, Trade | None] | None = None
    ) -> dict[str, Trade | None]:
        """Read the lists after ``begins``, or after the last trades known; returns the last ones read."""
        begins = begins or {name: self._series[name].last for name in names}
        found = await asyncio.gather(*(self._read_list(name, begins[name]) for name in names))
        return dict(zip(names, found, strict=True))

    async def _read_list(self, name: str, begin: Trade | None) -> Trade | None:
        async with self._turns:
            return await catch_up(self._data, name, self._series[name], begin, self._troubles)

    async def _publish_forever(self) -> None:
        outage = self._troubles.outage("Valkey")
        while True:
            await asyncio.sleep(_PUBLISH_SECONDS)
            try:
                await self._publish()
                outage.passed()
            except Unavailable as error:
                outage.failed(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _store_forever(self) -> None:
        outage = self._troubles.outage(f"stored trades of {self._venue.name}")
        while True:
            await asyncio.sleep(_STORE_SECONDS)
            try:
                await self._store()
                outage.passed()
            except Unavailable as error:
                outage.failed(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _publish(self) -> None:
        self._collect()
        published = len(self._unpublished)
        while self._unpublished:
            part = self._unpublished[:1000]
            batches: dict[str, list[Trade]] = {}
            for name, trade in part:
                batches.setdefault(name, []).append(trade)
            await self._cache.put_trades(
                [
                    ((self._venue.name, name), trades[start : start + _BATCH])
                    for name, trades in batches.items()
                    for start in range(0, len(trades), _BATCH)
                ]
            )
            del self._unpublished[: len(part)]
        if published and self._arrived is not None:
            self._figures.trades_published(published, (monotonic() - self._arrived) * 1000)
            self._arrived = None

    async def _store(self) -> None:
        self._collect()
        while self._unstored:
            part = self._unstored[:5000]
            async with self._transaction() as connection:
                await candles_store.guard(connection, self._writer)
                await trades_store.put_trades(connection, part)
            del self._unstored[: len(part)]
            self._figures.trades_stored(len(part))

    def _collect(self) -> None:
        """Move what the series took to where it waits for each store."""
        for name, series in self._series.items():
            if not series.waiting:
                continue
            trades = series.take_waiting()
            self._unstored += [(self._symbols[name].symbol_id, trade) for trade in trades]
            # Late ones of this run are published late rather than never; those of a run before are in the stream.
            self._unpublished += [(name, trade) for trade in trades if trade.order > self._published[name]]
        for waiting in (self._unstored, self._unpublished):
            if len(waiting) > _WAITING:
                _log.error("trades let go", extra={"exchange": self._venue.name, "count": len(waiting) - _WAITING})
                del waiting[: len(waiting) - _WAITING]
        self._figures.trades_waiting(max(len(self._unstored), len(self._unpublished)))

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._store()
                await self._publish()
        except (Unavailable, TimeoutError) as error:
            _log.warning("trades left behind", extra={"exchange": self._venue.name, "cause": repr(error)})
