"""Dashboards. More filters: `with_parameters`."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from fullon_client.calls import Call, one
from fullon_client.models.views import (
    BotDashboard,
    PerformanceMetrics,
    PortfolioStats,
    RiskMetrics,
    TradingOverview,
    UserSummary,
)

PATH = "/api/v1/orm/views"


def bot_dashboard(user_id: UUID, *, limit: int | None = None) -> Call[BotDashboard]:
    """A user's bots with what they earned."""
    return one(
        BotDashboard,
        "get_bot_dashboard",
        "GET",
        f"{PATH}/bot-dashboard/{{user_id}}",
        places={"user_id": user_id},
        parameters={"limit": limit},
    )


def trading_overview() -> Call[TradingOverview]:
    """Counts, and profit today, this week, this month and ever."""
    return one(TradingOverview, "get_trading_overview", "GET", f"{PATH}/trading-overview")


def performance_metrics(
    *,
    bot_id: UUID | None = None,
    dry_run: bool | None = None,
    currency: str | None = None,
    capital: Decimal | None = None,
) -> Call[PerformanceMetrics]:
    """Ratios of one currency."""
    parameters = {"bot_id": bot_id, "dry_run": dry_run, "currency": currency, "capital": capital}
    return one(
        PerformanceMetrics, "get_performance_metrics", "GET", f"{PATH}/performance-metrics", parameters=parameters
    )


def risk_metrics(
    *,
    bot_id: UUID | None = None,
    dry_run: bool | None = None,
    currency: str | None = None,
    capital: Decimal | None = None,
) -> Call[RiskMetrics]:
    """Value at risk, drawdown and exposure."""
    parameters = {"bot_id": bot_id, "dry_run": dry_run, "currency": currency, "capital": capital}
    return one(RiskMetrics, "get_risk_metrics", "GET", f"{PATH}/risk-metrics", parameters=parameters)


def portfolio_stats(*, ex_id: UUID | None = None) -> Call[PortfolioStats]:
    """Balances, positions and what they are worth."""
    return one(PortfolioStats, "get_portfolio_stats", "GET", f"{PATH}/portfolio-stats", parameters={"ex_id": ex_id})


def user_summary() -> Call[UserSummary]:
    """The caller's counts, turnover and figures."""
    return one(UserSummary, "get_user_summary", "GET", f"{PATH}/user-summary")
