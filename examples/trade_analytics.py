"""Trade analytics: what trades earned, first in first out and after fees; counted here by hand as well."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, play, show
from fullon_client import bots, exchanges, trades

#: side, price, volume, fee
TRADES = [
    ("buy", "60000", "0.02", "1.2"),
    ("sell", "61000", "0.01", "0.61"),
    ("buy", "59000", "0.01", "0.59"),
    ("sell", "58500", "0.02", "1.17"),
]


def script(stage: Stage) -> None:
    """Enter trades on paper and compare the platform's figures with ours."""
    with stage.newcomer() as trader:
        paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        account = trader.send(exchanges.create_account(paper, "main", secrets.token_hex(16), secrets.token_hex(32)))
        bot = trader.send(bots.create("analytics"))
        began = datetime.now(UTC) - timedelta(hours=len(TRADES))
        for number, (side, price, volume, fee) in enumerate(TRADES):
            trader.send(
                trades.enter_dry(
                    account.ex_id,
                    SYMBOL,
                    side,
                    Decimal(price),
                    Decimal(volume),
                    bot_id=bot.bot_id,
                    fee=Decimal(fee),
                    time=began + timedelta(hours=number),
                )
            )

        closed = list(trader.each(trades.closed(bot_id=bot.bot_id, dry_run=True)))
        show(
            ["side", "volume", "in", "out", "profit", "roi"],
            [[trade.side, trade.volume, trade.entry_price, trade.exit_price, trade.pnl, trade.roi] for trade in closed],
        )
        [figures] = trader.send(trades.stats(bot_id=bot.bot_id, dry_run=True)).figures
        expected = profit_by_hand()
        expect(figures.pnl == expected, f"the profit is {figures.pnl} {figures.currency}, as counted by hand")
        expect(sum(trade.pnl for trade in closed) == expected, "the closed trades add up to it")
        expect((figures.trades, figures.wins, figures.losses) == (3, 1, 2), "three trades: one won, two lost")

        performance = trader.send(trades.performance(bot_id=bot.bot_id, dry_run=True, capital=Decimal(10_000)))
        show(
            ["win rate", "profit factor", "expectancy", "max drawdown"],
            [
                [
                    performance.win_rate,
                    performance.profit_factor,
                    performance.expectancy,
                    performance.max_drawdown,
                ]
            ],
        )
        expect(performance.win_rate is not None and abs(performance.win_rate - 1 / 3) < 1e-5, "a third was won")
        expect(performance.basis.endswith("."), f"every figure says what it is made of: {performance.basis}")
        [symbol] = trader.send(trades.symbol_performance(bot_id=bot.bot_id, dry_run=True)).items
        expect((symbol.symbol, symbol.pnl) == (SYMBOL, expected), "by symbol it is the same")


def profit_by_hand() -> Decimal:
    """First in, first out: what sales brought, less what they had cost, less all fees."""
    lots: list[list[Decimal]] = []
    profit = Decimal(0)
    for side, price, volume, fee in TRADES:
        profit -= Decimal(fee)
        left = Decimal(volume)
        if side == "buy":
            lots.append([left, Decimal(price)])
            continue
        while left:
            taken = min(left, lots[0][0])
            profit += taken * (Decimal(price) - lots[0][1])
            lots[0][0] -= taken
            left -= taken
            if not lots[0][0]:
                del lots[0]
    return profit


if __name__ == "__main__":
    play(script)
