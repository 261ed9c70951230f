"""What a fee is worth in the quote currency. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, localcontext

#: Price of one unit of the first currency in the second at a time; None where it is not known. It is asked inside a
#: transaction, so it answers from what is at hand and waits for nothing.
PriceOf = Callable[[str, str, datetime], Decimal | None]

#: Digits after the point that the database keeps.
_DIGITS = 18
#: Digits that a product of two amounts can have.
PRECISION = 80


def in_quote(
    fee: Decimal,
    currency: str,
    *,
    base: str,
    quote: str,
    price: Decimal,
    at: datetime,
    price_of: PriceOf | None = None,
) -> Decimal | None:
    """A fee in the quote currency at the time of its fill; None where that is not known.

    Args:
        price: of the fill; what a fee in the base currency is worth.
        price_of: asked about a third currency.
    """
    if not fee:
        return Decimal(0)
    if currency == quote:
        return fee
    rate = price if currency == base else price_of(currency, quote, at) if price_of else None
    if rate is None:
        return None
    with localcontext() as context:
        context.prec = PRECISION
        return round(fee * rate, _DIGITS)
