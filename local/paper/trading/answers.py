"""Orders and fills as the REST and WebSocket APIs show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from local.paper.market import Symbol
from local.paper.trading.orders import STOPS, Fill, Order, Side


def number(value: Any) -> str:
    """A decimal with at least eight digits after the point."""
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(8, '0')}"


def queried(symbol: Symbol, order: Order) -> dict[str, Any]:
    """An order as queries answer it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": symbol.price(order.price),
        "origQty": symbol.quantity(order.quantity),
        "executedQty": symbol.quantity(order.executed),
        "cummulativeQuoteQty": symbol.amount(order.amount),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": symbol.price(order.stop_price),
        "icebergQty": symbol.quantity(order.iceberg),
        "time": order.time,
        "updateTime": order.update_time,
        "isWorking": order.working,
        "workingTime": order.working_time,
        "origQuoteOrderQty": symbol.amount(order.quote_quantity),
        "selfTradePreventionMode": order.prevention,
    }


def acknowledged(order: Order) -> dict[str, Any]:
    """A new order, in short."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.time,
    }


def result(symbol: Symbol, order: Order) -> dict[str, Any]:
    """A new order as it stands, without its fills."""
    return {
        **acknowledged(order),
        "price": symbol.price(order.price),
        "origQty": symbol.quantity(order.quantity),
        "executedQty": symbol.quantity(order.executed),
        "origQuoteOrderQty": symbol.amount(order.quote_quantity),
        "cummulativeQuoteQty": symbol.amount(order.amount),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **({"stopPrice": symbol.price(order.stop_price)} if order.type in STOPS else {}),
        **({"icebergQty": symbol.quantity(order.iceberg)} if order.iceberg else {}),
        "workingTime": order.working_time,
        "selfTradePreventionMode": order.prevention,
    }


def full(symbol: Symbol, order: Order, fills: Iterable[Fill]) -> dict[str, Any]:
    """A new order with its fills."""
    return {
        **result(symbol, order),
        "fills": [
            {
                "price": symbol.price(fill.price),
                "qty": symbol.quantity(fill.quantity),
                "commission": number(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.id,
            }
            for fill in fills
        ],
    }


def canceled(symbol: Symbol, order: Order, request_id: str) -> dict[str, Any]:
    """An order that has been canceled; ``request_id`` is the client id of the cancellation."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        **{name: value for name, value in result(symbol, order).items() if name not in {"symbol", "workingTime"}},
        "clientOrderId": request_id,
        "transactTime": order.update_time,
    }


def own_trade(symbol: Symbol, fill: Fill) -> dict[str, Any]:
    """A fill as ``myTrades`` lists it."""
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order,
        "orderListId": -1,
        "price": symbol.price(fill.price),
        "qty": symbol.quantity(fill.quantity),
        "quoteQty": symbol.amount(fill.price * fill.quantity),
        "commission": number(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }
