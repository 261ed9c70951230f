"""An order as the platform shows it, in answers and to subscribers alike. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from fullon.kernel.clock import rfc3339
from fullon.kernel.money import shortest
from fullon.orders.model import Order


def data_of(order: Order) -> dict[str, Any]:
    """``order`` as JSON values: amounts as text, times as RFC 3339."""
    return {
        "order_id": str(order.order_id),
        "uid": str(order.uid),
        "ex_id": str(order.ex_id),
        "bot_id": order.bot_id and str(order.bot_id),
        "symbol": order.symbol,
        "side": order.side.value,
        "order_type": order.order_type.value,
        "volume": shortest(order.volume),
        "price": _amount(order.price),
        "stop_price": _amount(order.stop_price),
        "leverage": shortest(order.leverage),
        "purpose": order.purpose,
        "origin": order.origin.value,
        "dry_run": order.dry_run,
        "client_order_id": order.reference,
        "venue_client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "status": order.status.value,
        "reason": order.reason,
        "filled": shortest(order.filled),
        "remaining": shortest(order.remaining),
        "average": _amount(order.average),
        "cost": shortest(order.cost),
        "attempt": order.attempt,
        "sent_at": _moment(order.sent_at),
        "cancel_requested_at": _moment(order.cancel_requested_at),
        "created_at": rfc3339(order.created_at),
        "updated_at": rfc3339(order.updated_at),
        "ended_at": _moment(order.ended_at),
        "version": order.version,
    }


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else shortest(value)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
