"""Figures that need daily returns: profit by day from the trades, capital from the request or from the balances."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fullon.orders import metrics, views, worth
from fullon.orders.metrics import Metrics
from fullon.orders.selection import Selection
from fullon.orders.views import By, Totals
from fullon.runtime.container import Container
from functions.orm.routes.windows import window_of
from functions.orm.trade_schemas import TRADES_BASIS, figures
from functions.orm.view_schemas import PerformanceMetrics

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

BASIS = (
    f"{TRADES_BASIS} Returns are profit by UTC day of closing over capital and profit of the evening before, idle days"
    " included, risk-free rate 0."
)
GIVEN = "Given in the request."
RECORDED = f"Worth of the accounts' balances at the window's start, in {worth.VALUED_IN}."
UNKNOWN = "Not known."


async def of_returns(
    stores: Container, connection: Connection, selection: Selection, currency: str | None, capital: Decimal | None
) -> tuple[Totals, Metrics, dict[str, Any]]:
    """Sums and figures of one currency, and the fields that every such answer has."""
    found = await views.groups(connection, selection, By.DAY)
    sums = views.by_currency(found)
    chosen = currency or next(iter(sums), None)
    totals = sums.get(chosen, Totals()) if chosen else Totals()
    profits: dict[date, Decimal] = {}
    for group in found:
        if group.currency == chosen:
            profits[group.by[0]] = profits.get(group.by[0], Decimal(0)) + group.totals.pnl
    capital_basis = UNKNOWN if capital is None else GIVEN
    if capital is None and chosen == worth.VALUED_IN and profits and not selection.dry_run:
        since = selection.since or datetime.combine(min(profits), time(), UTC)
        capital = worth.total(await worth.balances(connection, selection.uid, ex_id=selection.ex_id, at=since))
        capital_basis = UNKNOWN if capital is None else RECORDED
    now = stores.clock.now()
    measured = metrics.of_days(
        profits,
        capital,
        first=selection.since.date() if selection.since else None,
        last=(min(selection.until, now) - timedelta(microseconds=1)).date() if selection.until else None,
    )
    return (
        totals,
        measured,
        {
            "window": window_of(selection),
            "basis": BASIS,
            "currency": chosen,
            "other_currencies": [each for each in sums if each != chosen],
            "dry_run": bool(selection.dry_run),
            "days": measured.days,
            "capital": measured.capital,
            "capital_basis": capital_basis,
            "max_drawdown": measured.drawdown,
            "max_drawdown_share": measured.drawdown_share,
            "reasons": dict(measured.reasons),
        },
    )


async def performance_of(
    stores: Container, selection: Selection, currency: str | None, capital: Decimal | None
) -> PerformanceMetrics:
    """How trading of a selection went."""
    async with stores.connection() as connection:
        totals, measured, shared = await of_returns(stores, connection, selection, currency, capital)
    values = {**shared, **figures(totals), "sharpe_ratio": measured.sharpe, "sortino_ratio": measured.sortino}
    for name in ("win_rate", "expectancy"):
        if values[name] is None:
            values["reasons"][name] = metrics.NO_TRADES
    if values["profit_factor"] is None:
        values["reasons"]["profit_factor"] = metrics.NO_LOSS if totals.trades else metrics.NO_TRADES
    return PerformanceMetrics.model_validate(values)
