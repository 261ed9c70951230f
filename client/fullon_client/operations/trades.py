"""Fills, the closed trades they make, and figures about them. More filters: `with_parameters`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.trades import Fill, Stats, Summary, SymbolPerformance, Trade
from fullon_client.models.views import PerformanceMetrics

PATH = "/api/v1/orm/trades"


def enter_live(
    ex_id: UUID,
    symbol: str,
    side: str,
    price: Decimal,
    volume: Decimal,
    *,
    bot_id: UUID | None = None,
    fee: Decimal | None = None,
    time: datetime | None = None,
) -> Call[Fill]:
    """Write down a trade that was made by hand."""
    body = given(ex_id=ex_id, symbol=symbol, side=side, price=price, volume=volume, bot_id=bot_id, fee=fee, time=time)
    return one(Fill, "enter_live_trade", "POST", f"{PATH}/live", body=body)


def enter_dry(
    ex_id: UUID,
    symbol: str,
    side: str,
    price: Decimal,
    volume: Decimal,
    *,
    bot_id: UUID | None = None,
    fee: Decimal | None = None,
    time: datetime | None = None,
) -> Call[Fill]:
    """Write down a trade on paper."""
    body = given(ex_id=ex_id, symbol=symbol, side=side, price=price, volume=volume, bot_id=bot_id, fee=fee, time=time)
    return one(Fill, "enter_dry_trade", "POST", f"{PATH}/dry", body=body)


def history(
    *,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    dry_run: bool | None = None,
    limit: int | None = None,
) -> Call[Page[Fill]]:
    """Fills, newest first."""
    parameters = {"bot_id": bot_id, "symbol": symbol, "dry_run": dry_run, "limit": limit}
    return page(Fill, "list_fills", f"{PATH}/history", parameters=parameters)


def closed(
    *,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    dry_run: bool | None = None,
    limit: int | None = None,
) -> Call[Page[Trade]]:
    """Closed trades, first in first out, after fees."""
    parameters = {"bot_id": bot_id, "symbol": symbol, "dry_run": dry_run, "limit": limit}
    return page(Trade, "list_trades_by_symbol", f"{PATH}/by-symbol", parameters=parameters)


def stats(*, bot_id: UUID | None = None, symbol: str | None = None, dry_run: bool | None = None) -> Call[Stats]:
    """Figures of closed trades, by currency."""
    parameters = {"bot_id": bot_id, "symbol": symbol, "dry_run": dry_run}
    return one(Stats, "get_trades_stats", "GET", f"{PATH}/stats", parameters=parameters)


def summary(*, bot_id: UUID | None = None, symbol: str | None = None, dry_run: bool | None = None) -> Call[Summary]:
    """Figures, turnover and open positions."""
    parameters = {"bot_id": bot_id, "symbol": symbol, "dry_run": dry_run}
    return one(Summary, "get_trades_summary", "GET", f"{PATH}/summary", parameters=parameters)


def performance(
    *,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    dry_run: bool | None = None,
    currency: str | None = None,
    capital: Decimal | None = None,
) -> Call[PerformanceMetrics]:
    """Ratios of one currency."""
    parameters = {
        "bot_id": bot_id,
        "symbol": symbol,
        "dry_run": dry_run,
        "currency": currency,
        "capital": capital,
    }
    return one(PerformanceMetrics, "get_trades_performance", "GET", f"{PATH}/performance", parameters=parameters)


def symbol_performance(*, bot_id: UUID | None = None, dry_run: bool | None = None) -> Call[SymbolPerformance]:
    """Figures by symbol."""
    parameters = {"bot_id": bot_id, "dry_run": dry_run}
    return one(SymbolPerformance, "get_symbol_performance", "GET", f"{PATH}/symbol-performance", parameters=parameters)


def delete(trade_id: UUID) -> Call[None]:
    """Take back a trade that was entered by hand; what a venue reported stays."""
    return nothing("delete_trade", "DELETE", f"{PATH}/{{trade_id}}", places={"trade_id": trade_id})
