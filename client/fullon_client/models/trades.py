"""Fills, closed trades and the figures computed from them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fullon_client.models.schema import record


@record("FillAnswer")
class Fill:
    """A fill: an execution of an account, reported by its venue, simulated, or entered by hand."""

    trade_id: UUID
    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    order_id: UUID | None
    symbol: str
    side: str
    price: Decimal
    volume: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote: Decimal | None
    source: str
    dry_run: bool
    editable: bool
    venue_trade_id: str
    venue_order_id: str | None
    maker: bool | None
    time: datetime


@record("TradeAnswer")
class Trade:
    """A closed trade: a lot, or a part of one, with what closed it. Amounts are in the quote currency."""

    trade_id: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol: str
    currency: str
    dry_run: bool
    side: str
    volume: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_fee: Decimal
    exit_fee: Decimal
    pnl: Decimal
    roi: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_fill: UUID
    exit_fill: UUID


@record("Window")
class Window:
    """What time a figure is of; null is open."""

    start_time: datetime | None
    end_time: datetime | None


@record("Figures")
class Figures:
    """What closed trades of one quote currency amount to."""

    currency: str
    dry_run: bool
    trades: int
    wins: int
    losses: int
    pnl: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    fees: Decimal
    win_rate: float | None
    profit_factor: float | None
    expectancy: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    first_closed_at: datetime | None
    last_closed_at: datetime | None


@record("ExecutedAnswer")
class Executed:
    """Sums of fills of one quote currency."""

    currency: str
    dry_run: bool
    fills: int
    turnover: Decimal
    fees: Decimal
    fees_unknown: int
    first_at: datetime
    last_at: datetime


@record("Stats")
class Stats:
    """Figures of a selection of trades."""

    window: Window
    basis: str
    figures: tuple[Figures, ...]


@record("Summary")
class Summary:
    """Fills, closed trades and what is open."""

    window: Window
    basis: str
    figures: tuple[Figures, ...]
    executed: tuple[Executed, ...]
    open_positions: int


@record("SymbolFigures")
class SymbolFigures:
    """What closed trades of a symbol amount to."""

    currency: str
    dry_run: bool
    trades: int
    wins: int
    losses: int
    pnl: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    fees: Decimal
    win_rate: float | None
    profit_factor: float | None
    expectancy: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    first_closed_at: datetime | None
    last_closed_at: datetime | None
    symbol: str


@record("SymbolPerformance")
class SymbolPerformance:
    """Figures by symbol, real trades and those on paper apart."""

    window: Window
    basis: str
    items: tuple[SymbolFigures, ...]
