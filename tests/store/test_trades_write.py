"""Public trades in PostgreSQL: each once, exact, and the end of a series is known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fullon.kernel.clock import to_milliseconds
from fullon.market import candles_store, trades_store
from fullon.venues.quotes import Trade
from tests.store.test_candles_write import symbol

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

START = to_milliseconds(datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))


def trade(number: int, ts: int = START) -> Trade:
    return Trade(str(number), ts, Decimal("0.10000000000000001"), Decimal("0.000000000000000001"), "sell")


async def put(connection: Connection, trades: list[Trade], series: int = 1) -> None:
    async with connection.transaction():
        await trades_store.put_trades(connection, [(series, each) for each in trades])


@pytest.fixture
async def candles(candle_connection: Connection) -> Connection:
    await candles_store.put_series(candle_connection, [symbol(1), symbol(2, "ETH/USDT")])
    return candle_connection


async def test_a_trade_is_stored_once_however_often_it_is_written(candles: Connection) -> None:
    await put(candles, [trade(1), trade(2)])

    await put(candles, [trade(2), trade(3), trade(3)])

    assert await candles.fetchval("SELECT count(*) FROM trades") == 3


async def test_trades_of_one_moment_are_all_kept_and_the_last_is_known_by_its_number(candles: Connection) -> None:
    await put(candles, [trade(9), trade(10), trade(11)])

    assert await trades_store.last_trades(candles, [1, 2]) == {1: trade(11)}


async def test_trades_over_the_end_of_a_month_find_their_partitions(candles: Connection) -> None:
    await put(candles, [trade(1), trade(2, START + 5000)])

    assert await candles.fetchval("SELECT count(*) FROM trades_2026_11") == 1
    assert await trades_store.last_trades(candles, [1]) == {1: trade(2, START + 5000)}


async def test_numbers_without_a_meaning_are_kept_too(candles: Connection) -> None:
    odd = Trade("a-7", START, Decimal(1), Decimal(1), None)

    await put(candles, [odd])

    assert await trades_store.last_trades(candles, [1]) == {1: odd}
