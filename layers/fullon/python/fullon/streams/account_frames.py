"""What subscribers get of their own things: types of the values, as :mod:`frames` has those of everybody's."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

Amount = Annotated[str, "An exact decimal."]
Moment = Annotated[str, "RFC 3339, UTC."]


class OrderData(TypedDict):
    """An order, as the API answers it. Of two states of an order the one with the greater `version` is newer; a state
    may be sent again."""

    order_id: str
    uid: str
    ex_id: Annotated[str, "The exchange account."]
    bot_id: str | None
    symbol: str
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit", "stop", "stop_limit"]
    volume: Amount
    price: Amount | None
    stop_price: Amount | None
    leverage: Amount
    purpose: str
    origin: Annotated[Literal["platform", "external"], "`external`: placed elsewhere and found at the venue."]
    dry_run: bool
    client_order_id: Annotated[str | None, "What the caller gave."]
    venue_client_order_id: str
    venue_order_id: str | None
    status: Literal[
        "new", "submitted", "open", "partially_filled", "filled", "canceled", "rejected", "expired", "unknown"
    ]
    reason: str | None
    filled: Amount
    remaining: Amount
    average: Amount | None
    cost: Amount
    attempt: int
    sent_at: Moment | None
    cancel_requested_at: Moment | None
    created_at: Moment
    updated_at: Moment
    ended_at: Moment | None
    version: int


class FillData(TypedDict):
    """An execution of an account, as the API answers it. It may be sent again: its `trade_id` tells, and once more when
    its order becomes known."""

    trade_id: str
    uid: str
    ex_id: Annotated[str, "The exchange account."]
    bot_id: str | None
    order_id: Annotated[str | None, "Null while no order is known that it is of."]
    symbol: str
    side: Literal["buy", "sell"]
    price: Amount
    volume: Amount
    cost: Amount
    fee: Amount
    fee_currency: str
    fee_quote: Amount | None
    source: Literal["venue", "dry", "manual"]
    dry_run: bool
    editable: bool
    venue_trade_id: str
    venue_order_id: str | None
    maker: bool | None
    time: Moment


class BalanceItem(TypedDict):
    """One currency of an account."""

    currency: str
    free: Amount
    used: Annotated[str, "Held by open orders."]
    total: Amount


class BalancesData(TypedDict):
    """All balances of an account."""

    ex_id: Annotated[str, "The exchange account."]
    items: list[BalanceItem]
    as_of: Annotated[int, "When its venue was asked, epoch milliseconds."]


class PositionItem(TypedDict):
    """What an account holds of a symbol."""

    symbol: str
    side: Literal["long", "short"]
    volume: Amount
    entry_price: Amount
    fees: Annotated[str, "Paid for what is held, in the quote currency."]
    mark: Annotated[str | None, "Price when it was looked at."]
    unrealized: Annotated[str | None, "Profit if closed at that price, before the fee of closing."]
    opened_at: Moment


class PositionsData(TypedDict):
    """All positions of an account."""

    ex_id: Annotated[str, "The exchange account."]
    items: list[PositionItem]
    as_of: Annotated[int, "When its venue was asked, epoch milliseconds."]


class BotData(TypedDict):
    """A bot, as the API answers it."""

    bot_id: str
    uid: str
    name: str
    active: bool
    dry_run: bool
    note: str
    created_at: Moment
    updated_at: Moment
    active_since: Moment | None
    removed: NotRequired[Annotated[Literal[True], "It is no longer there."]]


class EngineData(TypedDict):
    """What the execution engine does for a user. Nothing is told yet: a snapshot is empty."""

    ex_id: NotRequired[str]
    bot_id: NotRequired[str]
