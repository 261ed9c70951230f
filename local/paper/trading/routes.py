"""Trading over REST and the WebSocket API: what each request does and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.paper import errors
from local.paper.errors import VenueError
from local.paper.exchange import DAY_MS, Exchange
from local.paper.parameters import Parameters
from local.paper.trading import answers
from local.paper.trading.accounts import Key
from local.paper.trading.desk import Desk, Placed
from local.paper.trading.faults import TradingFaults
from local.paper.trading.limits import OrderLimit
from local.paper.trading.orders import Order, OrderType, Status
from local.paper.trading.signing import Needs
from local.paper.trading.streams import UserStreams
from local.paper.trading.tickets import client_id, read_ticket

_ALWAYS = 1 << 62
RESTRICTIONS = {"ONLY_NEW": Status.NEW, "ONLY_PARTIALLY_FILLED": Status.PARTIALLY_FILLED}


@dataclass(frozen=True)
class TradingVenue:
    """What the handlers work with."""

    exchange: Exchange
    desk: Desk
    streams: UserStreams
    faults: TradingFaults
    limit: OrderLimit

    def shown(self, order: Order) -> dict[str, Any]:
        """An order as queries answer it."""
        return answers.queried(self.exchange.instruments[order.symbol].symbol, order)


@dataclass(frozen=True)
class TradingRoute:
    """A request's answer, its weight, what it must show, and how many orders it counts for."""

    answer: Callable[[TradingVenue, Key, Parameters], Any]
    weight: Callable[[Parameters], int]
    needs: Needs
    orders: int = 0


