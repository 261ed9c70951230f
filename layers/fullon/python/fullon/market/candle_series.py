"""The live bars of one symbol: from the stream as they run, from the store whenever it knows better."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market.recent_bars import RecentBars
from fullon.market.running_bars import RunningBars
from fullon.venues.model import Symbol
from fullon.venues.quotes import Bar

#: Final bars of each timeframe that are remembered, to see whether list and store say the same.
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
        #: The last bars said to be final; a minute the list has and these do not is news.
        self._told: dict[Timeframe, dict[int, Bar]] = {timeframe: {} for timeframe in Timeframe}

    def take(self, minute: Bar) -> None:
        """A minute of the stream, running or closed."""
        before, self.streamed = self.streamed, minute
        if minute.final:
            self.wake.set()
            if self.ready:
                self.closed.append(minute)
        elif before is not None and before.ts < minute.ts and not before.final:
            self.wake.set()  # the close of the one before was never said
        if self.ready:
            self._announce(self._bars.update(minute))

    def learn(self, listed: Mapping[int, Bar], changed: Iterable[int]) -> int | None:
        """Closed minutes of the venue's list, and which of them were new or different in the store.

        Returns:
            The earliest that the live bars hold otherwise or cannot take any more: they must begin anew from it.
        """
        told, running = self._told[Timeframe.M1], self._bars.running
        news = [bar for ts, bar in sorted(listed.items()) if ts >= self._bars.closed_until]
        wrong = [ts for ts in changed if ts < self._bars.closed_until and told.get(ts) != listed[ts]]
        late = running is not None and any(bar.ts < running.ts for bar in news)
        if late or not self.ready or len(news) > _REMEMBERED:
            wrong += [bar.ts for bar in news]
        else:
            for bar in news:
                self._announce(self._bars.update(bar))
        return min(wrong, default=None)

    def take_pending(self) -> list[tuple[Timeframe, Bar]]:
        """What is to be announced, which is then no longer pending."""
        taken, self.pending = self.pending, {}
        return [(timeframe, bar) for (timeframe, _), bar in taken.items()]

    def pass_time(self, now: int) -> None:
        """The venue's time is ``now`` (epoch milliseconds), whether or not anything was traded."""
        if self.ready:
            self._announce(self._bars.pass_time(now))

    def restart(self, stored: RecentBars, *, announce: bool) -> Mapping[Timeframe, Sequence[Bar]]:
        """Go on from what is stored.

        Args:
            announce: the final bars in ``stored`` are news, and not merely history.

        Returns:
            Final bars that are to be put into the cache quietly.
        """
        self._bars = RunningBars(stored.parts, stored.closed_until)
        self.ready = True
        news = [(timeframe, bar) for timeframe, bars in stored.final.items() for bar in bars]
        quiet = {} if announce and len(news) <= _ANNOUNCED else stored.final
        for timeframe, bars in quiet.items():
            for bar in bars:
                self.pending.pop((timeframe, bar.ts), None)
        changes = [] if quiet else news
        changes += stored.parts.items()
        # The stream went on while the store was read.
        for ts, minute in sorted(self._told[Timeframe.M1].items()):
            if ts >= stored.closed_until:
                changes += self._bars.update(minute)
        if self.streamed is not None:
            changes += self._bars.update(self.streamed)
        self._announce(self._untold(changes))
        return quiet

    def is_behind(self, listed: int) -> bool:
        """Whether the venue lists a minute (epoch milliseconds) that its stream should have begun long ago."""
        return self.streamed is None or self.streamed.ts + MINUTE_MS < listed

    def _untold(self, changes: Iterable[tuple[Timeframe, Bar]]) -> Iterator[tuple[Timeframe, Bar]]:
        """Leave out what was said to be final already, up to the first bar of a timeframe that is news."""
        fresh: set[Timeframe] = set()
        for timeframe, bar in changes:
            told = self._told[timeframe].get(bar.ts)
            if timeframe not in fresh and told is not None and (not bar.final or _same(told, bar)):
                continue
            if bar.final:
                fresh.add(timeframe)
            yield timeframe, bar

    def _announce(self, bars: Iterable[tuple[Timeframe, Bar]]) -> None:
        for timeframe, bar in bars:
            self.pending.pop((timeframe, bar.ts), None)
            self.pending[timeframe, bar.ts] = bar
            if bar.final:
                told = self._told[timeframe]
                told.pop(bar.ts, None)
                told[bar.ts] = bar
                if len(told) > _REMEMBERED:
                    del told[next(iter(told))]


def _same(one: Bar, other: Bar) -> bool:
    """Whether two bars are one; sums of volumes may differ in their last digits."""
    return (one.ts, one.open, one.high, one.low, one.close) == (
        other.ts,
        other.open,
        other.high,
        other.low,
        other.close,
    ) and math.isclose(one.volume, other.volume, rel_tol=1e-9)
