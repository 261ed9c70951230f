"""Requests and answers about orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from fullon.orders.model import Order, OrderEvent, OrderStatus, OrderType, Origin, Side
from fullon.runtime.fields import Line, Moment
from functions.orm.bot_schemas import ACCOUNT_ID, OwnedRequest, Request
from functions.orm.trade_schemas import Window
from functions.orm.venue_schemas import Exact, Positive, SymbolName

#: What callers call an order themselves.
Reference = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$"), Field(examples=["grid-42-buy-1"])
]
Leverage = Annotated[Exact, Field(ge=1, le=125)]
ORDER_ID = "0199f1c2-f607-7b82-9394-af1b2c3d4e5f"
STATS_BASIS = (
    "Orders made in the window; what they came to is what is known of their fills now. Turnover is price times"
    " quantity of these fills, by quote currency, real orders and those on paper apart."
)

_ORDER: JsonDict = {
    "order_id": ORDER_ID,
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "ex_id": ACCOUNT_ID,
    "bot_id": None,
    "symbol": "BTC/USDT",
    "side": "buy",
    "order_type": "limit",
    "volume": "0.01",
    "price": "61250.5",
    "stop_price": None,
    "leverage": "1",
    "purpose": "manual",
    "origin": "platform",
    "dry_run": False,
    "client_order_id": "grid-42-buy-1",
    "venue_client_order_id": "9d3f0f2e4c1b5f6a9d0c3f0c2a6f7a11",
    "venue_order_id": "1734",
    "status": "partially_filled",
    "reason": None,
    "filled": "0.004",
    "remaining": "0.006",
    "average": "61250.5",
    "cost": "245.002",
    "attempt": 1,
    "sent_at": "2026-08-17T10:00:00.120Z",
    "cancel_requested_at": None,
    "created_at": "2026-08-17T10:00:00Z",
    "updated_at": "2026-08-17T10:00:01Z",
    "ended_at": None,
    "version": 4,
}
_EVENT: JsonDict = {
    "at": "2026-08-17T10:00:00Z",
    "status": "new",
    "actor": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "message": "",
}
_WISH: JsonDict = {
    "ex_id": ACCOUNT_ID,
    "symbol": "BTC/USDT",
    "side": "buy",
    "order_type": "limit",
    "volume": "0.01",
    "price": "61250.5",
}
_SUMS: JsonDict = {
    "currency": "USDT",
    "dry_run": False,
    "orders": 20,
    "with_fills": 15,
    "turnover": "9187.575",
    "buys": 11,
    "sells": 9,
}


class OrderAnswer(BaseModel):
    """An order, from the intent on."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ORDER]})

    order_id: UUID
    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol: str
    side: Side
    order_type: OrderType
    volume: Exact
    price: Exact | None
    stop_price: Exact | None
    leverage: Exact
    purpose: str = Field(description="`manual`, or what the bot calls it.")
    origin: Origin = Field(description="`external`: placed at the venue itself, and recognised there.")
    dry_run: bool = Field(description="Filled at the present book and never sent.")
    client_order_id: str | None = Field(description="The id that the caller gave.")
    venue_client_order_id: str = Field(description="What the venue knows it by; each attempt has its own.")
    venue_order_id: str | None
    status: OrderStatus
    reason: str | None = Field(description="Why it was rejected, expired or is unknown.")
    filled: Exact
    remaining: Exact
    average: Exact | None = Field(description="Average price of its fills; null without one.")
    cost: Exact = Field(description="Price times quantity of its fills, in the quote currency.")
    attempt: int = Field(description="How often it was begun to be sent; again only if the venue never had it.")
    sent_at: Moment | None
    cancel_requested_at: Moment | None
    created_at: Moment
    updated_at: Moment
    ended_at: Moment | None
    version: int = Field(description="Grows with every change.")

    @classmethod
    def of(cls, order: Order) -> Self:
        """The answer for ``order``."""
        return cls(**_values(cls, order))


class OrderEventAnswer(BaseModel):
    """A change of an order."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EVENT]})

    at: Moment
    status: OrderStatus
    actor: str = Field(description="A user, or a daemon.")
    message: str


class OrderDetails(OrderAnswer):
    """An order with its history."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ORDER, "events": [_EVENT]}]})

    events: list[OrderEventAnswer] = Field(description="Oldest first.")

    @classmethod
    def with_events(cls, order: Order, events: list[OrderEvent]) -> Self:
        """The answer for ``order`` and its history."""
        return cls(**_values(cls, order), events=[OrderEventAnswer.model_validate(each) for each in events])


class NewOrderRequest(OwnedRequest):
    """An order to be placed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _WISH,
                {**_WISH, "order_type": "market", "price": None, "client_order_id": "grid-42-buy-1"},
                {**_WISH, "side": "sell", "order_type": "stop_limit", "stop_price": "60000", "price": "59990"},
            ]
        }
    )

    bot_id: UUID | None = Field(default=None, description="For which bot; it decides whether the order is on paper.")
    ex_id: UUID = Field(validation_alias=AliasChoices("ex_id", "exchange_id"), description="At which account.")
    symbol: SymbolName
    side: Side
    volume: Positive = Field(
        validation_alias=AliasChoices("volume", "amount", "quantity"), description="In the base currency."
    )
    order_type: OrderType = Field(validation_alias=AliasChoices("order_type", "type"))
    price: Positive | None = Field(default=None, description="The limit; for limit and stop_limit, and only there.")
    stop_price: Positive | None = Field(
        default=None, description="From where on it acts; for stop and stop_limit, and only there."
    )
    leverage: Leverage = Field(
        default=Decimal(1),
        description="Of a contract: above 1 it is set at the venue before the order, 1 leaves what is set there.",
    )
    client_order_id: Reference | None = Field(
        default=None, description="The caller's own id of it; of one order of the account, for ever."
    )

    @model_validator(mode="after")
    def _prices_fit(self) -> Self:
        for name, is_needed in (("price", self.order_type.has_price), ("stop_price", self.order_type.has_stop)):
            if is_needed and getattr(self, name) is None:
                raise ValueError(f"an order of the type {self.order_type.value} needs {name}")
            if not is_needed and getattr(self, name) is not None:
                raise ValueError(f"an order of the type {self.order_type.value} has no {name}")
        return self


class StatusChange(Request):
    """A status that the caller wants an order to have."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "canceled"}]})

    status: OrderStatus
    reason: Line | None = Field(default=None, max_length=200, description="Kept with an order of unknown fate.")


class OrderSums(BaseModel):
    """Orders of one quote currency."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SUMS]})

    currency: str
    dry_run: bool
    orders: int
    buys: int
    sells: int
    with_fills: int = Field(description="Of which at least something was filled.")
    turnover: Exact


class OrderStats(BaseModel):
    """What became of orders."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "window": {"start_time": "2026-08-01T00:00:00Z", "end_time": None},
                    "basis": STATS_BASIS,
                    "orders": 20,
                    "alive": 2,
                    "by_status": {"open": 2, "filled": 15, "canceled": 3},
                    "sums": [_SUMS],
                }
            ]
        }
    )

    window: Window
    basis: str
    orders: int
    alive: int = Field(description="Of which something may still become.")
    by_status: dict[OrderStatus, int] = Field(description="Only states that some order is in.")
    sums: list[OrderSums]


def _values(model: type[BaseModel], order: Order) -> dict[str, object]:
    values = {name: getattr(order, name) for name in model.model_fields if hasattr(order, name)}
    return {**values, "client_order_id": order.reference, "venue_client_order_id": order.client_order_id}
