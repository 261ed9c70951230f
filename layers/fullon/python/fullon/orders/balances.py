"""Balances of accounts over time: a row of a currency whenever it changes, and one a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.kernel.money import shortest
from fullon.orders.model import Balance
from fullon.orders.worth import VALUED_IN

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

#: A balance that does not change is written down so often, that its worth over time is known.
AT_LEAST_EVERY = timedelta(days=1)
#: Price of one unit of a currency in :data:`VALUED_IN`; None where none is known.
PriceIn = Callable[[str], Decimal | None]

_LATEST = """
SELECT DISTINCT ON (currency) currency, free, used, at FROM exchange_history
WHERE ex_id = $1 ORDER BY currency, at DESC
"""
_INSERT = """
INSERT INTO exchange_history (ex_id, at, currency, free, used, quote_value)
SELECT $1, $2, * FROM unnest($3::text[], $4::numeric[], $5::numeric[], $6::numeric[])
ON CONFLICT (ex_id, currency, at) DO UPDATE
SET free = excluded.free, used = excluded.used, quote_value = excluded.quote_value
"""


async def record(
    connection: Connection, ex_id: UUID, at: datetime, balances: Sequence[Balance], price_in: PriceIn
) -> list[str]:
    """Write down what changed, a currency that is gone as nothing; says which currencies those are."""
    rows = await connection.fetch(_LATEST, ex_id)
    before = {row["currency"]: (Balance(row["currency"], row["free"], row["used"]), row["at"]) for row in rows}
    present = {balance.currency: balance for balance in balances}
    for currency, (known, _) in before.items():
        if known.total and currency not in present:
            present[currency] = Balance(currency, Decimal(0), Decimal(0))
    changed = [each for name, each in sorted(present.items()) if name not in before or before[name][0] != each]
    due = [
        each
        for name, each in sorted(present.items())
        if name in before and before[name][0] == each and each.total and at - before[name][1] >= AT_LEAST_EVERY
    ]
    written = changed + due
    if written:
        await connection.execute(
            _INSERT,
            ex_id,
            at,
            [each.currency for each in written],
            [each.free for each in written],
            [each.used for each in written],
            [_worth(each, price_in) for each in written],
        )
    return [each.currency for each in changed]


def prices_of(prices: Mapping[str, Decimal]) -> PriceIn:
    """Prices in :data:`VALUED_IN` out of those of symbols (``BTC/USDT``)."""

    def price_in(currency: str) -> Decimal | None:
        if currency == VALUED_IN:
            return Decimal(1)
        return prices.get(f"{currency}/{VALUED_IN}")

    return price_in


def data_of(balance: Balance) -> dict[str, Any]:
    """``balance`` as JSON values."""
    return {
        "currency": balance.currency,
        "free": shortest(balance.free),
        "used": shortest(balance.used),
        "total": shortest(balance.total),
    }


def _worth(balance: Balance, price_in: PriceIn) -> Decimal | None:
    price = Decimal(1) if not balance.total else price_in(balance.currency)
    return None if price is None else round(balance.total * price, 18)
