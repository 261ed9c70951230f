"""First in, first out: which buys a sell closes, and what came of it. Pure and exact.

A position of an account in a symbol is a queue of lots, all long or all short. A fill on the other side closes the
oldest lots first, splitting the last one it reaches; what it has left opens a lot the other way. Fees are shared out by
quantity: of the opening fill over the lots it opened, of the closing fill over the lots it closed. Profit of a closed
lot is ``(exit - entry) * quantity * direction - entry fee - exit fee``, all in the quote currency.

Sums are kept: the shares of a fee add up to the fee, to the last digit (the last share gets the remainder), and closed
and open quantities of a fill add up to its quantity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fullon.orders.model import Fill, Side

#: Digits after the point that are kept of a share of a fee: those of the database.
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Lot:
    """A quantity that is held, or owed, since one fill.

    Attributes:
        direction: +1 long, -1 short.
        volume: what is left of it.
        fee: paid for what is left, in the quote currency.
    """

    fill_id: UUID
    direction: int
    volume: Decimal
    price: Decimal
    fee: Decimal
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """A lot, or a part of one, that was closed by one fill; all amounts in the quote currency.

    Attributes:
        pnl: profit after both fees.
        roi: profit over what the lot had cost with its fee, as a fraction.
    """

    entry_fill: UUID
    exit_fill: UUID
    direction: int
    volume: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_fee: Decimal
    exit_fee: Decimal
    opened_at: datetime
    closed_at: datetime

    @property
    def pnl(self) -> Decimal:
        gross = (self.exit_price - self.entry_price) * self.volume * self.direction
        return gross - self.entry_fee - self.exit_fee

    @property
    def roi(self) -> Decimal:
        invested = self.entry_price * self.volume + self.entry_fee
        return round(self.pnl / invested, _DIGITS) if invested else Decimal(0)


class Lots:
    """The lots of one account in one symbol, oldest first.

    Args:
        held: what is open already, oldest first.
    """

    def __init__(self, held: Iterable[Lot] = ()) -> None:
        self._held = deque(held)

    @property
    def held(self) -> tuple[Lot, ...]:
        """What is open, oldest first."""
        return tuple(self._held)

    @property
    def volume(self) -> Decimal:
        """The position: positive long, negative short."""
        return sum((lot.volume * lot.direction for lot in self._held), Decimal(0))

    @property
    def entry_price(self) -> Decimal | None:
        """Average price of what is held; None when nothing is."""
        volume = sum((lot.volume for lot in self._held), Decimal(0))
        return sum((lot.volume * lot.price for lot in self._held), Decimal(0)) / volume if volume else None

    def take(self, fill: Fill) -> list[Closed]:
        """Take a fill, later than all before it, and say what it closed, oldest first.

        A fee whose worth in the quote currency is not known counts as none. A fee paid in the base currency is a
        fee here and not less quantity: what was bought counts whole, what cannot be sold any more shows as a fee.
        """
        direction = 1 if fill.side is Side.BUY else -1
        left, fee = fill.volume, fill.fee_quote or Decimal(0)
        closed: list[Closed] = []
        while left and self._held and self._held[0].direction != direction:
            lot = self._held.popleft()
            volume = min(lot.volume, left)
            entry_fee = _share(lot.fee, volume, lot.volume)
            exit_fee = _share(fee, volume, left)
            closed.append(
                Closed(
                    lot.fill_id,
                    fill.fill_id,
                    lot.direction,
                    volume,
                    lot.price,
                    fill.price,
                    entry_fee,
                    exit_fee,
                    lot.opened_at,
                    fill.at,
                )
            )
            left, fee = left - volume, fee - exit_fee
            if volume < lot.volume:
                self._held.appendleft(replace(lot, volume=lot.volume - volume, fee=lot.fee - entry_fee))
        if left:
            self._held.append(Lot(fill.fill_id, direction, left, fill.price, fee, fill.at))
        return closed


def _share(fee: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return fee if part == whole else round(fee * part / whole, _DIGITS)
