"""Dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fullon_client.models.schema import record
from fullon_client.models.trades import Executed, Figures, Window


@record("BotRow")
class BotRow:
    """A bot and what came of its trades."""

    bot_id: UUID
    name: str
    active: bool
    dry_run: bool
    active_since: datetime | None
    uptime_seconds: int
    open_positions: int
    figures: tuple[Figures, ...]


@record("BotDashboard")
class BotDashboard:
    """The bots of a user, oldest first."""

    window: Window
    basis: str
    user_id: UUID
    as_of: datetime
    bots: tuple[BotRow, ...]
    next_cursor: str | None = None


@record("Counts")
class Counts:
    """How many records there are now."""

    bots: int
    active_bots: int
    accounts: int
    active_accounts: int
    strategies: int
    orders: int
    open_orders: int
    open_positions: int


@record("functions__orm__view_schemas__Period")
class ProfitPeriod:
    """Profit of closed trades since a moment."""

    since: datetime | None
    trades: int
    pnl: Decimal


@record("ProfitOverTime")
class ProfitOverTime:
    """Profit of one quote currency by periods that end now."""

    currency: str
    dry_run: bool
    today: ProfitPeriod
    week: ProfitPeriod
    month: ProfitPeriod
    ever: ProfitPeriod


@record("TradingOverview")
class TradingOverview:
    """Trading at a glance."""

    window: Window
    basis: str
    as_of: datetime
    counts: Counts
    profit: tuple[ProfitOverTime, ...]


@record("PerformanceMetrics")
class PerformanceMetrics:
    """How trading went."""

    window: Window
    basis: str
    currency: str | None
    dry_run: bool
    days: int
    capital: Decimal | None
    capital_basis: str
    reasons: Mapping[str, Any]
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
    sharpe_ratio: float | None
    sortino_ratio: float | None
    max_drawdown: Decimal
    max_drawdown_share: float | None
    other_currencies: tuple[str, ...] = ()


@record("Exposure")
class Exposure:
    """What is open in one quote currency."""

    currency: str
    dry_run: bool
    positions: int
    cost: Decimal
    gross: Decimal | None
    net: Decimal | None
    unrealized: Decimal | None
    reason: str | None


@record("RiskMetrics")
class RiskMetrics:
    """What could be lost."""

    window: Window
    basis: str
    currency: str | None
    dry_run: bool
    days: int
    capital: Decimal | None
    capital_basis: str
    reasons: Mapping[str, Any]
    value_at_risk: float | None
    value_at_risk_amount: Decimal | None
    confidence: float
    max_drawdown: Decimal
    max_drawdown_share: float | None
    exposure: tuple[Exposure, ...]
    other_currencies: tuple[str, ...] = ()


@record("BalanceAnswer")
class Balance:
    """A balance as it was written down last."""

    ex_id: UUID
    currency: str
    free: Decimal
    used: Decimal
    total: Decimal
    quote_value: Decimal | None
    at: datetime


@record("PositionAnswer")
class Position:
    """What an account holds, or owes, of a symbol by its fills."""

    ex_id: UUID
    account: str
    exchange: str
    symbol: str
    currency: str
    dry_run: bool
    side: str
    lots: int
    volume: Decimal
    entry_price: Decimal
    cost: Decimal
    fees: Decimal
    mark: Decimal | None
    value: Decimal | None
    unrealized: Decimal | None
    reason: str | None
    opened_at: datetime


@record("PortfolioStats")
class PortfolioStats:
    """What the accounts hold and what is open, now."""

    window: Window
    basis: str
    as_of: datetime
    balances: tuple[Balance, ...]
    worth: Decimal | None
    worth_reason: str | None
    positions: tuple[Position, ...]
    exposure: tuple[Exposure, ...]


@record("UserSummary")
class UserSummary:
    """A user's records and what came of them."""

    window: Window
    basis: str
    user_id: UUID
    name: str
    role: str
    created_at: datetime
    as_of: datetime
    counts: Counts
    executed: tuple[Executed, ...]
    figures: tuple[Figures, ...]
