"""Everything in force, and the step that changes it: collected first, written to the file, and only then in force.

So a step that cannot be written has not happened, and what the file, the answers and the user stream say is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from local.paper.trading.accounts import Account, Balance, Key, Transfer
from local.paper.trading.orders import Fill, Order, Side
from local.paper.trading.settlement import Movement

_UNREACHABLE = 1 << 62


@dataclass(frozen=True, slots=True)
class Report:
    """Something happened to an order: ``kind`` is Binance's execution type, ``request_id`` that of a cancellation."""

    account: int
    time: int
    order: Order
    kind: str
    fill: Fill | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Balances as they are after what was reported just before."""

    account: int
    time: int
    balances: Mapping[str, Balance]


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money came or went outside trading."""

    account: int
    time: int
    asset: str
    amount: Decimal


Event = Report | Position | Deposit


class Reach(NamedTuple):
    """The prints that can do something: after trade ``after``, at or below ``below`` or at or above ``above``."""

    below: int = -1
    above: int = _UNREACHABLE
    after: int = _UNREACHABLE

    def with_order(self, order: Order) -> Reach:
        """Reaching to an order as well."""
        falls, price = _edge(order)
        below, above = (max(self.below, price), self.above) if falls else (self.below, min(self.above, price))
        return Reach(below, above, min(self.after, order.after))

    def is_set_by(self, order: Order) -> bool:
        """Whether it may be shorter without this order."""
        falls, price = _edge(order)
        return price == (self.below if falls else self.above) or order.after == self.after


def _edge(order: Order) -> tuple[bool, int]:
    """Whether an order waits for a price to fall, and to which."""
    if order.working:
        return order.side is Side.BUY, order.price
    return not order.waits_for_rise, order.stop_price


class OpenOrders:
    """The orders that can still fill, by symbol and by account, oldest first.

    Args:
        orders: in the order of their ids.
    """

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._by_symbol: dict[str, dict[int, Order]] = {}
        self._by_account: dict[int, dict[int, Order]] = {}
        self._reach: dict[str, Reach] = {}
        for order in orders:
            self.put(order)

    def put(self, order: Order) -> None:
        """Note an order as it is now; one that has ended is dropped."""
        symbol, account = self._by_symbol.setdefault(order.symbol, {}), self._by_account.setdefault(order.account, {})
        known = self._reach.get(order.symbol)
        if order.is_open:
            symbol[order.id] = account[order.id] = order
            if known is not None:
                self._reach[order.symbol] = known.with_order(order)
        else:
            symbol.pop(order.id, None)
            account.pop(order.id, None)
            if not symbol or (known is not None and known.is_set_by(order)):
                self._reach.pop(order.symbol, None)

    def of_symbol(self, symbol: str) -> list[Order]:
        return list(self._by_symbol.get(symbol, {}).values())

    def of_account(self, account: int, symbol: str | None = None) -> list[Order]:
        orders = self._by_account.get(account, {}).values()
        return [order for order in orders if symbol is None or order.symbol == symbol]

    def find(self, account: int, order_id: int) -> Order | None:
        return self._by_account.get(account, {}).get(order_id)

    def symbols(self) -> list[str]:
        """Those with open orders."""
        return [symbol for symbol, orders in self._by_symbol.items() if orders]

    def reach(self, symbol: str) -> Reach:
        """Which prints can do something to the open orders of a symbol; perhaps some more, never fewer."""
        known = self._reach.get(symbol)
        if known is None:
            known = Reach()
            for order in self._by_symbol.get(symbol, {}).values():
                known = known.with_order(order)
            self._reach[symbol] = known
        return known


@dataclass
class State:
    """What is in force."""

    accounts: dict[int, Account] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    balances: dict[int, dict[str, Balance]] = field(default_factory=dict)
    open: OpenOrders = field(default_factory=OpenOrders)
    cursors: dict[str, int] = field(default_factory=dict)
    last_order: int = 0
    last_fill: int = 0


class Step:
    """What happens at one moment, until it is in force.

    Args:
        state: what is in force before.
        time: when it happens, epoch milliseconds of the venue.
    """

    def __init__(self, state: State, time: int) -> None:
        self._state = state
        self.time = time
        self.last_order = state.last_order
        self.last_fill = state.last_fill
        self.accounts: list[Account] = []
        self.keys: list[Key] = []
        self.transfers: list[Transfer] = []
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.balances: dict[tuple[int, str], Balance] = {}
        self.cursors: dict[str, int] = {}
        self.events: list[Event] = []
        self._touched: dict[int, set[str]] = {}

    def next_order(self) -> int:
        self.last_order += 1
        return self.last_order

    def next_fill(self) -> int:
        self.last_fill += 1
        return self.last_fill

    def balance(self, account: int, asset: str) -> Balance:
        """As it is within this step."""
        pending = self.balances.get((account, asset))
        return pending if pending is not None else self._state.balances.get(account, {}).get(asset, Balance())

    def move(self, account: int, movement: Movement) -> None:
        """Change a balance; raises ValueError rather than make it negative."""
        asset, free, locked = movement
        self.balances[account, asset] = self.balance(account, asset).moved(free, locked)
        self._touched.setdefault(account, set()).add(asset)

    def report(self, order: Order, kind: str, fill: Fill | None = None, request_id: str = "") -> None:
        """Tell of an order as it is now, and of the balances that have changed with it."""
        self.orders[order.id] = order
        if fill is not None:
            self.fills.append(fill)
        self.events.append(Report(order.account, self.time, order, kind, fill, request_id))
        self.tell_balances(order.account)

    def tell_balances(self, account: int) -> None:
        """Tell of the balances that have changed since they were last told of."""
        if touched := self._touched.pop(account, None):
            balances = {asset: self.balance(account, asset) for asset in sorted(touched)}
            self.events.append(Position(account, self.time, balances))

    def enforce(self) -> None:
        """Put everything into force; called when it has been written."""
        state = self._state
        state.last_order, state.last_fill = self.last_order, self.last_fill
        for account in self.accounts:
            state.accounts[account.id] = account
        for key in self.keys:
            state.keys[key.key] = key
        for (owner, asset), balance in self.balances.items():
            state.balances.setdefault(owner, {})[asset] = balance
        for order in self.orders.values():
            state.open.put(order)
        state.cursors.update(self.cursors)
