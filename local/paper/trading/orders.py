"""Orders and fills as values. Prices are whole ticks, quantities whole steps, amounts ticks times steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from local.paper.prints import Trade


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Binance's order types of the spot market."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class TimeInForce(StrEnum):
    """How long an order stays: until canceled, not at all, or not unless it fills whole."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


LIMITED = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
STOPS = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_LOSSES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
OPEN = frozenset({Status.NEW, Status.PARTIALLY_FILLED})
#: What may follow what; nothing follows an end.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.NEW: frozenset(Status),
    Status.PARTIALLY_FILLED: frozenset(Status) - {Status.NEW},
    Status.FILLED: frozenset(),
    Status.CANCELED: frozenset(),
    Status.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client asks for, read and checked. ``quote_quantity`` is an amount to spend or receive, 0 for none."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    quote_quantity: int = 0
    stop_price: int = 0
    iceberg: int = 0
    client_id: str = ""
    prevention: str = "EXPIRE_MAKER"


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted order.

    ``after`` is the last public trade before it: only later ones can fill or trigger it. ``working`` is false while a
    stop waits for its price. ``held`` says whether its funds are locked. Times are the venue's, epoch milliseconds.
    """

    id: int
    account: int
    symbol: str
    client_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    quote_quantity: int
    stop_price: int
    iceberg: int
    prevention: str
    time: int
    update_time: int
    after: int
    status: Status = Status.NEW
    executed: int = 0
    amount: int = 0
    working: bool = True
    working_time: int = -1
    held: bool = True

    @property
    def remaining(self) -> int:
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def reserve_price(self) -> int:
        """Ticks at which the funds of a buy order are locked."""
        return self.price or self.stop_price

    @property
    def waits_for_rise(self) -> bool:
        """Whether a stop triggers at or above its price rather than at or below it."""
        return (self.side is Side.BUY) == (self.type in _LOSSES)

    def triggered_by(self, price: int) -> bool:
        """Whether a stop's price is reached at ``price``."""
        return price >= self.stop_price if self.waits_for_rise else price <= self.stop_price

    def crossed_by(self, trade: Trade) -> bool:
        """Whether a print went through the limit: beyond it, or at it with the other side's quote moved onto it."""
        if self.side is Side.BUY:
            return trade.price < self.price or (trade.price == self.price and not trade.buyer_is_maker)
        return trade.price > self.price or (trade.price == self.price and trade.buyer_is_maker)

    def moved(self, status: Status, time: int) -> Order:
        """The same order in another status."""
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"an order that is {self.status} does not become {status}")
        return replace(self, status=status, update_time=time)

    def filled(self, price: int, quantity: int, time: int) -> Order:
        """The same order with a fill more; never beyond its quantity, never worse than its limit."""
        better = price <= self.price if self.side is Side.BUY else price >= self.price
        if not 0 < quantity <= self.remaining or (self.type in LIMITED and not better):
            raise ValueError("a fill keeps to the quantity and the limit of its order")
        whole = quantity == self.remaining
        moved = self.moved(Status.FILLED if whole else Status.PARTIALLY_FILLED, time)
        return replace(moved, executed=self.executed + quantity, amount=self.amount + price * quantity)


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade of an account's own: what its order got, and what it cost."""

    id: int
    order: int
    account: int
    symbol: str
    side: Side
    price: int
    quantity: int
    commission: Decimal
    commission_asset: str
    time: int
    maker: bool
