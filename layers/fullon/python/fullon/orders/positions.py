"""What is held: contracts as the venue keeps them, everything else by the account's own fills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.kernel.clock import rfc3339
from fullon.kernel.money import shortest
from fullon.orders.model import Position
from fullon.venues.account_data import VenuePosition

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

_LOTS = """
SELECT symbol, side, sum(volume) AS volume, sum(price * volume) AS cost, sum(fee) AS fees, min(opened_at) AS opened_at
FROM open_lots WHERE ex_id = $1 AND NOT dry_run GROUP BY symbol, side ORDER BY symbol, side
"""


async def of_fills(connection: Connection, ex_id: UUID, marks: Mapping[str, Decimal]) -> list[Position]:
    """Positions that follow from the fills of an account, by symbol.

    Args:
        marks: the present price of symbols; one that is missing leaves the profit open.
    """
    found = []
    for row in await connection.fetch(_LOTS, ex_id):
        volume = row["volume"] if row["side"] == "long" else -row["volume"]
        entry, mark = round(row["cost"] / row["volume"], 18), marks.get(row["symbol"])
        found.append(
            Position(
                ex_id=ex_id,
                symbol=row["symbol"],
                volume=volume,
                entry_price=entry,
                fees=row["fees"],
                mark=mark,
                unrealized=None if mark is None else round((mark - entry) * volume, 18),
                opened_at=row["opened_at"],
            )
        )
    return found


def of_venue(ex_id: UUID, stated: Iterable[VenuePosition], now: datetime) -> list[Position]:
    """Positions as a venue states them; ``now`` stands in for a time it does not say."""
    return [
        Position(
            ex_id=ex_id,
            symbol=each.symbol,
            volume=each.volume,
            entry_price=each.entry_price,
            fees=Decimal(0),
            mark=each.mark,
            unrealized=each.unrealized,
            opened_at=each.opened_at or now,
        )
        for each in stated
    ]


def together(of_venue: Iterable[Position], of_fills: Iterable[Position]) -> list[Position]:
    """The venue's word goes before what the fills say; by symbol."""
    found = {each.symbol: each for each in of_fills} | {each.symbol: each for each in of_venue}
    return [found[symbol] for symbol in sorted(found)]


def data_of(position: Position) -> dict[str, Any]:
    """``position`` as JSON values."""
    return {
        "symbol": position.symbol,
        "side": "long" if position.volume > 0 else "short",
        "volume": shortest(abs(position.volume)),
        "entry_price": shortest(position.entry_price),
        "fees": shortest(position.fees),
        "mark": None if position.mark is None else shortest(position.mark),
        "unrealized": None if position.unrealized is None else shortest(position.unrealized),
        "opened_at": rfc3339(position.opened_at),
    }
