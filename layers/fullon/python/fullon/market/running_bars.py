"""Bars of every timeframe as they run, out of one-minute bars. Pure.

Every bar of a longer timeframe is exactly what its minutes say: open of the first, close of the last, highest high,
lowest low, sum of the volumes. Minutes in which nothing was traded may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.venues.quotes import Bar


def joined(first: Bar | None, second: Bar, start: int, *, final: bool) -> Bar:
    """The bar that begins at ``start`` and holds ``first``, if there is one, and then ``second``."""
    if first is None:
        return Bar(start, second.open, second.high, second.low, second.close, second.volume, final)
    return Bar(
        start,
        first.open,
        max(first.high, second.high),
        min(first.low, second.low),
        second.close,
        first.volume + second.volume,
        final,
    )


def aggregated(bars: Iterable[Bar], timeframe: Timeframe, closed_until: int) -> list[Bar]:
    """Bars of ``timeframe`` out of shorter ones, oldest first.

    Args:
        bars: in the order of their time; their buckets must not cross those of ``timeframe``.
        closed_until: buckets that end after this (epoch milliseconds) are not final.
    """
    found: list[Bar] = []
    for bar in bars:
        start = timeframe.floor(bar.ts)
        if found and found[-1].ts == start:
            found[-1] = joined(found[-1], bar, start, final=found[-1].final)
        else:
            found.append(joined(None, bar, start, final=timeframe.next(start) <= closed_until))
    return found


class RunningBars:
    """The present bar of each timeframe of one symbol.

    Args:
        parts: for each timeframe what its present bucket holds up to ``closed_until``; none where that is nothing.
        closed_until: end of the last minute the parts hold, epoch milliseconds.
    """

    def __init__(self, parts: Mapping[Timeframe, Bar] | None = None, closed_until: int = 0) -> None:
        self._parts = dict(parts or {})
        self._closed_until = closed_until
        self._running: Bar | None = None

    @property
    def closed_until(self) -> int:
        """End of the last minute that was closed, epoch milliseconds."""
        return self._closed_until

    @property
    def running(self) -> Bar | None:
        """The minute that runs."""
        return self._running

    def update(self, minute: Bar) -> list[tuple[Timeframe, Bar]]:
        """Take a minute, running or closed, and say which bars changed, in order.

        A minute that begins closes the one before. One that is closed already changes nothing: corrections of the past
        come from the store, with new parts.
        """
        if minute.ts < self._closed_until or (self._running is not None and minute.ts < self._running.ts):
            return []
        changed: list[tuple[Timeframe, Bar]] = []
        if self._running is not None and self._running.ts < minute.ts:
            changed += self._close(self._running)
        changed += self._ended(minute.ts)
        if minute.final:
            return changed + self._close(minute)
        self._running = minute
        return changed + [
            (timeframe, joined(self._parts.get(timeframe), minute, timeframe.floor(minute.ts), final=False))
            for timeframe in Timeframe
        ]

    def pass_time(self, now: int) -> list[tuple[Timeframe, Bar]]:
        """Close what has ended at the venue's time ``now`` although nothing was traded since."""
        changed: list[tuple[Timeframe, Bar]] = []
        if self._running is not None and self._running.ts + MINUTE_MS <= now:
            changed += self._close(self._running)
        return changed + self._ended(now)

    def _close(self, minute: Bar) -> list[tuple[Timeframe, Bar]]:
        changed = []
        self._running = None
        self._closed_until = minute.ts + MINUTE_MS
        for timeframe in Timeframe:
            start = timeframe.floor(minute.ts)
            final = timeframe.next(start) <= self._closed_until
            bar = joined(self._parts.get(timeframe), minute, start, final=final)
            if final:
                self._parts.pop(timeframe, None)
            else:
                self._parts[timeframe] = bar
            changed.append((timeframe, bar))
        return changed

    def _ended(self, now: int) -> list[tuple[Timeframe, Bar]]:
        """Bars whose bucket was over at ``now`` without their last minutes having been traded in."""
        over = [timeframe for timeframe, bar in self._parts.items() if timeframe.next(bar.ts) <= now]
        parts = [(timeframe, self._parts.pop(timeframe)) for timeframe in over]
        return [(timeframe, joined(None, bar, bar.ts, final=True)) for timeframe, bar in parts]
