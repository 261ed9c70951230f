"""What accounts are worth: balances as they were last written down, and the capital that returns are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

#: The currency in which balances are valued.
VALUED_IN = "USDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A balance as it was written down last.

    Attributes:
        quote_value: worth in :data:`VALUED_IN` at that time; None where no price was known.
    """

    ex_id: UUID
    currency: str
    free: Decimal
    used: Decimal
    quote_value: Decimal | None
    at: datetime

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.free + self.used


_BALANCES = """
SELECT x.ex_id, k.currency, h.free, h.used, h.quote_value, h.at
FROM exchanges x
CROSS JOIN LATERAL (SELECT DISTINCT currency FROM exchange_history WHERE ex_id = x.ex_id) k
CROSS JOIN LATERAL (
    SELECT free, used, quote_value, at FROM exchange_history
    WHERE ex_id = x.ex_id AND currency = k.currency AND ($3::timestamptz IS NULL OR at <= $3)
    ORDER BY at DESC LIMIT 1
) h
WHERE x.uid = $1 AND ($2::uuid IS NULL OR x.ex_id = $2)
ORDER BY x.ex_id, k.currency
"""


async def balances(
    connection: Connection, uid: UUID, *, ex_id: UUID | None = None, at: datetime | None = None
) -> list[Recorded]:
    """The latest balance of each currency of the accounts of ``uid``, or the one that stood at a time."""
    return [Recorded(**dict(row)) for row in await connection.fetch(_BALANCES, uid, ex_id, at)]


def total(recorded: list[Recorded]) -> Decimal | None:
    """Worth of balances in :data:`VALUED_IN`; None where one that is not nothing has no price, or there are none."""
    counting = [each for each in recorded if each.total]
    values = [each.quote_value for each in counting if each.quote_value is not None]
    return sum(values, Decimal(0)) if recorded and len(values) == len(counting) else None
