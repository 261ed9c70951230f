"""Reading an order request: which parameters each type needs and refuses, and how numbers must be written."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from local.paper import errors
from local.paper.errors import VenueError
from local.paper.market import SHOWN_DECIMALS
from local.paper.parameters import Parameters
from local.paper.trading.filters import failure
from local.paper.trading.orders import LIMITED, STOPS, OrderType, Side, Ticket, TimeInForce

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_DECIMAL_RANGE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_CLIENT_ID_RANGE = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
_PREVENTION = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
Kind = TypeVar("Kind", bound=StrEnum)


def read_ticket(query: Parameters) -> Ticket:
    """The order that a request asks for.

    Raises:
        VenueError: as Binance refuses it, before any filter that needs the market.
    """
    instrument = query.instrument()
    side = _one_of(query, "side", Side, VenueError(-1117, "Invalid side."))
    kind = _one_of(query, "type", OrderType, VenueError(-1116, "Invalid orderType."))
    symbol = instrument.symbol
    price = _needed(query, "price", kind in LIMITED)
    stop_price = _needed(query, "stopPrice", kind in STOPS)
    quantity, quote_quantity = _decimal(query, "quantity"), None
    if kind is OrderType.MARKET:
        quote_quantity = _decimal(query, "quoteOrderQty")
        if quantity is None and quote_quantity is None:
            raise VenueError(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
    elif query.text("quoteOrderQty") is not None:
        raise _not_required("quoteOrderQty")
    if quantity is not None and quote_quantity is not None:
        raise _not_required("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise errors.missing("quantity")
    if query.text("trailingDelta") is not None:
        raise VenueError(-2010, "Trailing stop orders are not supported for this symbol.")
    time_in_force, iceberg = _time_in_force(query, kind), _decimal(query, "icebergQty")
    if iceberg is not None and (kind not in LIMITED or time_in_force is not TimeInForce.GTC):
        raise _not_required("icebergQty")
    if iceberg is not None and quantity is not None and iceberg > quantity:
        raise VenueError(-2010, "IcebergQty exceeds QTY.")
    scale = symbol.price_decimals + symbol.quantity_decimals
    return Ticket(
        symbol=symbol.id,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        price=_units(price, symbol.price_decimals, "PRICE_FILTER"),
        quantity=_units(quantity, symbol.quantity_decimals, "LOT_SIZE"),
        quote_quantity=int((quote_quantity or Decimal(0)).scaleb(scale)),
        stop_price=_units(stop_price, symbol.price_decimals, "PRICE_FILTER"),
        iceberg=_units(iceberg, symbol.quantity_decimals, "LOT_SIZE"),
        client_id=client_id(query, "newClientOrderId") or "",
        prevention=query.text("selfTradePreventionMode", *_PREVENTION) or "EXPIRE_MAKER",
    )


def client_id(query: Parameters, name: str) -> str | None:
    """An optional client order id."""
    value = query.text(name)
    if value == "":
        raise VenueError(-1118, "New client order ID was empty.")
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise errors.illegal(name, _CLIENT_ID_RANGE)
    return value


def _time_in_force(query: Parameters, kind: OrderType) -> TimeInForce:
    needed = kind in LIMITED and kind is not OrderType.LIMIT_MAKER
    if not needed:
        if query.text("timeInForce") is not None:
            raise _not_required("timeInForce")
        return TimeInForce.GTC
    return _one_of(query, "timeInForce", TimeInForce, VenueError(-1115, "Invalid timeInForce."))


def _one_of(query: Parameters, name: str, kind: type[Kind], refusal: VenueError) -> Kind:
    value = query.text(name)
    if not value:
        raise errors.missing(name)
    if value not in set(kind):
        raise refusal
    return kind(value)


def _needed(query: Parameters, name: str, needed: bool) -> Decimal | None:
    value = _decimal(query, name)
    if needed and value is None:
        raise errors.missing(name)
    if not needed and value is not None:
        raise _not_required(name)
    return value


def _decimal(query: Parameters, name: str) -> Decimal | None:
    text = query.text(name)
    if text is None:
        return None
    if not text:
        raise VenueError(-1105, f"Parameter '{name}' was empty.")
    if not _DECIMAL.fullmatch(text):
        raise errors.illegal(name, _DECIMAL_RANGE)
    value = Decimal(text)
    if len(text.partition(".")[2].rstrip("0")) > SHOWN_DECIMALS:
        raise VenueError(-1111, f"Parameter '{name}' has too much precision.")
    if not value:
        raise VenueError(-1013, "Invalid price." if name in {"price", "stopPrice"} else "Invalid quantity.")
    return value


def _units(value: Decimal | None, decimals: int, rule: str) -> int:
    units = (value or Decimal(0)).scaleb(decimals)
    if units != units.to_integral_value():
        raise failure(rule)
    return int(units)


def _not_required(name: str) -> VenueError:
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")
