"""A fill as the platform shows it, in answers and to subscribers alike. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fullon.kernel.clock import rfc3339
from fullon.kernel.money import shortest
from fullon.orders.ledger import is_by_hand
from fullon.orders.model import Fill, FillSource


def data_of(fill: Fill) -> dict[str, Any]:
    """``fill`` as JSON values: amounts as text, the time as RFC 3339."""
    return {
        "trade_id": str(fill.fill_id),
        "uid": str(fill.uid),
        "ex_id": str(fill.ex_id),
        "bot_id": fill.bot_id and str(fill.bot_id),
        "order_id": fill.order_id and str(fill.order_id),
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": shortest(fill.price),
        "volume": shortest(fill.volume),
        "cost": shortest(fill.cost),
        "fee": shortest(fill.fee),
        "fee_currency": fill.fee_currency,
        "fee_quote": _amount(fill.fee_quote),
        "source": fill.source.value,
        "dry_run": fill.source is FillSource.DRY,
        "editable": is_by_hand(fill),
        "venue_trade_id": fill.venue_trade_id,
        "venue_order_id": fill.venue_order_id,
        "maker": fill.maker,
        "time": rfc3339(fill.at),
    }


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else shortest(value)
