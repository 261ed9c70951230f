"""Symbols: find one, and know how exactly it is traded."""

from __future__ import annotations

from decimal import Decimal

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, expect_problem, play, show
from fullon_client import exchanges, symbols


def script(stage: Stage) -> None:
    """By exchange, by text, by name; then read anew from the venue."""
    with stage.client() as admin, stage.newcomer() as trader:
        paper = trader.send(exchanges.catalogue_id(EXCHANGE)).cat_ex_id
        listed = list(trader.each(symbols.by_exchange(paper, active=True)))
        show(
            ["symbol", "price step", "quantity step", "least quantity", "least worth"],
            [
                [
                    found.symbol,
                    plain(found.tick_size),
                    plain(found.step_size),
                    plain(found.min_quantity),
                    found.min_notional,
                ]
                for found in listed
            ],
        )
        bitcoin = next(found for found in listed if found.symbol == SYMBOL)
        expect((bitcoin.base, bitcoin.quote) == ("BTC", "USDT"), f"{SYMBOL} is bitcoin, priced in tethers")
        found = [symbol.symbol for symbol in trader.each(symbols.search("btc"))]
        expect(SYMBOL in found, f"it is found by a part of its name: {', '.join(found[:5])}")
        decimals = list(trader.each(symbols.decimals(SYMBOL)))
        expect(decimals, f"how exactly it is traded, by exchange: {decimals[0]}")

        expect_problem(lambda: trader.send(symbols.sync(paper)), 403, "a trader does not read symbols anew")
        synced = admin.send(symbols.sync(paper))
        expect(synced, f"an admin does: {synced}")
        again = list(trader.each(symbols.by_exchange(paper, active=True)))
        expect({symbol.symbol for symbol in again} >= {symbol.symbol for symbol in listed}, "none is lost by it")


def plain(value: Decimal | None) -> str | None:
    """Without an exponent."""
    return None if value is None else format(value, "f")


if __name__ == "__main__":
    play(script)
