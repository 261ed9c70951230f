"""Bot management: make a bot, give it an account, a strategy and something to watch, change it, remove it."""

from __future__ import annotations

import secrets
from decimal import Decimal

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, expect_problem, play, say, show
from fullon_client import bots, exchanges, strategies, symbols


def script(stage: Stage) -> None:
    """The life of a bot."""
    with stage.newcomer() as trader:
        paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        account = trader.send(exchanges.create_account(paper, "main", secrets.token_hex(16), secrets.token_hex(32)))
        say(f"the account's key ends with …{account.key_hint}; the rest is sealed")

        bot = trader.send(bots.create("long on dips", dry_run=True, note="an example"))
        expect(bot.dry_run and not bot.active, "a new bot trades on paper and is switched off")
        trader.send(bots.add_exchange(bot.bot_id, account.ex_id))
        rsi = trader.send(strategies.catalogue_id("rsi_long")).cat_str_id
        strategy = trader.send(strategies.create(bot.bot_id, rsi, "dips", stop_loss=Decimal("1.5")))
        symbol = next(found for found in trader.each(symbols.by_exchange(paper)) if found.symbol == SYMBOL)
        trader.send(bots.add_feed(bot.bot_id, strategy.str_id, symbol.symbol_id, period="minutes", compression=15))

        details = trader.send(bots.details(bot.bot_id))
        show(
            ["exchanges", "strategies", "feeds"],
            [
                [
                    ", ".join(f"{used.exchange}/{used.name}" for used in details.exchanges),
                    ", ".join(used.name for used in details.strategies),
                    ", ".join(f"{feed.symbol} {feed.compression} {feed.period}" for feed in details.feeds),
                ]
            ],
        )
        expect(details.feeds[0].symbol == SYMBOL, f"the bot watches {SYMBOL}")

        changed = trader.send(bots.change(bot.bot_id, active=True, name="long on deep dips"))
        expect(changed.active and changed.active_since is not None, "it is switched on, and since when is known")
        log = [line.action for line in trader.each(bots.actions(bot.bot_id))]
        expect(log, f"its log says what happened: {', '.join(reversed(log))}")
        stats = trader.send(bots.stats(bot.bot_id))
        say(f"stats: {stats}")

        trader.send(bots.change(bot.bot_id, active=False))
        trader.send(bots.delete(bot.bot_id))
        expect_problem(lambda: trader.send(bots.get(bot.bot_id)), 404, "a bot that was removed is gone")


if __name__ == "__main__":
    play(script)
