"""What the market gives an order: levels of the book to one that takes, a share of a print to one that rests.

The market is the venue's own and does not feel our orders. So that nobody takes the same quote again and again, what
an account took in a beat of the book is gone for it until the next one; other accounts do not feel it.

A resting order gets its limit price, never better and never worse. A print beyond its limit, or at its limit with the
quote of the other side moved onto it, fills it up to the printed quantity. A print that only touches the limit fills
it up to a share of the printed quantity that the seed and the print's id decide: others stood in the queue. The orders
of one account share the quantity of a print, best price first, then the oldest; accounts do not compete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from local.paper.book import BEAT_MS, LEVELS
from local.paper.exchange import Instrument
from local.paper.prints import Trade
from local.paper.trading.orders import LIMITED, Order, Side

_MASK = (1 << 64) - 1
_NEAR_LEVELS = 10


def walk(
    levels: Mapping[int, int], *, buying: bool, quantity: int, limit: int = 0, budget: int | None = None
) -> list[tuple[int, int]]:
    """Take ``quantity`` from the levels of a side, best first.

    Args:
        levels: quantity at each price, best first.
        buying: whether the levels are asks.
        quantity: steps wanted.
        limit: the worst price, 0 for any.
        budget: the largest sum of price times quantity; None for any.

    Returns:
        Price and quantity of each part; together less than asked where the levels or the budget end.
    """
    parts: list[tuple[int, int]] = []
    for price, there in levels.items():
        if quantity <= 0 or (limit and (price > limit if buying else price < limit)):
            break
        part = min(there, quantity)
        if budget is not None:
            part = min(part, budget // price)
            budget -= part * price
        if part <= 0:
            if there <= 0:
                continue
            break
        parts.append((price, part))
        quantity -= part
    return parts


class Liquidity:
    """The book as an account still finds it."""

    def __init__(self) -> None:
        self._taken: dict[tuple[int, str], tuple[int, dict[int, int]]] = {}

    def levels(self, order: Order, instrument: Instrument, now: int) -> dict[int, int]:
        """Quantity at each price that ``order`` could take at ``now``, best first; as deep as it can reach.

        Where the best quote is beyond its limit there is nothing to look at: most orders rest, and two hundred levels
        cost more than everything else that placing one takes.
        """
        buying, quote = order.side is Side.BUY, instrument.quote(now)
        if order.type in LIMITED and (order.price < quote.ask if buying else order.price > quote.bid):
            return {}
        levels = self._left(order, instrument, now, _NEAR_LEVELS)
        if order.quantity and sum(levels.values()) >= order.remaining:
            return levels
        return self._left(order, instrument, now, LEVELS)

    def _left(self, order: Order, instrument: Instrument, now: int, levels: int) -> dict[int, int]:
        depth = instrument.depth(now, levels)
        side = depth.asks if order.side is Side.BUY else depth.bids
        beat, taken = self._taken.get((order.account, order.symbol), (0, {}))
        if beat != now // BEAT_MS:
            return side
        return {price: max(0, quantity - taken.get(price, 0)) for price, quantity in side.items()}

    def take(self, account: int, symbol: str, parts: Iterable[tuple[int, int]], now: int) -> None:
        """Note what was taken."""
        beat, taken = self._taken.get((account, symbol), (0, {}))
        if beat != now // BEAT_MS:
            taken = {}
        for price, quantity in parts:
            taken[price] = taken.get(price, 0) + quantity
        self._taken[account, symbol] = (now // BEAT_MS, taken)


def shares(orders: Iterable[Order], trade: Trade, seed: int) -> list[tuple[Order, int]]:
    """How much of a print each resting order of one account gets; only those that get something."""
    left, touched = trade.quantity, trade.quantity * _draw(seed, trade.id) // 256
    given: list[tuple[Order, int]] = []
    for order in sorted(orders, key=_priority):
        if order.crossed_by(trade):
            part = min(order.remaining, left)
        elif order.price == trade.price:
            part = min(order.remaining, left, touched)
            touched -= part
        else:
            continue
        left -= part
        if part > 0:
            given.append((order, part))
    return given


def _priority(order: Order) -> tuple[int, int]:
    return (-order.price if order.side is Side.BUY else order.price, order.id)


def _draw(seed: int, trade_id: int) -> int:
    """A number from 0 to 255 that the seed and the print decide."""
    value = (trade_id * 0x9E3779B97F4A7C15 + seed * 0xBF58476D1CE4E5B9) & _MASK
    value = (value ^ value >> 30) * 0x94D049BB133111EB & _MASK
    return (value ^ value >> 31) & 0xFF
