"""ORM tour: the records of the platform, one collection after the other."""

from __future__ import annotations

from itertools import islice

from examples.stage import EXCHANGE, Stage, expect, play, show
from fullon_client import api_keys, bots, exchanges, strategies, symbols, trades, users


def script(stage: Stage) -> None:
    """What an admin finds, and how lists are read."""
    with stage.client() as admin, stage.newcomer():
        paper = admin.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        collections = {
            "users": [user.mail for user in admin.each(users.every())],
            "api keys": [key.name for key in admin.each(api_keys.every())],
            "exchanges": [exchange.name for exchange in admin.each(exchanges.catalogue())],
            "accounts": [account.name for account in admin.each(exchanges.accounts())],
            "symbols": [symbol.symbol for symbol in admin.each(symbols.by_exchange(paper))],
            "strategies": [strategy.name for strategy in admin.each(strategies.catalogue())],
            "bots": [bot.name for bot in admin.each(bots.every())],
            "fills": [f"{fill.side} {fill.symbol}" for fill in islice(admin.each(trades.history()), 1000)],
        }
        show(
            ["records", "how many", "for example"],
            [[name, len(found), ", ".join(found[:3])] for name, found in collections.items()],
        )
        expect(stage.mail in collections["users"], "the admin is among the users")
        expect({"rsi_long", "rsi_short", "crossover"} <= set(collections["strategies"]), "the strategies are there")

        first = admin.send(users.every(limit=1))
        expect(first.next_cursor is not None, "a page says where the next one begins")
        one_by_one = [user.mail for user in admin.each(users.every(limit=1))]
        expect(one_by_one == collections["users"], "pages of one give the same list as one page")

        found = [user.mail for user in admin.each(users.search(stage.mail))]
        expect(stage.mail in found, "users are found by their mail")
        trail = admin.request("GET", "/api/v1/orm/audit/verify")
        expect(trail["intact"], "the trail of all changes is intact")


if __name__ == "__main__":
    play(script)
