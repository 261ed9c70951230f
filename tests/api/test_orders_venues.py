"""Venues at which orders cannot be placed: real orders are refused before they are written down."""

from __future__ import annotations

import pytest

from fullon.runtime.container import Container
from tests.api.orders_world import Trader, a_trader
from tests.identities import candles_database  # noqa: F401 - a fixture


@pytest.fixture
async def trader(container: Container) -> Trader:
    """With an account at a venue that takes orders however late they arrive."""
    trader = await a_trader(container)
    await trader.execute("UPDATE cat_exchanges SET ccxt_id = 'kraken'")
    return trader


async def test_nothing_real_is_ordered_where_an_order_could_arrive_after_it_was_given_up(trader: Trader) -> None:
    problem = await trader.refused()
    of_bot = await trader.refused(bot_id=str(await trader.bot()))

    assert problem["code"] == of_bot["code"] == "not_offered"
    assert "Orders cannot be placed at the exchange" in problem["detail"]
    assert await trader.count() == 0


async def test_bots_on_paper_trade_there(trader: Trader) -> None:
    placed = await trader.place(bot_id=str(await trader.bot(dry_run=True)))

    assert placed["dry_run"] is True
