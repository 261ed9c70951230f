"""The rules of ``exchangeInfo``, enforced: the same limits that the symbol shows, refused with Binance's words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from local.paper.errors import VenueError
from local.paper.exchange import Instrument
from local.paper.history import MINUTE_MS
from local.paper.trading.orders import LIMITED, STOPS, Order, OrderType, Side, Ticket

AVERAGE_MINUTES = 5


def failure(name: str) -> VenueError:
    return VenueError(-1013, f"Filter failure: {name}")


class Filters:
    """The filters of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        symbol = instrument.symbol
        rules: dict[str, dict[str, Any]] = {each["filterType"]: each for each in symbol.information()["filters"]}
        self._prices = tuple(symbol.ticks(rules["PRICE_FILTER"][name]) for name in ("minPrice", "maxPrice"))
        self._lots = tuple(symbol.steps(rules["LOT_SIZE"][name]) for name in ("minQty", "maxQty"))
        self.market_lot = symbol.steps(rules["MARKET_LOT_SIZE"]["maxQty"])
        scale = symbol.price_decimals + symbol.quantity_decimals
        notional = rules["NOTIONAL"]
        self._notional = tuple(int(Decimal(notional[name]).scaleb(scale)) for name in ("minNotional", "maxNotional"))
        self._percent = {
            side: tuple(Decimal(rules["PERCENT_PRICE_BY_SIDE"][name + end]) for end in ("Down", "Up"))
            for side, name in ((Side.BUY, "bidMultiplier"), (Side.SELL, "askMultiplier"))
        }
        self._orders = int(rules["MAX_NUM_ORDERS"]["maxNumOrders"])
        self._stops = int(rules["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"])
        self._parts = int(rules["ICEBERG_PARTS"]["limit"])
        self._average = (-1, 0)

    def average(self, now: int) -> int:
        """The average price in ticks of the last whole five minutes, weighted by quantity."""
        minute = now // MINUTE_MS
        if self._average[0] != minute:
            first = (minute - AVERAGE_MINUTES) * MINUTE_MS
            span = self._instrument.klines.span(first, minute * MINUTE_MS - 1)
            traded = span is not None and span.volume > 0
            price = span.amount // span.volume if span is not None and traded else self._instrument.last(now).price
            self._average = (minute, price)
        return self._average[1]

    def check(self, ticket: Ticket, open_orders: Sequence[Order], now: int) -> None:
        """Refuse what breaks a filter.

        Args:
            ticket: what is asked for.
            open_orders: the account's own on this symbol.
            now: the venue's time.

        Raises:
            VenueError: -1013 with the name of the first filter that fails.
        """
        for price in (ticket.price, ticket.stop_price):
            if price and not self._prices[0] <= price <= self._prices[1]:
                raise failure("PRICE_FILTER")
        if ticket.type in LIMITED:
            down, up = self._percent[ticket.side]
            if not self.average(now) * down <= ticket.price <= self.average(now) * up:
                raise failure("PERCENT_PRICE_BY_SIDE")
        if not ticket.quote_quantity and not self._lots[0] <= ticket.quantity <= self._lots[1]:
            raise failure("LOT_SIZE")
        if ticket.type not in LIMITED and ticket.quantity > self.market_lot:
            raise failure("MARKET_LOT_SIZE")
        if ticket.iceberg and -(-ticket.quantity // ticket.iceberg) > self._parts:
            raise failure("ICEBERG_PARTS")
        self._check_notional(ticket, now)
        if len(open_orders) >= self._orders and ticket.type is not OrderType.MARKET:
            raise failure("MAX_NUM_ORDERS")
        if ticket.type in STOPS and sum(order.type in STOPS for order in open_orders) >= self._stops:
            raise failure("MAX_NUM_ALGO_ORDERS")

    def _check_notional(self, ticket: Ticket, now: int) -> None:
        amount = ticket.quote_quantity or ticket.quantity * (ticket.price or ticket.stop_price or self.average(now))
        if amount < self._notional[0] or (ticket.type in LIMITED and amount > self._notional[1]):
            raise failure("NOTIONAL")
