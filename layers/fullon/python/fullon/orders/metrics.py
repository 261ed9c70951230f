"""Returns and risk of closed trades over a window, with the reason for each figure that cannot be had. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate

from fullon.orders import performance

#: Share of the days on which a loss stays within the value at risk.
CONFIDENCE = 0.95

NO_CAPITAL = "Returns need a capital: none was given and no balance in this currency is known at the window's start."
TOO_FEW_DAYS = "It needs two days with capital at least."
NO_SPREAD = "All daily returns are the same."
NO_FALL = "No day lost anything."
NO_TRADES = "There is no closed trade in the window."
NO_LOSS = "No trade lost anything."
_OF_RETURNS = ("sharpe_ratio", "sortino_ratio", "value_at_risk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures of a window.

    Attributes:
        days: UTC days of the window, idle ones included.
        value_at_risk: daily loss that 95 % of the days stayed within, as a share of the equity.
        value_at_risk_amount: the same of the equity at the end.
        drawdown: deepest fall of capital and profit, by closed trades, day by day.
        drawdown_share: of the peak.
        equity: capital and profit at the end.
        reasons: figure → why it is None.
    """

    days: int
    capital: Decimal | None
    equity: Decimal | None = None
    sharpe: float | None = None
    sortino: float | None = None
    value_at_risk: float | None = None
    value_at_risk_amount: Decimal | None = None
    drawdown: Decimal = Decimal(0)
    drawdown_share: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


def of_days(
    profits: Mapping[date, Decimal], capital: Decimal | None, *, first: date | None = None, last: date | None = None
) -> Metrics:
    """Figures of the daily profit of closed trades.

    Args:
        profits: of the days on which trades were closed.
        capital: at the beginning of the first day; None where it is not known.
        first, last: the window's days; without them those of the first and the last trade.
    """
    reasons: dict[str, str] = {}
    if not profits:
        return Metrics(
            days=0,
            capital=capital,
            equity=capital,
            reasons=dict.fromkeys((*_OF_RETURNS, "max_drawdown_share"), NO_TRADES),
        )
    start = min(profits) if first is None else min(first, min(profits))
    end = max(profits) if last is None else max(last, max(profits))
    days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
    daily = [profits.get(day, Decimal(0)) for day in days]
    curve = list(accumulate(daily, initial=capital or Decimal(0)))
    fall = performance.max_drawdown(curve)
    if capital is None or capital <= 0:
        names = (*_OF_RETURNS, "max_drawdown_share")
        return Metrics(days=len(days), capital=capital, drawdown=fall.amount, reasons=dict.fromkeys(names, NO_CAPITAL))
    rates = performance.returns(daily, capital)
    sharpe, sortino = performance.sharpe(rates), performance.sortino(rates)
    if sharpe is None:
        reasons["sharpe_ratio"] = TOO_FEW_DAYS if len(rates) < 2 else NO_SPREAD
    if sortino is None:
        reasons["sortino_ratio"] = TOO_FEW_DAYS if len(rates) < 2 else NO_FALL
    risk = performance.value_at_risk(rates, CONFIDENCE)
    equity = curve[-1]
    return Metrics(
        days=len(days),
        capital=capital,
        equity=equity,
        sharpe=sharpe,
        sortino=sortino,
        value_at_risk=risk,
        value_at_risk_amount=None if risk is None else round(Decimal(repr(risk)) * max(equity, Decimal(0)), 18),
        drawdown=fall.amount,
        drawdown_share=fall.share,
        reasons=reasons,
    )
