"""Answers of the dashboards. Every one says its basis and its window."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fullon.orders.views import Held, currency_of
from fullon.orders.worth import Recorded
from fullon.runtime.fields import Moment
from functions.orm.bot_schemas import ACCOUNT_ID, BOT_ID
from functions.orm.trade_schemas import FIGURES, TRADES_BASIS, WINDOW, ExecutedAnswer, Figures, TradeSide, Window
from functions.orm.venue_schemas import Exact

_USER = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"
_POSITION: JsonDict = {
    "ex_id": ACCOUNT_ID,
    "account": "main",
    "exchange": "paper",
    "symbol": "BTC/USDT",
    "currency": "USDT",
    "dry_run": False,
    "side": "long",
    "lots": 2,
    "volume": "0.02",
    "entry_price": "61000",
    "cost": "1220",
    "fees": "1.22",
    "mark": "62000",
    "value": "1240",
    "unrealized": "18.78",
    "reason": None,
    "opened_at": "2026-08-17T10:00:00Z",
}
_BALANCE: JsonDict = {
    "ex_id": ACCOUNT_ID,
    "currency": "USDT",
    "free": "900",
    "used": "100",
    "total": "1000",
    "quote_value": "1000",
    "at": "2026-08-17T10:00:00Z",
}
_RETURNS: JsonDict = {
    "currency": "USDT",
    "dry_run": False,
    "window": WINDOW,
    "basis": TRADES_BASIS,
    "days": 17,
    "capital": "1000",
    "capital_basis": "Given in the request.",
    "reasons": {},
}


class Based(BaseModel):
    """An answer with what it is of."""

    window: Window
    basis: str = Field(examples=[TRADES_BASIS])


class OfReturns(Based):
    """Figures of one quote currency that need daily returns."""

    currency: str | None = Field(description="The one asked for, else that of most trades; null without a trade.")
    other_currencies: list[str] = Field(default=[], description="In which there are trades too.")
    dry_run: bool
    days: int = Field(description="UTC days that returns are of, idle ones included.")
    capital: Exact | None = Field(description="At the window's start.")
    capital_basis: str
    reasons: dict[str, str] = Field(description="Figure and why it is null.")


class PerformanceMetrics(OfReturns):
    """How trading went."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_RETURNS,
                    **{
                        name: value
                        for name, value in FIGURES.items()
                        if name not in {"first_closed_at", "last_closed_at"}
                    },
                    "sharpe_ratio": 1.4,
                    "sortino_ratio": 2.2,
                    "max_drawdown": "12.5",
                    "max_drawdown_share": 0.0121,
                }
            ]
        }
    )

    trades: int
    wins: int
    losses: int
    pnl: Exact
    gross_profit: Exact
    gross_loss: Exact
    fees: Exact
    win_rate: float | None
    profit_factor: float | None
    expectancy: Exact | None
    best: Exact | None
    worst: Exact | None
    sharpe_ratio: float | None = Field(description="Daily returns on the capital, annualised by the root of 365.")
    sortino_ratio: float | None = Field(description="The same over the downside deviation.")
    max_drawdown: Exact = Field(description="Deepest fall of capital and profit from a peak, by closed trades and day.")
    max_drawdown_share: float | None = Field(description="Of the peak.")


class Exposure(BaseModel):
    """What is open in one quote currency."""

    currency: str
    dry_run: bool
    positions: int
    cost: Exact = Field(description="Of what is held, at its entry prices, long and short added up.")
    gross: Exact | None = Field(description="At the latest prices, long and short added up; null where one is missing.")
    net: Exact | None = Field(description="The same, short taken off long.")
    unrealized: Exact | None = Field(description="Profit if closed at the latest prices, before the fee of closing.")
    reason: str | None = Field(description="Why something is null.")


