"""Quotes around the last price: who would buy and sell how much at which price.

The book of a moment is a pure function of the last trade and of the moment, which counts in beats of 200 ms. The last
trade stands at the best bid if the seller took it, else at the best ask. Levels behind the best lie on a fixed grid of
prices and change their quantity every sixteen beats, each at its own, so that an update names few of them.
"""

from __future__ import annotations

from typing import NamedTuple

from local.paper.prints import Trade

BEAT_MS = 200
LEVELS = 200
_MASK = (1 << 64) - 1


class Quote(NamedTuple):
    """Best prices in ticks and the quantities there in steps."""

    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int


class Depth(NamedTuple):
    """Quantity at each price, best first."""

    bids: dict[int, int]
    asks: dict[int, int]


class BookModel:
    """The book of one symbol.

    Args:
        typical_price: in ticks; the grid of levels is five thousandths of a percent of it.
        typical_quantity: in steps; quantities lie between a quarter and five times it.
        phase: milliseconds by which its beats are off, so that not all symbols change at once.
    """

    def __init__(self, typical_price: int, typical_quantity: int, phase: int = 0) -> None:
        self._gap = max(1, typical_price // 20_000)
        self._unit = max(1, typical_quantity // 4)
        self._phase = phase

    def quote(self, last: Trade, now: int) -> Quote:
        """The best prices at ``now`` (epoch milliseconds)."""
        beat = (now + self._phase) // BEAT_MS
        spread = 1 + _mix(beat // 4, last.id) % 3
        bid = last.price if last.buyer_is_maker else last.price - spread
        bid = max(1, bid)
        ask = bid + spread
        return Quote(bid, self._quantity(bid, beat), ask, self._quantity(ask, beat))

    def depth(self, last: Trade, now: int, levels: int = LEVELS) -> Depth:
        """The book at ``now``, ``levels`` deep on each side where the price leaves room."""
        best, beat, gap = self.quote(last, now), (now + self._phase) // BEAT_MS, self._gap
        grid_bid = (best.bid - 1) // gap * gap
        grid_ask = -(-(best.ask + 1) // gap) * gap
        bids, asks = {best.bid: best.bid_quantity}, {best.ask: best.ask_quantity}
        for level in range(levels - 1):
            ask = grid_ask + level * gap
            asks[ask] = self._quantity(ask, beat // 16 + (ask // gap % 16 <= beat % 16)) * (1 + level // 20)
            bid = grid_bid - level * gap
            if bid > 0:
                bids[bid] = self._quantity(bid, beat // 16 + (bid // gap % 16 <= beat % 16)) * (1 + level // 20)
        return Depth(bids, asks)

    def _quantity(self, price: int, epoch: int) -> int:
        return self._unit + self._unit * (_mix(price, epoch) % 4096) * 19 // 4096


def _mix(left: int, right: int) -> int:
    value = (left * 0x9E3779B97F4A7C15 + right * 0xBF58476D1CE4E5B9) & _MASK
    value = (value ^ value >> 30) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
