"""Candles of one venue: the history by its list, then live by its stream, checked against the list every minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Backoff, Troubles, insist
from fullon.market.candle_check import CandleCheck, Checked
from fullon.market.candle_series import CandleSeries
from fullon.market.live_cache import LiveCache
from fullon.venues.clock import VenueClock
from fullon.venues.follow import SILENCE_SECONDS, Hold, follow
from fullon.venues.model import Symbol, Venue
from fullon.venues.port import MarketData
from fullon.venues.quotes import Bar

#: Running bars of all symbols go out together, this far apart.
_FLUSH_SECONDS = 0.02
#: Minutes closed by the stream are stored together, this far apart.
_STORE_SECONDS = 0.1
#: A symbol is not checked more often than this, however fast the venue's time runs.
_CHECK_SECONDS = 1.0
#: After a minute's end by the venue's clock, its list is given so long.
_SETTLE_SECONDS = 0.5
_CLOCK_FIRST_SECONDS = 1.0
_CLOCK_SECONDS = 16.0
_LOOK_SECONDS = 5.0
#: Checks of one venue at a time; the rest waits its turn.
_AT_ONCE = 4
#: A stream that is behind the list in so many checks in a row is opened anew.
_BEHIND = 3
_SYMBOLS_A_STREAM = 500

_log = logging.getLogger("fullon.candles")


class CandleCollector:
    """Collects until cancelled.

    Args:
        check: the way to the venue's list and the store.
        cache: the way to the live bars.
        owner: this instance; written to Valkey, so that a Valkey that lost its memory is noticed.
        progress: told how many bars were taken in.
    """

    def __init__(
        self,
        venue: Venue,
        data: MarketData,
        symbols: Sequence[Symbol],
        check: CandleCheck,
        cache: LiveCache,
        *,
        owner: str,
        venue_clock: VenueClock,
        clock: Clock,
        troubles: Troubles,
        progress: Callable[[int], None],
    ) -> None:
        self._venue = venue
        self._data = data
        self._series = {symbol.symbol: CandleSeries(symbol) for symbol in symbols}
        self._check = check
        self._cache = cache
        self._owner = owner
        self._venue_clock = venue_clock
        self._clock = clock
        self._troubles = troubles
        self._progress = progress
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._changed = asyncio.Event()
        self._cache_outage = troubles.outage("Valkey")
        self._silence = float(venue.params.get("silence_seconds", SILENCE_SECONDS))

    async def run(self) -> None:
        """Work until cancelled. Nothing is put away at the end: what is not stored yet, the next check finds."""
        names = list(self._series)
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(names), _SYMBOLS_A_STREAM):
                hold, group = Hold(), names[start : start + _SYMBOLS_A_STREAM]
                tasks.create_task(self._stream(group, hold))
                for name in group:
                    tasks.create_task(self._watch(self._series[name], hold))
            tasks.create_task(self._keep_clock())
            tasks.create_task(self._flush())
            tasks.create_task(self._store())
            tasks.create_task(self._restore())

    async def _stream(self, names: Sequence[str], hold: Hold) -> None:
        def deliver(batch: Sequence[tuple[str, Bar]]) -> None:
            for name, bar in batch:
                self._series[name].take(bar)
            self._progress(len(batch))
            self._changed.set()

        await follow(
            lambda: self._data.stream_candles(names),
            deliver,
            what=f"candle stream of {self._venue.name}",
            troubles=self._troubles,
            silence=self._silence,
            hold=hold,
        )

    async def _watch(self, series: CandleSeries, hold: Hold) -> None:
        """Check one symbol again and again: when the stream closes a minute, and in any case once a minute."""
        outage = self._troubles.outage(f"list of candles of {self._venue.name}")
        behind = 0
        while True:
            began = self._clock.monotonic()
            series.wake.clear()
            last = await insist(lambda: self._walk(series), outage, first=0.25, longest=10.0)
            behind = behind + 1 if last.newest is not None and series.is_behind(last.newest) else 0
            if behind >= _BEHIND:
                _log.warning("stream is behind the venue's list", extra={"symbol": series.symbol.symbol})
                hold.abandon()
                behind = 0
            due = began + _CHECK_SECONDS
            streamed = series.streamed
            if streamed is None or not streamed.final or streamed.ts < last.until:
                await self._until_told(series)
            # else the stream closed a minute that the list did not have yet: look again soon
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))

    async def _until_told(self, series: CandleSeries) -> None:
        """Until the stream gives a reason to check, or the minute is over."""
        try:
            async with asyncio.timeout(self._venue_clock.until_next_minute() + _SETTLE_SECONDS):
                await series.wake.wait()
        except TimeoutError:
            return

    async def _walk(self, series: CandleSeries) -> Checked:
        """Bring the store up to the venue's list, page by page, and the live bars up to the store."""
        symbol = series.symbol
        since = await self._check.begin(symbol)
        since_wrong: int | None = None
        pages = 0
        while True:
            async with self._turns:
                checked = await self._check.page(symbol, since)
            self._progress(len(checked.listed))
            pages += 1
            wrong = series.learn(checked.listed, checked.changed)
            since_wrong = wrong if since_wrong is None else since_wrong
            if not checked.more:
                break
            since = checked.until
        if not series.ready:
            _log.info("history loaded", extra={"exchange": self._venue.name, "symbol": symbol.symbol, "pages": pages})
            await self._reload(series, None)
        elif since_wrong is not None:
            await self._reload(series, since_wrong)
        series.pass_time(checked.until)
        self._changed.set()
        return checked

    async def _reload(self, series: CandleSeries, since: int | None) -> None:
        """Go on from what is stored since then; None for all of it."""
        stored = await self._check.stored(series.symbol, since)
        quiet = series.restart(stored, announce=since is not None)
        self._changed.set()
        try:
            await self._cache.put_recent(series.key, quiet, whole=since is None)
        except Unavailable as error:
            self._cache_outage.failed(error)
            series.cached = False
        else:
            series.cached = series.cached or since is None

    async def _flush(self) -> None:
        backoff = Backoff(0.05, 2.0)
        while True:
            await self._changed.wait()
            self._changed.clear()
            taken = [(series, series.take_pending()) for series in self._series.values() if series.pending]
            try:
                if taken:
                    await self._cache.put_bars({series.key: bars for series, bars in taken})
            except Unavailable as error:
                self._cache_outage.failed(error)
                for series, _ in taken:
                    series.cached = False
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            self._cache_outage.passed()
            await asyncio.sleep(_FLUSH_SECONDS)

    async def _restore(self) -> None:
        """Write bars of every timeframe again where Valkey lost them or never got them."""
        outage = self._troubles.outage(f"recent candles of {self._venue.name}")  # either store may be the one away
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if not await self._cache.is_marked(self._owner):
                    for series in self._series.values():
                        series.cached = False
                    await self._cache.mark(self._owner)
                for series in self._series.values():
                    if series.ready and not series.cached:
                        await self._reload(series, None)
                outage.passed()
            except Unavailable as error:
                outage.failed(error)

    async def _store(self) -> None:
        """Store what the stream closed; what cannot be stored now is found by the checks later."""
        outage = self._troubles.outage(f"stored candles of {self._venue.name}")
        while True:
            await asyncio.sleep(_STORE_SECONDS)
            taken = [(series.symbol, bar) for series in self._series.values() for bar in series.closed]
            for series in self._series.values():
                series.closed.clear()
            if not taken:
                continue
            try:
                await self._check.put_closed(taken)
                outage.passed()
            except Unavailable as error:
                outage.failed(error)

    async def _keep_clock(self) -> None:
        """Ask for the venue's time: twice to learn its speed, then now and then."""
        outage = self._troubles.outage(f"clock of {self._venue.name}")
        pause = _CLOCK_FIRST_SECONDS
        while True:
            await insist(self._venue_clock.ask, outage, longest=15.0)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _CLOCK_SECONDS)