def place(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    ticket = read_ticket(query)
    default = "FULL" if ticket.type in {OrderType.MARKET, OrderType.LIMIT} else "ACK"
    wanted = query.text("newOrderRespType", "ACK", "RESULT", "FULL") or default
    query.finish()
    return shown_new(venue, venue.desk.place(key.account, ticket), wanted)


def test(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    ticket = read_ticket(query)
    query.text("newOrderRespType")
    with_rates = query.text("computeCommissionRates", "true", "false") == "true"
    query.finish()
    venue.desk.check(key.account, ticket)
    if not with_rates:
        return {}
    account = venue.desk.state.accounts[key.account]
    rates = {"maker": answers.number(account.maker), "taker": answers.number(account.taker)}
    none = {name: answers.number(0) for name in rates}
    return {"standardCommissionForOrder": rates, "specialCommissionForOrder": none, "taxCommissionForOrder": none}


def query_order(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    venue.desk.now()
    unknown = VenueError(-2013, "Order does not exist.")
    order = find(venue, key, query, unknown)
    if not venue.faults.visible(order.id):
        raise unknown
    return venue.shown(order)


def cancel(venue: TradingVenue, key: Key, query: Parameters) -> dict[str, Any]:
    venue.desk.now()
    unknown = VenueError(-2011, "Unknown order sent.")
    order = find(venue, key, query, unknown)
    request_id = client_id(query, "newClientOrderId") or venue.desk.new_client_id(order.id, "cancel")
    restriction = _restriction(query)
    query.finish()
    if not order.is_open:
        raise unknown
    return cancel_found(venue, order, request_id, restriction)


def cancel_all(venue: TradingVenue, key: Key, query: Parameters) -> list[dict[str, Any]]:
    instrument = query.instrument()
    query.finish()
    venue.desk.now()
    orders = venue.desk.state.open.of_account(key.account, instrument.symbol.id)
    if not orders:
        raise VenueError(-2011, "Unknown order sent.")
    canceled = []
    for order in orders:
        if venue.desk.state.open.find(key.account, order.id) is not None:
            request_id = venue.desk.new_client_id(order.id, "cancel")
            canceled.append(cancel_found(venue, order, request_id, None))
    return canceled


def open_orders(venue: TradingVenue, key: Key, query: Parameters) -> list[dict[str, Any]]:
    symbol = query.instrument().symbol.id if query.text("symbol") is not None else None
    venue.desk.now()
    orders = venue.desk.state.open.of_account(key.account, symbol)
    return [venue.shown(order) for order in orders if venue.faults.visible(order.id)]


def all_orders(venue: TradingVenue, key: Key, query: Parameters) -> list[dict[str, Any]]:
    symbol, limit, first = query.instrument().symbol.id, query.limit(500, 1000), _number(query, "orderId")
    start, end = _span(query)
    venue.desk.now()
    found = venue.desk.records.orders(key.account, symbol, limit, first=first, start=start, end=end)
    return [venue.shown(order) for order in found if venue.faults.visible(order.id)]


def own_trades(venue: TradingVenue, key: Key, query: Parameters) -> list[dict[str, Any]]:
    symbol, limit = query.instrument().symbol, query.limit(500, 1000)
    order_id, first = _number(query, "orderId"), _number(query, "fromId")
    start, end = _span(query)
    if first is not None and (start is not None or end != _ALWAYS):
        raise errors.bad_combination()
    venue.desk.now()
    records = venue.desk.records
    if order_id is None:
        found = records.fills(key.account, symbol.id, limit, first=first, start=start, end=end)
    else:
        mine = [fill for fill in records.fills_of(order_id) if (fill.account, fill.symbol) == (key.account, symbol.id)]
        kept = [fill for fill in mine if fill.id >= (first or 0) and (start or 0) <= fill.time <= end]
        found = kept[:limit]
    return [answers.own_trade(symbol, fill) for fill in found if venue.faults.visible(fill.order)]


def find(venue: TradingVenue, key: Key, query: Parameters, unknown: VenueError, prefix: str = "orig") -> Order:
    """The order a request names by id, by client order id, or by both; with several of a name, open and newest first.

    ``prefix`` is ``orig`` for ``orderId`` and ``origClientOrderId``, ``cancel`` for ``cancelOrderId`` and
    ``cancelOrigClientOrderId``.
    """
    id_name, client_name = (
        ("orderId", "origClientOrderId") if prefix == "orig" else ("cancelOrderId", "cancelOrigClientOrderId")
    )
    symbol = query.instrument().symbol.id
    order_id, name = _number(query, id_name), query.text(client_name)
    if order_id is None and not name:
        raise VenueError(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    records, account = venue.desk.records, key.account
    if order_id is not None:
        order = records.order(account, symbol, order_id)
        found = [order] if order is not None and name in (None, order.client_id) else []
    else:
        found = sorted(records.orders_named(account, symbol, name or ""), key=lambda each: (each.is_open, each.id))
    if not found:
        raise unknown
    return found[-1]


def cancel_found(venue: TradingVenue, order: Order, request_id: str, restriction: Status | None) -> dict[str, Any]:
    """Cancel an open order, unless it is not in the status it has to be in."""
    if restriction is not None and order.status is not restriction:
        raise VenueError(-2011, "Order was not canceled due to cancel restrictions.")
    canceled = venue.desk.cancel(order.account, order.id, request_id)
    return answers.canceled(venue.exchange.instruments[order.symbol].symbol, canceled, request_id)


def shown_new(venue: TradingVenue, placed: Placed, wanted: str) -> dict[str, Any]:
    """A new order as the client wants to see it: ACK, RESULT or FULL."""
    symbol = venue.exchange.instruments[placed.order.symbol].symbol
    match wanted:
        case "ACK":
            return answers.acknowledged(placed.order)
        case "RESULT":
            return answers.result(symbol, placed.order)
    return answers.full(symbol, placed.order, placed.fills)


def _restriction(query: Parameters) -> Status | None:
    value = query.text("cancelRestrictions")
    if value is not None and value not in RESTRICTIONS:
        raise VenueError(-1145, "Invalid cancelRestrictions")
    return RESTRICTIONS[value] if value is not None else None


def _number(query: Parameters, name: str) -> int | None:
    """An id or a time, not larger than the file can hold; nothing is as large."""
    value = query.integer(name)
    return None if value is None else min(value, _ALWAYS)


def _span(query: Parameters) -> tuple[int | None, int]:
    start, end = _number(query, "startTime"), _number(query, "endTime")
    if start is not None and end is not None:
        if end < start:
            raise VenueError(-1102, "Start time is greater than end time.")
        if end - start > DAY_MS:
            raise VenueError(-1127, "More than 24 hours between startTime and endTime.")
    return start, _ALWAYS if end is None else end


def _always(weight: int) -> Callable[[Parameters], int]:
    return lambda _: weight


TRADING_ROUTES = {
    ("POST", "/api/v3/order"): TradingRoute(place, _always(1), Needs.TRADE, orders=1),
    ("POST", "/api/v3/order/test"): TradingRoute(test, _always(1), Needs.TRADE),
    ("GET", "/api/v3/order"): TradingRoute(query_order, _always(4), Needs.READ),
    ("DELETE", "/api/v3/order"): TradingRoute(cancel, _always(1), Needs.TRADE),
    ("GET", "/api/v3/openOrders"): TradingRoute(
        open_orders, lambda query: 80 if query.text("symbol") is None else 6, Needs.READ
    ),
    ("DELETE", "/api/v3/openOrders"): TradingRoute(cancel_all, _always(1), Needs.TRADE),
    ("GET", "/api/v3/allOrders"): TradingRoute(all_orders, _always(20), Needs.READ),
    ("GET", "/api/v3/myTrades"): TradingRoute(
        own_trades, lambda query: 20 if query.text("orderId") is None else 5, Needs.READ
    ),
}
