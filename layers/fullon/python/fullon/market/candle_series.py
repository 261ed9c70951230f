"""The live bars of one symbol: from the stream as they run, from the store whenever it knows better."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market.recent_bars import RecentBars
from fullon.market.running_bars import RunningBars
from fullon.venues.model import Symbol
from fullon.venues.quotes import Bar

#: Closed minutes remembered to see whether the venue's list says the same as its stream did.
_REMEMBERED = 20
#: A correction that touches more bars than this goes into the cache without being announced bar by bar.
_ANNOUNCED = 500


class CandleSeries:
    """State of one symbol, changed by batches of the stream and by checks against the venue's list.

    Attributes:
        wake: set when there is reason to check at once.
        ready: the history is loaded, so bars of the stream continue it.
        pending: bars to be announced, each timeframe's in order; taken by whoever writes them.
        closed: minutes that the stream closed and nobody has stored yet.
        cached: Valkey has the recent bars; if not, they are written again.
    """

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.key = (symbol.exchange, symbol.symbol)
        self.wake = asyncio.Event()
        self.ready = False
        self.cached = False
        self.pending: dict[tuple[Timeframe, int], Bar] = {}
        self.closed: list[Bar] = []
        self.streamed: Bar | None = None
        self._bars = RunningBars()
        self._told: dict[int, Bar] = {}

    def take(self, minute: Bar) -> None:
        """A minute of the stream, running or closed."""
        before, self.streamed = self.streamed, minute
        if minute.final:
            self._remember(minute)
            self.wake.set()
            if self.ready:
                self.closed.append(minute)
        elif before is not None and before.ts < minute.ts and not before.final:
            self.wake.set()  # the close of the one before was never said
        if self.ready:
            self._announce(self._bars.update(minute))

    def take_pending(self) -> list[tuple[Timeframe, Bar]]:
        """What is to be announced, which is then no longer pending."""
        taken, self.pending = self.pending, {}
        return [(timeframe, bar) for (timeframe, _), bar in taken.items()]

    def pass_time(self, now: int) -> None:
        """The venue's time is ``now`` (epoch milliseconds), whether or not anything was traded."""
        if self.ready:
            self._announce(self._bars.pass_time(now))

    def surprising(self, changed: Iterable[int], listed: Mapping[int, Bar]) -> int | None:
        """The earliest of the minutes ``changed`` in the store that the stream told otherwise or not at all."""
        return min((ts for ts in changed if self._told.get(ts) != listed[ts]), default=None)

    def restart(self, stored: RecentBars, *, announce: bool) -> Mapping[Timeframe, Sequence[Bar]]:
        """Go on from what is stored.

        Args:
            announce: the final bars in ``stored`` are news, and not merely history.

        Returns:
            Final bars that are to be put into the cache quietly.
        """
        self._bars = RunningBars(stored.parts, stored.closed_until)
        self.ready = True
        self.pending.clear()
        news = [(timeframe, bar) for timeframe, bars in stored.final.items() for bar in bars]
        quiet = {} if announce and len(news) <= _ANNOUNCED else stored.final
        if not quiet:
            self._announce(news)
        self._announce(stored.parts.items())
        if self.streamed is not None:
            self._announce(self._bars.update(self.streamed))
        return quiet

    def is_behind(self, listed: int) -> bool:
        """Whether the venue lists a minute (epoch milliseconds) that its stream should have begun long ago."""
        return self.streamed is None or self.streamed.ts + MINUTE_MS < listed

    def _announce(self, bars: Iterable[tuple[Timeframe, Bar]]) -> None:
        for timeframe, bar in bars:
            self.pending.pop((timeframe, bar.ts), None)
            self.pending[timeframe, bar.ts] = bar

    def _remember(self, minute: Bar) -> None:
        self._told[minute.ts] = minute
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
