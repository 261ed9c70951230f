"""The trades inside a minute: a pure function of the minute's bar and its place in the cycle.

Every minute has ``SLOTS`` places for trades, so the id of trade ``i`` is ``minute * SLOTS + i``: strictly rising,
known without counting, the same after a restart. The first trade is the open and happens in the minute's first
millisecond, the last is the close, the extremes lie between, and the quantities sum to the volume exactly. A bar with
fewer steps of volume than slots has fewer trades, and one without volume has none: ids then skip.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from hashlib import shake_128
from itertools import compress, pairwise
from operator import gt, mul
from typing import NamedTuple

from local.paper.history import MINUTE_MS, Minutes, turning_points

SLOTS = 24
_CACHED_MINUTES = 4096
_WEIGHTS = [1 + (draw * draw >> 5) for draw in range(256)]


class Trade(NamedTuple):
    """A public trade: ``time`` in epoch milliseconds, ``price`` in ticks, ``quantity`` in steps."""

    id: int
    time: int
    price: int
    quantity: int
    buyer_is_maker: bool


class Prints(NamedTuple):
    """The trades of a minute as columns; ``offsets`` are milliseconds into it."""

    offsets: tuple[int, ...]
    prices: tuple[int, ...]
    quantities: tuple[int, ...]
    buyer_is_maker: tuple[bool, ...]


class Tally(NamedTuple):
    """Sums over the trades of a minute that its bar does not say: counts, and amounts in ticks times steps."""

    trades: int
    amount: int
    taker_quantity: int
    taker_amount: int


class Tape:
    """All trades of a symbol, past and to come.

    Args:
        minutes: the cycle of bars.
        seed: what makes this tape differ from another over the same bars.
    """

    def __init__(self, minutes: Minutes, seed: str) -> None:
        self.minutes = minutes
        self._seed = seed
        self._tallies: list[Tally | None] = [None] * len(minutes)
        self._cached = lru_cache(_CACHED_MINUTES)(self._print)

    def prints(self, minute: int) -> Prints:
        """The trades of ``minute``."""
        return self._cached(self.minutes.index(minute))

    def tally(self, minute: int) -> Tally:
        """The sums of ``minute``; computed once for each place in the cycle."""
        index = self.minutes.index(minute)
        found = self._tallies[index]
        if found is None:
            found = self._tallies[index] = tally(self._print(index))
        return found

    def trades(self, minute: int) -> Iterator[Trade]:
        """The trades of ``minute``, oldest first."""
        start, first = minute * MINUTE_MS, minute * SLOTS
        for place, (offset, price, quantity, maker) in enumerate(zip(*self.prints(minute), strict=True)):
            yield Trade(first + place, start + offset, price, quantity, maker)

    def since(self, trade_id: int, now: int) -> Iterator[Trade]:
        """Every trade from ``trade_id`` up to and including ``now`` (epoch milliseconds)."""
        for minute in range(trade_id // SLOTS, now // MINUTE_MS + 1):
            for trade in self.trades(minute):
                if trade.time > now:
                    return
                if trade.id >= trade_id:
                    yield trade

    def before(self, now: int, limit: int, oldest: int) -> list[Trade]:
        """The last ``limit`` trades up to ``now``, oldest first, none from before minute ``oldest``."""
        found: list[Trade] = []
        minute = now // MINUTE_MS
        while len(found) < limit and minute >= oldest:
            found[:0] = [trade for trade in self.trades(minute) if trade.time <= now]
            minute -= 1
        return found[-limit:]

    def last(self, now: int) -> Trade:
        """The latest trade up to ``now``."""
        minute = now // MINUTE_MS
        while True:
            prints = self.prints(minute)
            place = bisect_right(prints.offsets, now - minute * MINUTE_MS) - 1
            if place >= 0:
                offset, price, quantity, maker = (column[place] for column in prints)
                return Trade(minute * SLOTS + place, minute * MINUTE_MS + offset, price, quantity, bool(maker))
            minute -= 1

    def _print(self, index: int) -> Prints:
        bar = self.minutes
        draws = shake_128(f"{self._seed}:{index}".encode()).digest(4 * SLOTS)
        return print_bar(bar.open[index], bar.high[index], bar.low[index], bar.close[index], bar.volume[index], draws)


def tally(prints: Prints) -> Tally:
    """Count and sum ``prints``."""
    amounts = list(map(mul, prints.prices, prints.quantities))
    sold, total = prints.buyer_is_maker, sum(amounts)
    return Tally(
        len(amounts),
        total,
        sum(prints.quantities) - sum(compress(prints.quantities, sold)),
        total - sum(compress(amounts, sold)),
    )


def print_bar(opened: int, high: int, low: int, close: int, volume: int, draws: bytes) -> Prints:
    """Spread a bar over its slots.

    Args:
        opened, high, low, close: in ticks.
        volume: in steps; 0, or at least the number of the bar's turning points.
        draws: ``4 * SLOTS`` random bytes; the same bytes give the same trades.
    """
    count = min(SLOTS, volume)
    if not count:
        return Prints((), (), (), ())
    prices = _prices(opened, high, low, close, count, draws)
    weights = [_WEIGHTS[draw] for draw in draws[:count]]
    spare, total = volume - count, sum(weights)
    quantities = [1 + spare * weight // total for weight in weights]
    quantities[draws[0] % count] += volume - sum(quantities)
    width = MINUTE_MS // count
    offsets = [
        start + width * draw // 256 for start, draw in zip(range(0, MINUTE_MS, width), draws[SLOTS:], strict=False)
    ]
    del offsets[count:]
    offsets[0] = 0
    makers = (prices[0] > prices[-1], *map(gt, prices, prices[1:]))  # a falling price was sold into
    return Prints(tuple(offsets), tuple(prices), tuple(quantities), makers)


def _prices(opened: int, high: int, low: int, close: int, count: int, draws: bytes) -> list[int]:
    if count < 4:
        points = turning_points(opened, high, low, close)
        return points + [close] * (count - len(points))
    inner = count - 2
    here, there = draws[-1] % inner, draws[-2] % (inner - 1)
    there += there >= here
    first, second = sorted((here + 1, there + 1))
    low_first = (close >= opened) != (draws[-3] < 64)  # one bar in four turns the other way round
    extremes = (low, high) if low_first else (high, low)
    corners = [(0, opened), (first, extremes[0]), (second, extremes[1]), (count - 1, close)]
    noise, spread = draws[2 * SLOTS :], high - low
    prices = [opened]
    for (start, begin), (end, target) in pairwise(corners):
        rise, run, base = target - begin, end - start, begin - (spread >> 2)
        for step in range(1, run):
            price = base + rise * step // run + (noise[start + step] * spread >> 9)
            prices.append(high if price > high else low if price < low else price)  # min, max cost twice as much
        prices.append(target)
    return prices
