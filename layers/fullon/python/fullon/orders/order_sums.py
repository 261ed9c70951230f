"""What became of the orders of a selection: counts by state, and sums by quote currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from fullon.orders.model import ALIVE, OrderStatus
from fullon.orders.selection import OrderSelection
from fullon.orders.views import currency_of

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection


@dataclass(slots=True, kw_only=True)
class Sums:
    """Orders of one quote currency, real or on paper.

    Attributes:
        with_fills: of which at least something was filled.
        turnover: price times quantity of what was filled.
    """

    currency: str
    dry_run: bool
    orders: int = 0
    buys: int = 0
    sells: int = 0
    with_fills: int = 0
    turnover: Decimal = Decimal(0)


@dataclass(slots=True)
class Outcome:
    """What became of orders."""

    by_status: dict[OrderStatus, int] = field(default_factory=dict)
    sums: list[Sums] = field(default_factory=list)

    @property
    def orders(self) -> int:
        """How many there are."""
        return sum(self.by_status.values())

    @property
    def alive(self) -> int:
        """Of which something may still become."""
        return sum(count for status, count in self.by_status.items() if status in ALIVE)


async def outcome(connection: Connection, selection: OrderSelection) -> Outcome:
    """What became of the orders of a selection."""
    where, values = selection.where()
    rows = await connection.fetch(
        "SELECT symbol, dry_run, status, count(*) AS orders, count(*) FILTER (WHERE side = 'buy') AS buys,"  # noqa: S608
        f" count(*) FILTER (WHERE filled > 0) AS with_fills, sum(cost) AS turnover FROM orders WHERE {where}"
        " GROUP BY symbol, dry_run, status ORDER BY symbol, dry_run, status",
        *values,
    )
    found = Outcome()
    sums: dict[tuple[bool, str], Sums] = {}
    for row in rows:
        status = OrderStatus(row["status"])
        found.by_status[status] = found.by_status.get(status, 0) + row["orders"]
        currency = currency_of(row["symbol"])
        each = sums.setdefault((row["dry_run"], currency), Sums(currency=currency, dry_run=row["dry_run"]))
        each.orders += row["orders"]
        each.buys += row["buys"]
        each.sells += row["orders"] - row["buys"]
        each.with_fills += row["with_fills"]
        each.turnover += row["turnover"]
    found.sums = [sums[key] for key in sorted(sums)]
    return found