class RiskMetrics(OfReturns):
    """What could be lost."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_RETURNS,
                    "value_at_risk": 0.0123,
                    "value_at_risk_amount": "12.68",
                    "confidence": 0.95,
                    "max_drawdown": "12.5",
                    "max_drawdown_share": 0.0121,
                    "exposure": [],
                }
            ]
        }
    )

    value_at_risk: float | None = Field(description="Daily loss, of the equity, that 95 % of the days stayed within.")
    value_at_risk_amount: Exact | None = Field(description="The same of capital and profit at the window's end.")
    confidence: float
    max_drawdown: Exact
    max_drawdown_share: float | None
    exposure: list[Exposure] = Field(description="What is open now, whatever the window.")


class PositionAnswer(BaseModel):
    """What an account holds, or owes, of a symbol by its fills."""

    model_config = ConfigDict(json_schema_extra={"examples": [_POSITION]})

    ex_id: UUID
    account: str
    exchange: str
    symbol: str
    currency: str
    dry_run: bool
    side: TradeSide
    lots: int
    volume: Exact
    entry_price: Exact
    cost: Exact
    fees: Exact
    mark: Exact | None = Field(description="The latest price.")
    value: Exact | None = Field(description="At that price; positive for short ones, too.")
    unrealized: Exact | None = Field(description="Profit if closed at it, after the entry's fees.")
    reason: str | None = Field(description="Why there is no price.")
    opened_at: Moment

    @classmethod
    def of(cls, held: Held, **marked: object) -> Self:
        """The answer for a position and its price."""
        values = {name: getattr(held, name) for name in cls.model_fields if hasattr(held, name)}
        return cls.model_validate({**values, "currency": currency_of(held.symbol), **marked})


class BalanceAnswer(BaseModel):
    """A balance as it was written down last."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_BALANCE]})

    ex_id: UUID
    currency: str
    free: Exact
    used: Exact
    total: Exact
    quote_value: Exact | None = Field(description="Worth in USDT at that time; null where no price was known.")
    at: Moment

    @classmethod
    def of(cls, recorded: Recorded) -> Self:
        """The answer for a balance."""
        return cls.model_validate(recorded)


class PortfolioStats(Based):
    """What the accounts hold and what is open, now."""

    as_of: Moment
    balances: list[BalanceAnswer]
    worth: Exact | None = Field(description="Of all balances, in USDT.", examples=["1000"])
    worth_reason: str | None = Field(description="Why it is null.", examples=[None])
    positions: list[PositionAnswer]
    exposure: list[Exposure]


class Period(BaseModel):
    """Profit of closed trades since a moment."""

    since: Moment | None
    trades: int
    pnl: Exact


class ProfitOverTime(BaseModel):
    """Profit of one quote currency by periods that end now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "currency": "USDT",
                    "dry_run": False,
                    **{
                        name: {"since": "2026-08-17T00:00:00Z", "trades": 2, "pnl": "6.2"}
                        for name in ("today", "week", "month")
                    },
                    "ever": {"since": None, "trades": 12, "pnl": "31.5"},
                }
            ]
        }
    )

    currency: str
    dry_run: bool
    today: Period = Field(description="Since 00:00 UTC.")
    week: Period = Field(description="Today and the six days before.")
    month: Period = Field(description="Today and the 29 days before.")
    ever: Period


class Counts(BaseModel):
    """How many records there are now."""

    bots: int = Field(examples=[3])
    active_bots: int = Field(examples=[1])
    accounts: int = Field(examples=[1])
    active_accounts: int = Field(examples=[1])
    strategies: int = Field(examples=[3])
    orders: int = Field(examples=[40])
    open_orders: int = Field(description="Not ended: from the intent on.", examples=[2])
    open_positions: int = Field(examples=[2])


class TradingOverview(Based):
    """Trading at a glance."""

    as_of: Moment
    counts: Counts
    profit: list[ProfitOverTime]


class UserSummary(Based):
    """A user's records and what came of them."""

    user_id: UUID = Field(examples=[_USER])
    name: str = Field(examples=["Ada"])
    role: str = Field(examples=["trader"])
    created_at: Moment
    as_of: Moment
    counts: Counts
    executed: list[ExecutedAnswer]
    figures: list[Figures]


class BotRow(BaseModel):
    """A bot and what came of its trades."""

    bot_id: UUID = Field(examples=[BOT_ID])
    name: str = Field(examples=["grid on bitcoin"])
    active: bool
    dry_run: bool
    active_since: Moment | None
    uptime_seconds: int
    open_positions: int = Field(description="Symbols of accounts where lots of it are open.")
    figures: list[Figures] = Field(description="Of the way it trades now, by quote currency.")


class BotDashboard(Based):
    """The bots of a user, oldest first."""

    user_id: UUID = Field(examples=[_USER])
    as_of: Moment
    bots: list[BotRow]
    next_cursor: str | None = Field(default=None, description="Ask for the next page with it; null on the last.")
