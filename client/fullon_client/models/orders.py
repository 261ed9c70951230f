"""Orders, their history and what became of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fullon_client.models.schema import record
from fullon_client.models.trades import Window


@record("OrderAnswer")
class Order:
    """An order, from the intent on; ``unknown`` is the state of one that may be at its venue."""

    order_id: UUID
    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol: str
    side: str
    order_type: str
    volume: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    leverage: Decimal
    purpose: str
    origin: str
    dry_run: bool
    client_order_id: str | None
    venue_client_order_id: str
    venue_order_id: str | None
    status: str
    reason: str | None
    filled: Decimal
    remaining: Decimal
    average: Decimal | None
    cost: Decimal
    attempt: int
    sent_at: datetime | None
    cancel_requested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int

    @property
    def is_alive(self) -> bool:
        """Whether something may still become of it."""
        return self.ended_at is None


@record("OrderEventAnswer")
class OrderEvent:
    """A change of an order: who brought it to which state."""

    at: datetime
    status: str
    actor: str
    message: str


@record("OrderDetails")
class OrderDetails(Order):
    """An order with its history, oldest first."""

    events: tuple[OrderEvent, ...]


@record("OrderSums")
class OrderSums:
    """Orders of one quote currency."""

    currency: str
    dry_run: bool
    orders: int
    buys: int
    sells: int
    with_fills: int
    turnover: Decimal


@record("OrderStats")
class OrderStats:
    """What became of a selection of orders."""

    window: Window
    basis: str
    orders: int
    alive: int
    by_status: dict[str, int]
    sums: tuple[OrderSums, ...]
