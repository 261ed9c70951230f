"""One-minute bars out of trades, for venues that list none. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues.quotes import Bar, Trade


def minute_bars(trades: Iterable[Trade]) -> list[Bar]:
    """The bars of ``trades``, which are in the order they happened; minutes without trades have none."""
    bars: list[Bar] = []
    start: int | None = None
    prices: list[float] = []
    volume = 0.0
    for trade in trades:
        minute = trade.ts - trade.ts % MINUTE_MS
        if minute != start:
            if start is not None:
                bars.append(_bar(start, prices, volume))
            start, prices, volume = minute, [], 0.0
        prices.append(float(trade.price))
        volume += float(trade.amount)
    if start is not None:
        bars.append(_bar(start, prices, volume))
    return bars


def _bar(start: int, prices: list[float], volume: float) -> Bar:
    return Bar(start, prices[0], max(prices), min(prices), prices[-1], volume)
