"""Bars of every interval, each the exact sum of the trades in it.

A closed minute is the bar of the history; a longer bar the sum of its minutes; a bar that is not yet closed the sum of
whole minutes and of the trades since. Hours and days are kept once summed, so that a month costs thirty additions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

from fullon.kernel.timeframes import Timeframe
from local.paper.history import MINUTE_MS
from local.paper.prints import SLOTS, Prints, Tape, tally

HOUR, DAY = 60, 1440
_KEPT_BLOCKS = 4096


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a bar as Binance names it, with where its buckets begin."""

    name: str
    floor: Callable[[int], int]
    next: Callable[[int], int]


INTERVALS = {
    "1s": Interval("1s", lambda moment: moment - moment % 1000, lambda moment: moment - moment % 1000 + 1000)
} | {timeframe.value: Interval(timeframe.value, timeframe.floor, timeframe.next) for timeframe in Timeframe}


class Span(NamedTuple):
    """What was traded in a stretch of time. Ids are -1 where there was no trade."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    amount: int
    trades: int
    taker_quantity: int
    taker_amount: int
    first_id: int
    last_id: int


class Kline(NamedTuple):
    """A bar: first and last millisecond of its bucket, and what was traded in it so far."""

    open_time: int
    close_time: int
    span: Span


class Klines:
    """Bars of one symbol.

    Args:
        tape: its trades.
        listed: the minute the symbol began to trade; nothing exists before it.
    """

    def __init__(self, tape: Tape, listed: int) -> None:
        self._tape = tape
        self.listed = listed
        self._hour = lru_cache(_KEPT_BLOCKS)(self._sum_hour)
        self._day = lru_cache(_KEPT_BLOCKS)(self._sum_day)

    def span(self, first: int, last: int) -> Span | None:
        """Everything traded from ``first`` to ``last``, both included, in epoch milliseconds; None if nothing."""
        first = max(first, self.listed * MINUTE_MS)
        if last < first:
            return None
        head, tail = -(-first // MINUTE_MS), (last + 1) // MINUTE_MS
        if head > tail:  # inside one minute
            return self._part(tail, first % MINUTE_MS, last % MINUTE_MS)
        parts = [] if first % MINUTE_MS == 0 else [self._part(head - 1, first % MINUTE_MS, MINUTE_MS - 1)]
        parts += self._blocks(head, tail)
        if (last + 1) % MINUTE_MS:
            parts.append(self._part(tail, 0, last % MINUTE_MS))
        return _join(parts)

    def bar(self, interval: Interval, moment: int, now: int) -> Kline:
        """The bar of the bucket that holds ``moment``, with the trades up to ``now``."""
        start, end = interval.floor(moment), interval.next(moment) - 1
        span = self.span(start, min(end, now))
        if span is None:
            price = self._tape.last(max(start, self.listed * MINUTE_MS)).price
            span = Span(price, price, price, price, 0, 0, 0, 0, 0, -1, -1)
        return Kline(start, end, span)

    def between(self, interval: Interval, start: int | None, end: int | None, limit: int, now: int) -> list[Kline]:
        """Bars by opening time, ascending.

        With ``start`` the oldest ``limit`` from there on, else the newest ``limit``; none that opens after ``end``.
        """
        oldest, newest = interval.floor(self.listed * MINUTE_MS), interval.floor(now)
        if end is not None:
            newest = min(newest, interval.floor(end))
        opening: list[int] = []
        if start is not None:
            moment = interval.floor(start)
            moment = max(moment if moment == start else interval.next(start), oldest)
            while moment <= newest and len(opening) < limit:
                opening.append(moment)
                moment = interval.next(moment)
        else:
            moment = newest
            while moment >= oldest and len(opening) < limit:
                opening.append(moment)
                moment = interval.floor(moment - 1)
            opening.reverse()
        return [self.bar(interval, moment, now) for moment in opening]

    def _blocks(self, begin: int, end: int) -> list[Span | None]:
        parts: list[Span | None] = []
        minute = begin
        while minute < end:
            if minute % DAY == 0 and minute + DAY <= end:
                parts.append(self._day(minute))
                minute += DAY
            elif minute % HOUR == 0 and minute + HOUR <= end:
                parts.append(self._hour(minute))
                minute += HOUR
            else:
                parts.append(self._minute(minute))
                minute += 1
        return parts

    def _sum_day(self, minute: int) -> Span | None:
        return _join(self._hour(hour) for hour in range(minute, minute + DAY, HOUR))

    def _sum_hour(self, minute: int) -> Span | None:
        return _join(self._minute(each) for each in range(minute, minute + HOUR))

    def _minute(self, minute: int) -> Span:
        bars, sums = self._tape.minutes, self._tape.tally(minute)
        index, first = bars.index(minute), minute * SLOTS
        return Span(
            bars.open[index],
            bars.high[index],
            bars.low[index],
            bars.close[index],
            bars.volume[index],
            sums.amount,
            sums.trades,
            sums.taker_quantity,
            sums.taker_amount,
            first if sums.trades else -1,
            first + sums.trades - 1 if sums.trades else -1,
        )

    def _part(self, minute: int, first: int, last: int) -> Span | None:
        prints = self._tape.prints(minute)
        begin, end = bisect_left(prints.offsets, first), bisect_right(prints.offsets, last)
        if begin == end:
            return None
        part = Prints(*(column[begin:end] for column in prints))  # type: ignore[arg-type]
        sums, prices = tally(part), part.prices
        return Span(
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(part.quantities),
            sums.amount,
            sums.trades,
            sums.taker_quantity,
            sums.taker_amount,
            minute * SLOTS + begin,
            minute * SLOTS + end - 1,
        )


def _join(parts: Iterable[Span | None]) -> Span | None:
    present = [part for part in parts if part is not None]
    if len(present) < 2:
        return present[0] if present else None
    opens, highs, lows, closes, volumes, amounts, counts, taker_quantities, taker_amounts, firsts, lasts = zip(
        *present, strict=True
    )
    return Span(
        opens[0],
        max(highs),
        min(lows),
        closes[-1],
        sum(volumes),
        sum(amounts),
        sum(counts),
        sum(taker_quantities),
        sum(taker_amounts),
        next(compress(firsts, counts), -1),
        max(lasts),
    )
