"""The messages of a user stream, as Binance's "User Data Streams" page describes them."""

from __future__ import annotations

from typing import Any

from local.paper.exchange import Exchange
from local.paper.trading.answers import number
from local.paper.trading.state import Deposit, Event, Position, Report


def message(event: Event, exchange: Exchange, event_time: int) -> dict[str, Any]:
    """An event; ``event_time`` is the time the venue states, in epoch milliseconds."""
    match event:
        case Report():
            return _execution(event, exchange, event_time)
        case Position():
            return {
                "e": "outboundAccountPosition",
                "E": event_time,
                "u": event.time,
                "B": [
                    {"a": asset, "f": number(balance.free), "l": number(balance.locked)}
                    for asset, balance in event.balances.items()
                ],
            }
        case Deposit():
            return {
                "e": "balanceUpdate",
                "E": event_time,
                "a": event.asset,
                "d": number(event.amount),
                "T": event.time,
            }


def _execution(report: Report, exchange: Exchange, event_time: int) -> dict[str, Any]:
    order, fill = report.order, report.fill
    symbol = exchange.instruments[order.symbol].symbol
    price, quantity = (fill.price, fill.quantity) if fill else (0, 0)
    canceled = bool(report.request_id)
    return {
        "e": "executionReport",
        "E": event_time,
        "s": order.symbol,
        "c": report.request_id if canceled else order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": symbol.quantity(order.quantity),
        "p": symbol.price(order.price),
        "P": symbol.price(order.stop_price),
        "F": symbol.quantity(order.iceberg),
        "g": -1,
        "C": order.client_id if canceled else "",
        "x": report.kind,
        "X": order.status,
        "r": "NONE",
        "i": order.id,
        "l": symbol.quantity(quantity),
        "z": symbol.quantity(order.executed),
        "L": symbol.price(price),
        "n": number(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": report.time,
        "t": fill.id if fill else -1,
        "I": order.id * 1000 + (fill.id if fill else 0),
        "w": order.working and order.is_open,
        "m": fill.maker if fill else False,
        "M": fill is not None,
        "O": order.time,
        "Z": symbol.amount(order.amount),
        "Y": symbol.amount(price * quantity),
        "Q": symbol.amount(order.quote_quantity),
        **({"W": order.working_time} if order.working else {}),
        "V": order.prevention,
    }
