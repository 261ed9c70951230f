"""Exchange catalogue: the venues the platform knows, what it may do there, and the accounts people have at them."""

from __future__ import annotations

import secrets
from itertools import islice

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, expect_problem, play, say, show
from fullon_client import exchanges


def script(stage: Stage) -> None:
    """From the catalogue to an account."""
    with stage.newcomer() as trader:
        catalogue = list(trader.each(exchanges.catalogue()))
        show(
            ["exchange", "library", "active", "paper"],
            [[found.title, found.ccxt_id, found.active, found.paper] for found in catalogue],
        )
        paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        expect(any(found.cat_ex_id == paper and found.active for found in catalogue), f"{EXCHANGE} can be used")
        say(f"how the platform talks to it: {trader.send(exchanges.params(paper))}")
        names = [symbol.symbol for symbol in islice(trader.each(exchanges.symbols(paper, active=True)), 100)]
        expect(SYMBOL in names, f"it has {', '.join(names[:5])}")
        expect_problem(lambda: trader.send(exchanges.catalogue_id("nowhere")), 404, "others are not known")

        key, secret = secrets.token_hex(16), secrets.token_hex(32)
        account = trader.send(exchanges.create_account(paper, "savings", key, secret))
        shown = str(trader.request("GET", f"/api/v1/orm/exchanges/user-exchanges/{account.ex_id}"))
        expect(key not in shown and secret not in shown, "keys go in and never come out")
        expect(account.key_hint == key[-4:], f"but their last four characters: …{account.key_hint}")
        expect(trader.send(exchanges.account_id("savings")).ex_id == account.ex_id, "an account is found by its name")
        expect_problem(
            lambda: trader.send(exchanges.create_account(paper, "savings", key, secret)), 409, "its name is taken"
        )
        expect_problem(
            lambda: trader.send(exchanges.validate(account.ex_id)), 422, "the venue is asked and does not know the key"
        )

        trader.send(exchanges.delete_account(account.ex_id))
        expect(not list(trader.each(exchanges.accounts())), "an account can be removed, with its keys")


if __name__ == "__main__":
    play(script)
