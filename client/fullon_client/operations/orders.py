"""Orders of the caller: placed, followed, ended. More filters: `with_parameters`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fullon_client.calls import Call, Page, given, one, page
from fullon_client.models.orders import Order, OrderDetails, OrderStats

PATH = "/api/v1/orm/orders"
ORDER = f"{PATH}/{{order_id}}"


def place(
    ex_id: UUID,
    symbol: str,
    side: str,
    order_type: str,
    volume: Decimal,
    *,
    price: Decimal | None = None,
    stop_price: Decimal | None = None,
    leverage: Decimal | None = None,
    bot_id: UUID | None = None,
    client_order_id: str | None = None,
) -> Call[Order]:
    """Have an order brought to the account's venue; the answer is the intent, in the state ``new``.

    Args:
        side: ``buy`` or ``sell``.
        order_type: ``market``, ``limit``, ``stop`` or ``stop_limit``.
        volume: in the base currency.
        price: the limit, for ``limit`` and ``stop_limit``.
        stop_price: from where on it acts, for ``stop`` and ``stop_limit``.
        bot_id: for which bot; one on paper has its orders filled at the present book.
        client_order_id: a name of one's own; a second order of the account by this name is refused.
    """
    body = given(
        ex_id=ex_id,
        symbol=symbol,
        side=side,
        order_type=order_type,
        volume=volume,
        price=price,
        stop_price=stop_price,
        leverage=leverage,
        bot_id=bot_id,
        client_order_id=client_order_id,
    )
    return one(Order, "place_order", "POST", PATH, body=body)


def get(order_id: UUID) -> Call[OrderDetails]:
    """An order and its history."""
    return one(OrderDetails, "get_order", "GET", ORDER, places={"order_id": order_id})


def alive(*, bot_id: UUID | None = None, symbol: str | None = None, limit: int | None = None) -> Call[Page[Order]]:
    """The orders of which something may still become, newest first."""
    parameters = {"bot_id": bot_id, "symbol": symbol, "limit": limit}
    return page(Order, "list_open_orders", f"{PATH}/open", parameters=parameters)


def history(
    *,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    status: str | None = None,
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    limit: int | None = None,
) -> Call[Page[Order]]:
    """All orders, newest first."""
    parameters = {
        "bot_id": bot_id,
        "symbol": symbol,
        "status": status,
        "start_time": start_time,
        "end_time": end_time,
        "limit": limit,
    }
    return page(Order, "list_orders", f"{PATH}/history", parameters=parameters)


def by_bot(bot_id: UUID, *, status: str | None = None, limit: int | None = None) -> Call[Page[Order]]:
    """The orders of a bot, newest first."""
    parameters = {"bot_id": bot_id, "status": status, "limit": limit}
    return page(Order, "list_orders_by_bot", f"{PATH}/by-bot", parameters=parameters)


def by_symbol(symbol: str, *, status: str | None = None, limit: int | None = None) -> Call[Page[Order]]:
    """The orders of a symbol, newest first."""
    parameters = {"symbol": symbol, "status": status, "limit": limit}
    return page(Order, "list_orders_by_symbol", f"{PATH}/by-symbol", parameters=parameters)


def stats(*, bot_id: UUID | None = None, symbol: str | None = None) -> Call[OrderStats]:
    """What became of orders."""
    return one(OrderStats, "get_order_stats", "GET", f"{PATH}/stats", parameters={"bot_id": bot_id, "symbol": symbol})


def cancel(order_id: UUID) -> Call[Order]:
    """Ask for the end of an order: at once if it was never sent, else when its venue says so."""
    return one(Order, "cancel_order", "DELETE", ORDER, places={"order_id": order_id})


def change_status(order_id: UUID, status: str, *, reason: str | None = None) -> Call[Order]:
    """Say what became of an order of unknown fate, or ask for its end by ``canceled``."""
    body = given(status=status, reason=reason)
    return one(Order, "change_order_status", "PATCH", f"{ORDER}/status", places={"order_id": order_id}, body=body)
