"""Making the stored minutes equal the venue's: one walk for the first load, for gaps, outages and corrections.

Each series remembers up to when it was read from the venue's own list after the minutes had closed. A check reads the
list from a little before that on, stores what has closed and moves the mark, both in one transaction. So it does not
matter why something is missing: the process was killed, the venue was down, the database stopped, a stream said nothing
or something inexact. What is closed is decided by the list, not by a clock: every minute of an answer but the last. The
last counts as closed when the venue's own time is well past its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fullon.kernel.timeframes import DAY_MS, MINUTE_MS
from fullon.market import candles_store, recent_bars
from fullon.market.candles_store import Writer
from fullon.market.figures import SILENT, Figures
from fullon.market.recent_bars import RecentBars
from fullon.venues.clock import VenueClock
from fullon.venues.model import Symbol
from fullon.venues.port import MarketData
from fullon.venues.quotes import Bar

if TYPE_CHECKING:
    from fullon.market.candles_store import Connection

#: Minutes of one answer.
PAGE = 1000
#: Minutes before the mark that are read again, for corrections that came late.
OVERLAP = 10
#: A minute without a successor is over when the venue's time is this far past its end.
_GRACE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a page of the venue's list came to.

    Attributes:
        listed: the closed minutes, by time.
        changed: those of them that were new or different in the store.
        until: the store equals the venue's list up to here, epoch milliseconds.
        newest: the last minute of the answer in which something was traded, closed or not; None without any.
        more: the venue has closed minutes after ``until`` already.
    """

    listed: dict[int, Bar]
    changed: list[int]
    until: int
    newest: int | None
    more: bool


class CandleCheck:
    """Checks series of one venue.

    Args:
        transaction: opens one on the candle database.
        writer: whose fence guards it.
        figures: told how many minutes were stored.
    """

    def __init__(
        self,
        data: MarketData,
        clock: VenueClock,
        transaction: Callable[[], AbstractAsyncContextManager[Connection]],
        writer: Writer,
        figures: Figures = SILENT,
    ) -> None:
        self._data = data
        self._clock = clock
        self._transaction = transaction
        self._writer = writer
        self._figures = figures

    async def begin(self, symbol: Symbol) -> int:
        """Where to read from: a little before the mark, or as many days back as the symbol asks for."""
        now = self._clock.now() or await self._clock.ask()
        async with self._transaction() as connection:
            until = await candles_store.verified_until(connection, symbol.symbol_id)
            if until is None:
                since = _minute(now - symbol.backtest * DAY_MS)
                await candles_store.guard(connection, self._writer)
                await candles_store.set_verified(connection, symbol.symbol_id, since)
                return since
        # A replayed venue may have gone back to an earlier time: then there is nothing to read at the mark.
        return min(until, _minute(now)) - OVERLAP * MINUTE_MS

    async def page(self, symbol: Symbol, since: int) -> Checked:
        """Read one page of the venue's list from ``since`` on and store what has closed."""
        bars = await self._data.candles(symbol.symbol, since, PAGE)
        closed = await self._closed(bars)
        until = closed[-1].ts + MINUTE_MS if closed else since
        if not bars and since + PAGE * MINUTE_MS < self._clock.now():
            until = since + PAGE * MINUTE_MS  # nothing was traded, or nothing is kept, for so long
        changed: list[tuple[int, int]] = []
        if until > since:
            async with self._transaction() as connection:
                await candles_store.guard(connection, self._writer)
                changed = await candles_store.put_candles(connection, [(symbol.symbol_id, bar) for bar in closed])
                await candles_store.set_verified(connection, symbol.symbol_id, until)
            self._figures.candles_stored(len(changed))
        more = until > since + OVERLAP * MINUTE_MS and until + MINUTE_MS < self._clock.now()
        return Checked(
            listed={bar.ts: bar for bar in closed},
            changed=[ts for _, ts in changed],
            until=until,
            newest=max((bar.ts for bar in bars if bar.volume > 0), default=None),
            more=more,
        )

    async def put_closed(self, bars: Sequence[tuple[Symbol, Bar]]) -> None:
        """Store minutes as the stream closed them, ahead of their check."""
        async with self._transaction() as connection:
            await candles_store.guard(connection, self._writer)
            changed = await candles_store.put_candles(connection, [(symbol.symbol_id, bar) for symbol, bar in bars])
        self._figures.candles_stored(len(changed))

    async def stored(self, symbol: Symbol, since: int | None) -> RecentBars:
        """Bars of every timeframe from what is stored; see :func:`fullon.market.recent_bars.load`."""
        async with self._transaction() as connection:
            return await recent_bars.load(connection, symbol.symbol_id, since)

    async def _closed(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        if not bars:
            return bars
        over = bars[-1].ts + MINUTE_MS + _GRACE_MS
        if self._clock.now() >= over and await self._clock.ask() >= over:
            return bars
        return bars[:-1]


def _minute(moment: int) -> int:
    return moment - moment % MINUTE_MS
