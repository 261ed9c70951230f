"""Orders and what comes of them. Quantities are of the base currency, prices of the quote currency, all exact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class Side(StrEnum):
    """What an order does."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 where the position grows towards long, -1 towards short."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order meets the market."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"

    @property
    def has_price(self) -> bool:
        """Whether it names a limit."""
        return self in {OrderType.LIMIT, OrderType.STOP_LIMIT}

    @property
    def has_stop(self) -> bool:
        """Whether it waits for a price."""
        return self in {OrderType.STOP, OrderType.STOP_LIMIT}


class OrderStatus(StrEnum):
    """Where an order is; see :mod:`fullon.orders.states` for the ways between."""

    NEW = "new"
    SUBMITTED = "submitted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def has_ended(self) -> bool:
        """Nothing more can become of it."""
        return self in ENDED


ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})
ALIVE = frozenset(OrderStatus) - ENDED


class Origin(StrEnum):
    """Who placed an order."""

    PLATFORM = "platform"
    EXTERNAL = "external"


class FillSource(StrEnum):
    """Where a fill comes from; those of a venue are immutable."""

    VENUE = "venue"
    DRY = "dry"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of a user, from the intent on.

    Attributes:
        purpose: what it is for: ``manual``, or what a bot calls it.
        client_order_id: what the venue knows it by, never used for another order.
        reference: the id that the caller gave.
        reason: why it was rejected, expired or is unknown; one plain sentence.
        cost: sum of price times quantity of its fills, in the quote currency.
        attempt: how often it was begun to be sent; the client order id depends on it.
        fence: of the leader that sent it.
        look_after: when the venue is to be asked for it, while its fate is unknown.
        version: grows with every change.
    """

    order_id: UUID
    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol_id: int
    symbol: str
    side: Side
    order_type: OrderType
    volume: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    leverage: Decimal
    purpose: str
    origin: Origin
    dry_run: bool
    client_order_id: str
    reference: str | None
    venue_order_id: str | None
    status: OrderStatus
    reason: str | None
    cancel_requested_at: datetime | None
    filled: Decimal
    cost: Decimal
    attempt: int
    fence: int | None
    sent_at: datetime | None
    look_after: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int

    @property
    def remaining(self) -> Decimal:
        """What is not filled."""
        return self.volume - self.filled

    @property
    def average(self) -> Decimal | None:
        """Average price of its fills, to 18 digits after the point; None without any."""
        return round(self.cost / self.filled, 18) if self.filled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What is to be entered as an order: an intent, or an order that was found at its venue.

    Attributes:
        reference: the client order id that the caller gave; unique in the account.
        status: ``new`` for intents; what the venue says of an order that was found there.
        client_order_id: what the venue knows a found order by; an intent gets one that follows from its id.
    """

    uid: UUID
    ex_id: UUID
    symbol_id: int
    symbol: str
    side: Side
    order_type: OrderType
    volume: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    leverage: Decimal = Decimal(1)
    bot_id: UUID | None = None
    dry_run: bool = False
    purpose: str = "manual"
    reference: str | None = None
    origin: Origin = Origin.PLATFORM
    status: OrderStatus = OrderStatus.NEW
    client_order_id: str | None = None
    venue_order_id: str | None = None
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """A change of an order.

    Attributes:
        actor: who did it: a user id, or the name of a daemon.
    """

    event_id: int
    order_id: UUID
    at: datetime
    status: OrderStatus
    actor: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A trade of an account, as its venue reported it (or the simulated book, or a person).

    Attributes:
        venue_trade_id: unique in its account and symbol.
        fee: what was paid, in ``fee_currency``; negative where the venue paid.
        fee_quote: the same in the quote currency at that time; None where no price was known.
        maker: None where the venue does not say.
    """

    fill_id: UUID
    uid: UUID
    ex_id: UUID
    order_id: UUID | None
    bot_id: UUID | None
    symbol_id: int
    symbol: str
    side: Side
    source: FillSource
    venue_trade_id: str
    venue_order_id: str | None
    price: Decimal
    volume: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote: Decimal | None
    maker: bool | None
    at: datetime

    @property
    def cost(self) -> Decimal:
        """Price times quantity, in the quote currency."""
        return self.price * self.volume


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of an account: free, and held by open orders."""

    currency: str
    free: Decimal
    used: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.free + self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of a symbol; negative quantities are short.

    Attributes:
        entry_price: average price of what is held.
        fees: paid for what is held, in the quote currency.
        unrealized: profit if closed at ``mark``, before the fee of closing; None without a price.
    """

    ex_id: UUID
    symbol: str
    volume: Decimal
    entry_price: Decimal
    fees: Decimal
    mark: Decimal | None
    unrealized: Decimal | None
    opened_at: datetime
