"""Ticks from the venues to Valkey: every change is published, many in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Backoff, Troubles
from fullon.market.figures import SILENT, Figures
from fullon.market.live_cache import LiveCache
from fullon.venues.follow import SILENCE_SECONDS, follow
from fullon.venues.model import Symbol, Venue
from fullon.venues.port import MarketData
from fullon.venues.quotes import Tick
from fullon.venues.roster import listed

#: Two writes are at least this far apart; a tick waits no longer than it and one round trip.
FLUSH_SECONDS = 0.005
#: Ticks in one message; a frame of the socket API holds about 150.
_BATCH = 500
#: With more than this waiting only the latest of each symbol is kept: Valkey, or this process, is too slow.
_WAITING = 5_000
_LOOK_SECONDS = 5.0
#: Streams of a venue share sockets in groups of so many symbols.
_SYMBOLS_A_STREAM = 400


class TickPublisher:
    """Takes ticks without waiting and writes them in batches.

    Args:
        owner: this instance; written to Valkey, so that a Valkey that lost its memory is noticed.
        progress: told how many ticks were written.
        figures: told that, and how long they had waited.
    """

    def __init__(
        self,
        cache: LiveCache,
        owner: str,
        troubles: Troubles,
        progress: Callable[[int], None],
        figures: Figures = SILENT,
    ) -> None:
        self._cache = cache
        self._owner = owner
        self._outage = troubles.outage("Valkey")
        self._progress = progress
        self._figures = figures
        self._oldest = 0.0
        self._waiting: list[Tick] = []
        self._latest: dict[tuple[str, str], Tick] = {}
        self._bell = asyncio.Event()

    def offer(self, ticks: Sequence[Tick]) -> None:
        """Have ``ticks`` written soon."""
        if not self._waiting:
            self._oldest = monotonic()
        for tick in ticks:
            self._latest[tick.exchange, tick.symbol] = tick
        self._waiting.extend(ticks)
        if len(self._waiting) > _WAITING:
            self._waiting = _newest(self._waiting)
        self._bell.set()

    async def start_over(self, exchange: str, symbols: Sequence[str]) -> None:
        """From now on these are the symbols of ``exchange``; what is known of others is forgotten."""
        for key in [key for key in self._latest if key[0] == exchange and key[1] not in symbols]:
            del self._latest[key]
        try:
            await self._cache.keep_only(exchange, symbols)
        except Unavailable as error:
            self._outage.failed(error)

    async def run(self) -> None:
        """Write until cancelled; while Valkey is away the latest of each symbol is kept."""
        backoff = Backoff(0.05, 2.0)
        while True:
            await self._bell.wait()
            self._bell.clear()
            arrived = self._oldest
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                await self._cache.put_ticks(batch)
            except Unavailable as error:
                self._outage.failed(error)
                self._waiting, self._oldest = _newest(batch + self._waiting), arrived
                self._bell.set()
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            self._outage.passed()
            self._progress(len(batch))
            self._figures.ticks_written(len(batch), (monotonic() - arrived) * 1000)
            if self._waiting:
                self._bell.set()
            else:
                await asyncio.sleep(FLUSH_SECONDS)

    async def restore(self) -> None:
        """Write everything again whenever Valkey has lost it; runs until cancelled."""
        while True:
            try:
                if not await self._cache.is_marked(self._owner):
                    self.offer(list(self._latest.values()))
                    await self._cache.mark(self._owner)
            except Unavailable as error:
                self._outage.failed(error)
            await asyncio.sleep(_LOOK_SECONDS)


async def collect(
    venue: Venue, data: MarketData, symbols: Sequence[Symbol], publisher: TickPublisher, troubles: Troubles
) -> None:
    """Stream the tickers of a venue to ``publisher`` until cancelled."""
    names = [symbol.symbol for symbol in await listed(data, symbols, troubles)]
    await publisher.start_over(venue.name, names)
    silence = float(venue.params.get("silence_seconds", SILENCE_SECONDS))
    groups = [names[start : start + _SYMBOLS_A_STREAM] for start in range(0, len(names), _SYMBOLS_A_STREAM)]
    async with asyncio.TaskGroup() as tasks:
        for number, group in enumerate(groups, start=1):
            what = f"tickers of {venue.name}" + (f" ({number})" if len(groups) > 1 else "")
            tasks.create_task(_stream(data, group, publisher, what, troubles, silence))


async def _stream(
    data: MarketData, names: Sequence[str], publisher: TickPublisher, what: str, troubles: Troubles, silence: float
) -> None:
    await follow(lambda: data.stream_tickers(names), publisher.offer, what=what, troubles=troubles, silence=silence)


def _newest(ticks: Sequence[Tick]) -> list[Tick]:
    return list({(tick.exchange, tick.symbol): tick for tick in ticks}.values())
