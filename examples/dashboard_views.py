"""Dashboard views: the figures of one's trading at a glance, each with what it is made of."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, expect_problem, play, show
from fullon_client import bots, exchanges, trades, users, views


def script(stage: Stage) -> None:
    """All six dashboards of somebody who has traded."""
    with stage.newcomer() as trader, stage.newcomer() as neighbour:
        me = trader.send(users.me())
        paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        account = trader.send(exchanges.create_account(paper, "main", secrets.token_hex(16), secrets.token_hex(32)))
        bot = trader.send(bots.create("dashboards", dry_run=False))
        began = datetime.now(UTC) - timedelta(days=3)
        for number, (side, price) in enumerate([("buy", "60000"), ("sell", "63000"), ("buy", "62000")]):
            trader.send(
                trades.enter_live(
                    account.ex_id,
                    SYMBOL,
                    side,
                    Decimal(price),
                    Decimal("0.01"),
                    bot_id=bot.bot_id,
                    fee=Decimal("0.5"),
                    time=began + timedelta(days=number),
                )
            )

        overview = trader.send(views.trading_overview())
        [profit] = overview.profit
        show(
            ["currency", "today", "this week", "this month", "ever"],
            [[profit.currency, profit.today.pnl, profit.week.pnl, profit.month.pnl, profit.ever.pnl]],
        )
        expect(profit.ever.pnl == Decimal(29), "the closed trade earned 29 USDT after the fees of both sides")
        expect(overview.counts.open_positions == 1, "one position is open")

        [row] = trader.send(views.bot_dashboard(me.uid)).bots
        expect(row.figures[0].pnl == profit.ever.pnl, f"the bot “{row.name}” earned it")
        summary = trader.send(views.user_summary())
        expect(sum(executed.fills for executed in summary.executed) == 3, "the summary counts three fills")

        capital = Decimal(10_000)
        performance = trader.send(views.performance_metrics(dry_run=False, capital=capital))
        risk = trader.send(views.risk_metrics(dry_run=False, capital=capital))
        portfolio = trader.send(views.portfolio_stats())
        show(
            ["figure", "value", "why there is none"],
            [
                ["win rate", performance.win_rate, performance.reasons.get("win_rate")],
                ["profit factor", performance.profit_factor, performance.reasons.get("profit_factor")],
                ["Sharpe ratio", performance.sharpe_ratio, performance.reasons.get("sharpe_ratio")],
                ["value at risk", risk.value_at_risk, risk.reasons.get("value_at_risk")],
                ["max drawdown", risk.max_drawdown, None],
                ["worth", portfolio.worth, portfolio.worth_reason],
            ],
        )
        expect(performance.win_rate == 1, "all closed trades were won")
        expect(all(view.basis for view in (overview, summary, performance, risk, portfolio)), "all say their basis")
        expect_problem(
            lambda: neighbour.send(views.bot_dashboard(me.uid)), 404, "nobody else sees somebody's dashboard"
        )


if __name__ == "__main__":
    play(script)
