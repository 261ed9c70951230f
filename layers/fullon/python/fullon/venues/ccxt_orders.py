"""ccxt's orders and own trades as our values, for venues of Binance's family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from fullon.kernel.clock import from_milliseconds
from fullon.venues.account_data import Kind, Side, State, VenueFill, VenueOrder
from fullon.venues.ccxt_values import decimal
from fullon.venues.trading import Found

Raw = Mapping[str, Any]

_ENDINGS: Mapping[str, State] = {
    "closed": "filled",
    "canceled": "canceled",
    "rejected": "rejected",
    "expired": "expired",
}


def order(raw: Raw) -> VenueOrder:
    """An order.

    Raises:
        ValueError, LookupError, TypeError: the venue left out what makes one.
    """
    filled = decimal(raw.get("filled")) or Decimal(0)
    stop_price = decimal(raw.get("triggerPrice")) or None
    alive: State = "partially_filled" if filled else "open"
    return VenueOrder(
        symbol=str(raw["symbol"]),
        venue_order_id=_named(raw, "id"),
        client_order_id=None if raw.get("clientOrderId") is None else str(raw["clientOrderId"]),
        side=_side(raw),
        kind=_kind(raw, stop_price),
        volume=_number(raw, "amount"),
        price=decimal(raw.get("price")) or None,
        stop_price=stop_price,
        state=_ENDINGS.get(str(raw.get("status")), alive),
        filled=filled,
        cost=decimal(raw.get("cost")),
        at=None if raw.get("timestamp") is None else from_milliseconds(int(raw["timestamp"])),
    )


def fill(raw: Raw, of: VenueOrder, *, at: datetime | None = None, maker: bool | None = None) -> VenueFill:
    """A trade of an order.

    Args:
        at, maker: where the trade itself does not say.

    Raises:
        ValueError, LookupError, TypeError: the venue left out what makes one.
    """
    fee = raw.get("fee") or {}
    said = raw.get("takerOrMaker")
    moment = at if raw.get("timestamp") is None else from_milliseconds(int(raw["timestamp"]))
    if moment is None:
        raise ValueError("a trade without a time")
    return VenueFill(
        symbol=of.symbol,
        venue_trade_id=_named(raw, "id"),
        venue_order_id=of.venue_order_id,
        client_order_id=of.client_order_id,
        side=of.side,
        price=_number(raw, "price"),
        volume=_number(raw, "amount"),
        fee=decimal(fee.get("cost")) or Decimal(0),
        fee_currency=str(fee.get("currency") or of.symbol.partition("/")[2].partition(":")[0]),
        maker=maker if said is None else said == "maker",
        at=moment,
    )


def placed(raw: Raw) -> Found:
    """The answer to a placement; what is filled in it took from the book.

    Raises:
        ValueError, LookupError, TypeError: the venue left out what makes one.
    """
    of = order(raw)
    return Found(of, tuple(fill(each, of, at=of.at, maker=False) for each in raw.get("trades") or ()))


def found(raw: Raw, trades: Sequence[Raw]) -> Found:
    """An order with its trades.

    Raises:
        ValueError, LookupError, TypeError: the venue left out what makes one.
    """
    of = order(raw)
    return Found(of, tuple(fill(each, of) for each in trades if str(each.get("order")) == of.venue_order_id))


def _named(raw: Raw, name: str) -> str:
    if raw.get(name) in (None, ""):
        raise ValueError(f"no {name}")
    return str(raw[name])


def _side(raw: Raw) -> Side:
    if raw.get("side") not in ("buy", "sell"):
        raise ValueError("no side")
    return cast("Side", raw["side"])


def _kind(raw: Raw, stop_price: Decimal | None) -> Kind:
    """ccxt calls a stop by what it becomes; some answers call it by its own name."""
    takes = "limit" not in str(raw.get("type")).lower()
    if stop_price is None:
        return "market" if takes else "limit"
    return "stop" if takes else "stop_limit"


def _number(raw: Raw, name: str) -> Decimal:
    number = decimal(raw.get(name))
    if number is None:
        raise ValueError(f"no {name}")
    return number
