"""Fills kept with the lots and trades that follow from them, against a calculation over all fills in their order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullon.kernel.ids import new_id
from fullon.orders import ledger
from fullon.orders.errors import TradeImmutable, TradeNotFound
from fullon.orders.model import Fill, FillSource, Side
from tests.conftest import PLATFORM_TEMPLATE, Databases
from tests.servers import finish
from tests.store.ledger_world import START, D, an_account, assert_same, expected, record, stored

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]


async def test_a_fill_and_what_follows_from_it_are_kept_together(connection: Connection) -> None:
    account = await an_account(connection)

    await record(connection, account.buy(1, "2", "100", "2"), account.sell(2, "3", "110", "3"))

    assert await stored(connection, account) == (
        [("1", "2", "long", D(2), D(2), D(2), D(16))],
        [("2", "short", D(1), D(1))],
    )


async def test_what_a_transaction_gives_up_leaves_no_lot(connection: Connection) -> None:
    account = await an_account(connection)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with connection.transaction():
            await ledger.record(connection, START, [account.buy(1, "1", "1")])
            await ledger.record(connection, START, [replace(account.buy(2, "1", "1"), symbol_id=-1)])

    assert await stored(connection, account) == ([], [])


async def test_a_fill_counts_once_however_often_it_arrives(connection: Connection) -> None:
    account = await an_account(connection)
    first = account.buy(1, "1", "100")

    assert await record(connection, first, replace(first, fill_id=new_id())) == [replace(first, fee_quote=D(0))]
    assert await record(connection, replace(first, fill_id=new_id())) == []
    assert await stored(connection, account) == ([], [("1", "long", D(1), D(0))])


async def test_fills_on_paper_and_real_ones_never_meet(connection: Connection) -> None:
    account = await an_account(connection)

    await record(connection, account.buy(1, "1", "100"), replace(account.sell(2, "1", "90"), source=FillSource.DRY))

    assert (await stored(connection, account))[1] == [("1", "long", D(1), D(0))]
    assert (await stored(connection, account, dry_run=True))[1] == [("2", "short", D(1), D(0))]


async def test_numbers_of_a_venue_order_what_happened_in_one_millisecond(connection: Connection) -> None:
    account = await an_account(connection)
    fills = [account.fill(number, Side.BUY, "1", str(number), minute=0) for number in (9, 10, 11)]

    for fill in reversed(fills):
        await record(connection, fill)
    await record(connection, account.sell(99, "2", "20"))

    assert [row[0] for row in (await stored(connection, account))[0]] == ["10", "9"]


async def test_a_trade_keeps_its_id_when_it_is_worked_out_again(connection: Connection) -> None:
    account = await an_account(connection)
    await record(connection, account.buy(3, "1", "100"), account.sell(5, "1", "120"))
    before = await connection.fetchval("SELECT trade_id FROM trades")

    await record(connection, account.buy(1, "1", "90"))
    await record(connection, account.sell(2, "1", "95"))

    ids = {row["trade_id"] for row in await connection.fetch("SELECT trade_id FROM trades")}
    assert (len(ids), before in ids) == (2, True)


async def test_fees_are_valued_in_the_quote_currency(connection: Connection) -> None:
    account = await an_account(connection)
    coins = {"USDT": D("0.5"), "BTC": D("0.001"), "BNB": D("0.01"), "XYZ": D(1)}
    fills = [
        replace(account.buy(number, "1", "50000"), fee=fee, fee_currency=coin)
        for number, (coin, fee) in enumerate(coins.items(), 1)
    ]

    new = await record(connection, *fills, price_of=lambda coin, quote, _: D(600) if coin == "BNB" else None)

    assert [each.fee_quote for each in new] == [D("0.5"), D(50), D(6), None]


async def test_amounts_at_the_ends_of_the_scale_are_exact(connection: Connection) -> None:
    account = await an_account(connection)
    least, price = D("0.000000000000000001"), D("9999999999.000000000000000003")

    await record(connection, account.fill(1, Side.BUY, D("123456789.123456789123456789"), "1", "0.1"))
    await record(connection, account.fill(2, Side.SELL, least, price), account.fill(3, Side.SELL, D(1), price))

    [row] = await connection.fetch("SELECT pnl, entry_fee FROM trades WHERE volume = 1")
    assert row["pnl"] == price - 1 - row["entry_fee"]


batches = st.lists(
    st.tuples(
        st.sampled_from(list(Side)),
        st.integers(1, 60).map(lambda each: D(each) / 7 if each % 5 == 0 else D(each) / 10),
        st.decimals("0.01", "1000", places=2),
        st.decimals("0", "3", places=4),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=14,
)


@pytest.fixture
def workbench(databases: Databases) -> Any:
    """A database that many examples share, each with an account of its own."""
    address = databases.clone(PLATFORM_TEMPLATE)
    yield address
    databases.drop(address)


def test_any_order_of_arrival_comes_to_the_same_as_the_order_of_time(workbench: str) -> None:
    async def example(rows: Any, chance: random.Random) -> None:
        connection = await asyncpg.connect(workbench)
        try:
            account = await an_account(connection)
            fills = [
                account.fill(number, side, round(volume, 18), price, fee, minute=minute)
                for number, (side, volume, price, fee, minute) in enumerate(rows, 1)
            ]
            arriving = fills + [replace(chance.choice(fills), fill_id=new_id()) for _ in range(3)]
            chance.shuffle(arriving)
            while arriving:
                size = chance.randint(1, 5)
                await record(connection, *arriving[:size])
                del arriving[:size]
            assert_same(await stored(connection, account), expected(fills))
            in_order = await an_account(connection)
            again = [replace(fill, fill_id=new_id(), uid=in_order.uid, ex_id=in_order.ex_id) for fill in fills]
            await record(connection, *again)
            assert await stored(connection, account) == await stored(connection, in_order)
        finally:
            await connection.close()

    @settings(max_examples=60)
    @given(batches, st.randoms(use_true_random=False))
    def check(rows: Any, chance: random.Random) -> None:
        finish(example(rows, chance))

    check()


def test_changing_and_removing_entries_comes_to_the_same_as_never_having_entered_them(workbench: str) -> None:
    async def example(rows: Any, chance: random.Random) -> None:
        connection = await asyncpg.connect(workbench)
        try:
            account = await an_account(connection)
            fills = [
                account.fill(number, side, round(volume, 18), price, fee, minute=minute)
                for number, (side, volume, price, fee, minute) in enumerate(rows, 1)
            ]
            fills = [replace(each, source=FillSource.MANUAL) for each in fills]
            await record(connection, *fills)
            for _ in range(4):
                if not fills:
                    break
                fill = fills.pop(chance.randrange(len(fills)))
                async with connection.transaction():
                    if chance.random() < 0.4:
                        await ledger.remove(connection, account.uid, fill.fill_id)
                        continue
                    values = {
                        "side": chance.choice(list(Side)),
                        "volume": D(chance.randint(1, 50)) / 10,
                        "at": START + timedelta(minutes=chance.randint(0, 12)),
                    }
                    fills.append(await ledger.change(connection, account.uid, fill.fill_id, values))
            assert_same(await stored(connection, account), expected(fills))
        finally:
            await connection.close()

    @settings(max_examples=40)
    @given(batches, st.randoms(use_true_random=False))
    def check(rows: Any, chance: random.Random) -> None:
        finish(example(rows, chance))

    check()


async def test_a_long_history_is_played_again_in_parts(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 7)
    account = await an_account(connection)
    fills = [
        account.fill(number, Side.BUY if number % 3 else Side.SELL, str(1 + number % 4), str(100 + number), "0.3")
        for number in range(1, 60)
    ]

    await record(connection, *fills[1:])
    await record(connection, fills[0])

    assert_same(await stored(connection, account), expected(fills))


async def test_writers_of_the_same_account_stand_in_line(platform_database: str) -> None:
    pool = await asyncpg.create_pool(platform_database, min_size=6, max_size=6)
    async with pool.acquire() as connection:
        account = await an_account(connection)
    chance = random.Random(7)
    fills = [
        account.fill(number, chance.choice(list(Side)), str(chance.randint(1, 9)), str(chance.randint(90, 110)), "0.1")
        for number in range(1, 121)
    ]

    async def writer(own: Sequence[Fill]) -> None:
        for start in range(0, len(own), 4):
            async with pool.acquire() as connection, connection.transaction():
                await ledger.record(connection, START, own[start : start + 4])

    shares = [[*fills[place::4], *fills[:10]] for place in range(4)]
    await asyncio.gather(*(writer([replace(each, fill_id=new_id()) for each in share]) for share in shares))

    async with pool.acquire() as connection:
        found = await stored(connection, account)
    await pool.close()
    assert_same(found, expected(fills))


async def test_only_what_a_person_entered_can_be_changed_and_only_by_its_owner(connection: Connection) -> None:
    account, other = await an_account(connection), await an_account(connection)
    venue, manual = account.buy(1, "1", "100"), replace(account.sell(2, "1", "90"), source=FillSource.MANUAL)
    await record(connection, venue, manual)

    async with connection.transaction():
        for uid, fill, error in (
            (account.uid, venue, TradeImmutable),
            (other.uid, venue, TradeNotFound),
            (other.uid, manual, TradeNotFound),
        ):
            with pytest.raises(error):
                await ledger.change(connection, uid, fill.fill_id, {"price": D(1)})
            with pytest.raises(error):
                await ledger.remove(connection, uid, fill.fill_id)
    assert len((await stored(connection, account))[0]) == 1


async def test_fills_that_came_before_their_order_was_known_are_given_to_it(connection: Connection) -> None:
    account = await an_account(connection)
    bot_id, order_id = uuid4(), uuid4()
    await connection.execute(
        "INSERT INTO bots (bot_id, uid, name, created_at, updated_at) VALUES ($1, $2, 'one', now(), now())",
        bot_id,
        account.uid,
    )
    await connection.execute(
        "INSERT INTO orders (order_id, uid, ex_id, bot_id, symbol_id, symbol, side, order_type, volume,"
        " client_order_id, status, created_at, updated_at)"
        " VALUES ($1, $2, $3, $4, $5, 'BTC/USDT', 'buy', 'market', 2, 'x', 'filled', now(), now())",
        order_id,
        account.uid,
        account.ex_id,
        bot_id,
        account.symbol_id,
    )
    entry = replace(account.buy(1, "2", "100"), venue_order_id="77")
    await record(connection, entry, account.sell(2, "1", "110"))

    adopted = await ledger.adopt(
        connection, account.uid, account.ex_id, "BTC/USDT", "77", order_id=order_id, bot_id=bot_id
    )

    assert adopted == 1
    for table in ("open_lots", "trades"):
        assert await connection.fetchval(f"SELECT bot_id FROM {table}") == bot_id
