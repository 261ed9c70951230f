"""ccxt's answers about one order as :class:`fullon.venues.trading.Found`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fullon.venues import ccxt_account_values
from fullon.venues.account_data import VenueFill, VenueOrder
from fullon.venues.trading import Found

Raw = Mapping[str, Any]


def placed(raw: Raw) -> Found:
    """The answer to a placement; what is filled in it took from the book, at the time of the order.

    Raises:
        ValueError: the venue left out what makes an order or a trade.
    """
    of = _order(raw)
    at = raw.get("timestamp")
    return Found(of, tuple(_fill({**each, "timestamp": at, "takerOrMaker": "taker"}, of) for each in raw["trades"]))


def found(raw: Raw, trades: Sequence[Raw]) -> Found:
    """An order, with those of ``trades`` that are its own.

    Raises:
        ValueError: the venue left out what makes an order or a trade.
    """
    of = _order(raw)
    return Found(of, tuple(_fill(each, of) for each in trades if str(each.get("order")) == of.venue_order_id))


def _order(raw: Raw) -> VenueOrder:
    understood = ccxt_account_values.order(raw)
    if understood is None:
        raise ValueError("no order")
    return understood


def _fill(raw: Raw, of: VenueOrder) -> VenueFill:
    understood = ccxt_account_values.fill({**raw, "symbol": of.symbol, "side": of.side})
    if understood is None:
        raise ValueError("no trade")
    return replace(understood, venue_order_id=of.venue_order_id, client_order_id=of.client_order_id)
