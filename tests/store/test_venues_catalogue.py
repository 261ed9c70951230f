"""The catalogue in PostgreSQL: its seed, its symbols, and a refresh from the venue."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ccxt.pro
import pytest

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Conflict
from fullon.venues import store
from fullon.venues.connect import connect
from fullon.venues.errors import UnknownSymbol, UnknownVenue
from fullon.venues.model import Market
from local import seed_venues

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

NAMES = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]


@pytest.fixture
async def catalogue(connection: Connection) -> Connection:
    await seed_venues.seed(connection)
    return connection


async def paper(connection: Connection) -> int:
    return (await store.venue_by_name(connection, "Paper")).cat_ex_id


async def test_a_new_installation_collects_the_paper_venue_and_knows_real_ones(catalogue: Connection) -> None:
    assert [(venue.name, [s.symbol for s in symbols]) for venue, symbols in await store.active_symbols(catalogue)] == [
        ("paper", NAMES)
    ]
    for venue in await store.venues(catalogue):
        assert venue.ccxt_id in ccxt.pro.exchanges
        assert venue.active == venue.paper


async def test_every_venue_of_the_seed_can_be_connected(catalogue: Connection) -> None:
    for venue in await store.venues(catalogue):
        base_url = "http://127.0.0.1:9" if venue.paper else None

        data = connect(venue, base_url, SystemClock())

        assert data.capabilities.trades
        await data.close()


async def test_sowing_again_keeps_what_admins_switched(catalogue: Connection) -> None:
    first = (await store.active_symbols(catalogue))[0][1][0]
    await store.change_symbol(catalogue, first.symbol_id, {"active": False, "backtest": 7})

    await seed_venues.seed(catalogue)

    kept = await store.symbol(catalogue, first.symbol_id)
    assert (kept.active, kept.backtest) == (False, 7)


async def test_precision_is_exact(catalogue: Connection) -> None:
    btc = (await store.symbols_named(catalogue, "BTC/USDT"))[0]

    assert (btc.tick_size, btc.step_size, btc.min_notional) == (Decimal("0.01"), Decimal("0.00000001"), Decimal(5))


async def test_symbols_are_found_by_a_part_of_their_name_taken_literally(catalogue: Connection) -> None:
    cat_ex_id = await paper(catalogue)
    await store.add_symbol(catalogue, cat_ex_id, {"symbol": "A_B/USDT", "base": "A_B", "quote": "USDT"})

    assert [each.symbol for each in await store.search_symbols(catalogue, "btc")] == ["BTC/USDT"]
    assert [each.symbol for each in await store.search_symbols(catalogue, "_")] == ["A_B/USDT"]
    assert await store.search_symbols(catalogue, "%%") == []


async def test_pages_of_symbols_follow_each_other(catalogue: Connection) -> None:
    cat_ex_id = await paper(catalogue)

    first = await store.symbols_of(catalogue, cat_ex_id, limit=2)
    rest = await store.symbols_of(catalogue, cat_ex_id, after=first[-1].symbol)

    assert [each.symbol for each in first + rest] == NAMES


async def test_a_symbol_is_entered_once_and_only_at_a_venue_that_exists(catalogue: Connection) -> None:
    values = {"symbol": "BTC/USDT", "base": "BTC", "quote": "USDT"}

    with pytest.raises(Conflict):
        await store.add_symbol(catalogue, await paper(catalogue), values)
    with pytest.raises(UnknownVenue):
        await store.add_symbol(catalogue, 12345, values)
    with pytest.raises(UnknownSymbol):
        await store.change_symbol(catalogue, 12345, {"active": False})


async def test_only_columns_of_a_symbol_become_part_of_a_statement(catalogue: Connection) -> None:
    symbol = (await store.symbols_named(catalogue, "BTC/USDT"))[0]

    with pytest.raises(ValueError, match="not columns"):
        await store.change_symbol(catalogue, symbol.symbol_id, {"symbol_id = 7 --": 1})


async def test_a_refresh_follows_the_venue_and_switches_nothing_on(catalogue: Connection) -> None:
    cat_ex_id = await paper(catalogue)
    listed = [
        Market("BTC/USDT", "BTC", "USDT", tick_size=Decimal("0.5"), price_decimals=1),
        Market("ETH/USDT", "ETH", "USDT", active=False),
        Market("DOGE/USDT", "DOGE", "USDT", tick_size=Decimal("0.00001")),
    ]

    changes = await store.put_markets(catalogue, cat_ex_id, listed)

    found = {each.symbol: each for each in await store.symbols_of(catalogue, cat_ex_id)}
    assert (changes.added, changes.changed, changes.deactivated) == (1, 3, 2)
    assert {name: each.active for name, each in found.items()} == {
        "BTC/USDT": True,
        "DOGE/USDT": False,
        "ETH/USDT": False,
        "SOL/USDT": False,
    }
    assert (found["BTC/USDT"].tick_size, found["BTC/USDT"].step_size) == (Decimal("0.5"), Decimal("0.00000001"))
    assert await store.put_markets(catalogue, cat_ex_id, listed) == store.SymbolChanges(0, 0, 0)
