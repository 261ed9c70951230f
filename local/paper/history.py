"""The minutes of a symbol: a cycle of bars that repeats for ever, so that any minute has one.

A bar is a pure function of the minute: ``cycle[(minute - anchor) % length]``, with minutes counted from the epoch. A
recorded series is anchored at its own first minute and used raw: where a round ends, the price jumps back to where
the recording began. A synthetic one closes on its own first open, so it has no seam.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from fullon.kernel.errors import Corrupt
from local.demo_data import MinuteBar
from local.paper.market import BTC_USDT, ETH_USDT, SOL_USDT, Symbol

MINUTE_MS = 60_000
#: Bars in a round of a synthetic series: fourteen days.
SYNTHETIC_MINUTES = 14 * 24 * 60


@dataclass(frozen=True, slots=True)
class Minutes:
    """Columns of a cycle, in ticks and steps. ``anchor`` is the minute of index 0, counted from the epoch."""

    anchor: int
    open: Sequence[int]
    high: Sequence[int]
    low: Sequence[int]
    close: Sequence[int]
    volume: Sequence[int]

    def __len__(self) -> int:
        return len(self.open)

    def index(self, minute: int) -> int:
        """Where in the cycle ``minute`` falls."""
        return (minute - self.anchor) % len(self.open)


def recorded(symbol: Symbol, bars: Sequence[MinuteBar]) -> Minutes:
    """The cycle of a recording. A missing minute becomes a flat one without trades at the close before it.

    Raises:
        Corrupt: no bars, out of order, inconsistent, or a volume too small to print the bar's prices.
    """
    if not bars:
        raise Corrupt("The recording holds no bars.")
    rows: list[tuple[int, int, int, int, int]] = []
    first = bars[0].time // 60
    for bar in bars:
        if bar.time % 60 or bar.time // 60 < first + len(rows):
            raise Corrupt("The recording is not a rising series of minutes.", time=bar.time)
        while first + len(rows) < bar.time // 60:
            close = rows[-1][3]
            rows.append((close, close, close, close, 0))
        opened, high, low, close = (symbol.ticks(text) for text in bar[1:5])
        volume = symbol.steps(bar.volume)
        if not low <= min(opened, close) <= max(opened, close) <= high or low <= 0:
            raise Corrupt("A recorded bar is inconsistent.", time=bar.time)
        if volume < (needed := len(turning_points(opened, high, low, close))) and not (volume == 0 and needed == 1):
            raise Corrupt("A recorded bar has too little volume to have traded at its prices.", time=bar.time)
        rows.append((opened, high, low, close, volume))
    return Minutes(first, *map(tuple, zip(*rows, strict=True)))


def turning_points(opened: int, high: int, low: int, close: int) -> list[int]:
    """The fewest prices that make up a bar, in order: open, the extremes that are neither, close."""
    inner = [price for price in ((low, high) if close >= opened else (high, low)) if price not in (opened, close)]
    points = [opened, *inner, close]
    return points[:1] if len(points) == 2 and opened == close else points


@dataclass(frozen=True)
class Profile:
    """How a synthetic symbol moves: first price in ticks, daily volatility, typical minute volume in steps."""

    price: int
    daily_volatility: float
    minute_volume: int


PROFILES = {
    BTC_USDT.id: Profile(7_000_000, 0.025, 250_000_000),
    ETH_USDT.id: Profile(341_800, 0.035, 900_000),
    SOL_USDT.id: Profile(18_650, 0.045, 3_000_000),
}


def synthetic(symbol: Symbol, seed: int, length: int = SYNTHETIC_MINUTES) -> Minutes:
    """A seeded random walk that ends where it began; the same for the same symbol, seed and length everywhere."""
    profile = PROFILES[symbol.id]
    source = random.Random(f"{seed}:{symbol.id}:{length}")  # noqa: S311 - a market, not a secret
    scale = profile.daily_volatility / math.sqrt(24 * 60)
    # Calm and busy hours: volatility breathes with a period that divides the round.
    moods = [0.55 + 0.45 * math.sin(2 * math.pi * 28 * minute / length) ** 2 for minute in range(length)]
    steps = [source.gauss(0.0, scale * mood) for mood in moods]
    drift = sum(steps) / length
    path = list(accumulate((step - drift for step in steps), initial=0.0))[:length]
    opens = [max(2, round(profile.price * math.exp(level))) for level in path]
    closes = [*opens[1:], opens[0]]
    highs, lows, volumes = [], [], []
    for opened, close, mood in zip(opens, closes, moods, strict=True):
        wick = opened * scale * mood
        highs.append(max(opened, close) + int(source.expovariate(1.4) * wick))
        lows.append(max(1, min(opened, close) - int(source.expovariate(1.4) * wick)))
        volumes.append(1000 + int(profile.minute_volume * mood * source.lognormvariate(-0.3, 0.8)))
    return Minutes(0, *map(tuple, (opens, highs, lows, closes, volumes)))
