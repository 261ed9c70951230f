"""Figures of a list of closed trades and of an equity curve. Pure.

Every figure says what it is of. Amounts are exact; ratios and statistics are floats. A figure that its data does not
define (the profit factor of someone who never lost) is None and never a made-up zero.

Sources: Sharpe, "The Sharpe Ratio" (1994); Sortino and Price (1994), with the target downside deviation taken over all
periods; historical value at risk as the empirical quantile of daily returns, the lower neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

#: Crypto trades every day of the year.
DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class Outcome:
    """Profit of one closed trade in the quote currency, after fees, and when it was closed."""

    pnl: Decimal
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """What closed trades amount to.

    Attributes:
        win_rate: won trades over all trades; a trade that came out even is neither won nor lost.
        profit_factor: sum of profits over sum of losses.
        expectancy: average profit of a trade.
    """

    trades: int
    wins: int
    losses: int
    pnl: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    win_rate: float | None
    profit_factor: float | None
    expectancy: Decimal | None
    best: Decimal | None
    worst: Decimal | None


def of_trades(profits: Iterable[Decimal]) -> TradeFigures:
    """Figures of closed trades, in any order."""
    every = list(profits)
    won = [pnl for pnl in every if pnl > 0]
    lost = [pnl for pnl in every if pnl < 0]
    return of_sums(
        trades=len(every),
        wins=len(won),
        losses=len(lost),
        gross_profit=sum(won, Decimal(0)),
        gross_loss=-sum(lost, Decimal(0)),
        best=max(every, default=None),
        worst=min(every, default=None),
    )


def of_sums(
    *,
    trades: int,
    wins: int,
    losses: int,
    gross_profit: Decimal,
    gross_loss: Decimal,
    best: Decimal | None,
    worst: Decimal | None,
) -> TradeFigures:
    """Figures of closed trades that somebody has counted and added up."""
    total = gross_profit - gross_loss
    return TradeFigures(
        trades=trades,
        wins=wins,
        losses=losses,
        pnl=total,
        gross_profit=gross_profit,
        gross_loss=gross_loss,
        win_rate=wins / trades if trades else None,
        profit_factor=float(gross_profit / gross_loss) if gross_loss else None,
        expectancy=round(total / trades, 18) if trades else None,
        best=best,
        worst=worst,
    )


def by_day(outcomes: Iterable[Outcome]) -> dict[date, Decimal]:
    """Profit of each UTC day, every day from the first to the last, days without a trade being 0."""
    sums: dict[date, Decimal] = {}
    for outcome in outcomes:
        day = outcome.closed_at.date()
        sums[day] = sums.get(day, Decimal(0)) + outcome.pnl
    if not sums:
        return {}
    first, last = min(sums), max(sums)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return {day: sums.get(day, Decimal(0)) for day in days}


def returns(daily: Sequence[Decimal], capital: Decimal) -> list[float]:
    """Daily returns on what the capital had become by the evening before; ends where nothing is left."""
    found = []
    equity = capital
    for profit in daily:
        if equity <= 0:
            break
        found.append(float(profit / equity))
        equity += profit
    return found


def sharpe(daily_returns: Sequence[float], *, annual: bool = True) -> float | None:
    """Mean over sample standard deviation of daily returns, risk-free rate 0; annualised by the root of 365."""
    count = len(daily_returns)
    if count < 2:
        return None
    mean = math.fsum(daily_returns) / count
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in daily_returns) / (count - 1))
    return None if not deviation else mean / deviation * (math.sqrt(DAYS_A_YEAR) if annual else 1.0)


def sortino(daily_returns: Sequence[float], *, annual: bool = True) -> float | None:
    """As :func:`sharpe` over the downside deviation: the root of the mean square of the negative returns."""
    count = len(daily_returns)
    if count < 2:
        return None
    mean = math.fsum(daily_returns) / count
    downside = math.sqrt(math.fsum(min(each, 0.0) ** 2 for each in daily_returns) / count)
    return None if not downside else mean / downside * (math.sqrt(DAYS_A_YEAR) if annual else 1.0)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of a curve from a peak to a later low.

    Attributes:
        share: of the peak, 0 to 1 (above 1 where the curve fell below nothing); None where the peak was not above 0.
    """

    amount: Decimal
    share: float | None


def max_drawdown(curve: Iterable[Decimal]) -> Drawdown:
    """The deepest fall by amount; of equal ones the first."""
    peak: Decimal | None = None
    amount = Decimal(0)
    top: Decimal | None = None
    for value in curve:
        peak = value if peak is None else max(peak, value)
        if peak - value > amount:
            amount, top = peak - value, peak
    if top is not None:
        return Drawdown(amount, float(amount / top) if top > 0 else None)
    return Drawdown(amount, 0.0)


def value_at_risk(daily_returns: Sequence[float], confidence: float = 0.95) -> float | None:
    """The daily loss, as a share of the equity, that was not exceeded on ``confidence`` of the days; 0 or more."""
    if not daily_returns:
        return None
    ordered = sorted(daily_returns)
    position = math.floor((1 - confidence) * len(ordered) + 1e-9)
    return max(0.0, -ordered[min(position, len(ordered) - 1)])
