"""Fills and orders of a venue, taken in: once each, to their own orders, in whatever order the news comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest

from fullon.kernel.clock import SystemClock
from fullon.orders import fill_intake, order_store, venue_orders
from fullon.orders.model import Fill, NewOrder, Order, OrderStatus, OrderType, Origin, Side
from fullon.venues import accounts
from fullon.venues.account import Account
from fullon.venues.account_data import VenueFill, VenueOrder
from tests.people import a_user, a_venue

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

D = Decimal
CLOCK = SystemClock()
START = datetime(2026, 1, 1, tzinfo=UTC)
BTC = "BTC/USDT"


async def an_account(connection: Connection) -> Account:
    if not await connection.fetchval("SELECT true FROM symbols"):
        await a_venue(connection, "paper", BTC)
    uid, ex_id = await a_user(connection), uuid4()
    await connection.execute(
        "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
        " updated_at) SELECT $1, $2, cat_ex_id, 'main', 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges",
        ex_id,
        uid,
    )
    return await accounts.get(connection, uid, ex_id)


async def an_order(connection: Connection, account: Account, volume: str = "1", *, sent: bool = True) -> Order:
    """An order of ours, on its way to the venue."""
    symbol_id = await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = $1", BTC)
    intent = NewOrder(
        uid=account.uid,
        ex_id=account.ex_id,
        symbol_id=symbol_id,
        symbol=BTC,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        volume=D(volume),
        price=D(100),
    )
    async with connection.transaction():
        order = await order_store.add(connection, CLOCK, intent)
        if sent:
            order = await order_store.move(connection, CLOCK, order, OrderStatus.SUBMITTED, actor="test", attempt=1)
    return order


def a_fill(number: int, volume: str, *, venue_order: str | None = "v1", client: str | None = None) -> VenueFill:
    return VenueFill(
        symbol=BTC,
        venue_trade_id=str(number),
        venue_order_id=venue_order,
        client_order_id=client,
        side="buy",
        price=D(100) + number,
        volume=D(volume),
        fee=D("0.1"),
        fee_currency="USDT",
        maker=True,
        at=START + timedelta(minutes=number),
    )


def stated(state: Any, *, filled: str = "0", client: str | None = None, **values: Any) -> VenueOrder:
    order = VenueOrder(
        symbol=BTC,
        venue_order_id="v1",
        client_order_id=client,
        side="buy",
        kind="limit",
        volume=D(1),
        price=D(100),
        stop_price=None,
        state=state,
        filled=D(filled),
        cost=D(filled) * 100,
        at=START,
    )
    return replace(order, **values)


async def take(connection: Connection, account: Account, *fills: VenueFill) -> list[Fill]:
    async with connection.transaction():
        return await fill_intake.take(connection, CLOCK, account, fills)


async def see(connection: Connection, account: Account, order: VenueOrder) -> Order:
    async with connection.transaction():
        [symbol_id] = (await fill_intake.symbol_ids(connection, account, [order.symbol])).values()
        return await venue_orders.see(connection, CLOCK, account, order, symbol_id)


async def now(connection: Connection, order: Order) -> Order:
    return await order_store.get(connection, order.uid, order.order_id)


async def told(connection: Connection, channel: str) -> list[dict[str, Any]]:
    rows = await connection.fetch("SELECT data::text FROM outbox WHERE channel = $1 ORDER BY entry_id", channel)
    return [orjson.loads(row["data"]) for row in rows]


async def test_a_fill_is_taken_once_however_often_it_is_told(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)

    first = await take(connection, account, a_fill(1, "0.4", client=order.client_order_id))
    again = await take(connection, account, a_fill(1, "0.4"), a_fill(1, "0.4", client=order.client_order_id))

    order = await now(connection, order)
    assert ([fill.order_id for fill in first], again) == ([order.order_id], [])
    assert (order.status, order.filled, order.cost) == (OrderStatus.PARTIALLY_FILLED, D("0.4"), D("40.4"))
    assert order.venue_order_id == "v1"
    assert [fill["trade_id"] for fill in await told(connection, "fills")] == [str(first[0].fill_id)]
    assert [(each["status"], each["filled"]) for each in await told(connection, "orders")][-1] == (
        "partially_filled",
        "0.4",
    )


async def test_a_fill_that_comes_before_its_order_is_known_goes_to_it_later(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)

    [fill] = await take(connection, account, a_fill(1, "1"))
    before = (await now(connection, order)).filled
    seen = await see(connection, account, stated("filled", filled="1", client=order.client_order_id))

    assert (fill.order_id, before) == (None, D(0))
    assert (seen.order_id, seen.status, seen.filled, seen.cost) == (order.order_id, OrderStatus.FILLED, D(1), D(101))
    assert [each["order_id"] for each in await told(connection, "fills")] == [None, str(order.order_id)]
    assert await connection.fetchval("SELECT order_id FROM fills") == order.order_id


NEWS: list[VenueFill | VenueOrder] = [
    stated("open", client="C"),
    a_fill(1, "0.4", client="C"),
    a_fill(2, "0.6"),
    stated("filled", filled="1", client="C"),
]


@pytest.mark.parametrize("news", permutations(NEWS), ids=lambda news: "-".join(str(NEWS.index(each)) for each in news))
async def test_news_in_any_order_end_in_the_same_order(connection: Connection, news: Any) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)

    for each in news:
        client = order.client_order_id if each.client_order_id else None
        if isinstance(each, VenueFill):
            await take(connection, account, replace(each, client_order_id=client))
        else:
            await see(connection, account, replace(each, client_order_id=client))

    order = await now(connection, order)
    assert (order.status, order.filled, order.cost) == (OrderStatus.FILLED, D(1), D("101.6"))
    assert await connection.fetchval("SELECT count(*) FROM orders") == 1
    assert await connection.fetchval("SELECT bool_and(order_id = $1) FROM fills", order.order_id)
    assert sum(lot["volume"] for lot in await connection.fetch("SELECT volume FROM open_lots")) == D(1)


async def test_an_order_placed_elsewhere_is_external_and_never_one_of_ours(connection: Connection) -> None:
    account = await an_account(connection)
    ours = await an_order(connection, account)

    await take(connection, account, a_fill(1, "0.3"))
    seen = await see(connection, account, stated("partially_filled", filled="0.3", client="by-hand"))
    again = await see(connection, account, stated("canceled", filled="0.3", client="by-hand"))

    assert (seen.origin, seen.status, seen.client_order_id) == (
        Origin.EXTERNAL,
        OrderStatus.PARTIALLY_FILLED,
        "by-hand",
    )
    assert (again.order_id, again.status, again.filled) == (seen.order_id, OrderStatus.CANCELED, D("0.3"))
    assert await connection.fetchval("SELECT order_id FROM fills") == seen.order_id
    untouched = await now(connection, ours)
    assert (untouched.status, untouched.venue_order_id, untouched.version) == (
        OrderStatus.SUBMITTED,
        None,
        ours.version,
    )


async def test_a_second_venue_order_with_our_client_id_is_not_taken_for_the_first(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)
    name = order.client_order_id

    first = await see(connection, account, stated("open", client=name))
    second = await see(connection, account, stated("open", client=name, venue_order_id="v2"))
    await take(connection, account, a_fill(1, "1", client=name), a_fill(2, "1", client=name, venue_order="v2"))

    assert first.order_id == order.order_id
    assert (second.origin, second.order_id != order.order_id) == (Origin.EXTERNAL, True)
    assert (await now(connection, order)).filled == D(1)
    assert (await now(connection, second)).filled == D(1)


async def test_two_venue_orders_of_one_client_id_in_one_batch_are_kept_apart(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)

    fills = await take(
        connection,
        account,
        a_fill(1, "1", client=order.client_order_id),
        a_fill(2, "1", client=order.client_order_id, venue_order="v2"),
    )

    assert [fill.order_id for fill in fills] == [order.order_id, None]
    assert (await now(connection, order)).filled == D(1)


async def test_an_order_given_up_as_absent_is_not_sent_again_once_it_is_seen(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)
    async with connection.transaction():
        order = await order_store.move(connection, CLOCK, order, OrderStatus.NEW, actor="test")

    seen = await see(connection, account, stated("open", client=order.client_order_id))

    assert (seen.order_id, seen.status) == (order.order_id, OrderStatus.OPEN)


async def test_old_news_change_nothing(connection: Connection) -> None:
    account = await an_account(connection)
    order = await an_order(connection, account)
    await see(connection, account, stated("canceled", filled="0.4", client=order.client_order_id))
    before = await now(connection, order)

    after = await see(connection, account, stated("open", client=order.client_order_id))

    assert (before.status, before.filled) == (OrderStatus.CANCELED, D("0.4"))
    assert after == before


async def test_an_account_never_touches_what_belongs_to_another(connection: Connection) -> None:
    mine, other = await an_account(connection), await an_account(connection)
    order = await an_order(connection, mine)

    [fill] = await take(connection, other, a_fill(1, "1", client=order.client_order_id))

    assert (fill.uid, fill.ex_id, fill.order_id) == (other.uid, other.ex_id, None)
    assert (await now(connection, order)).filled == D(0)


async def test_a_symbol_the_catalogue_does_not_have_is_entered_and_not_in_use(connection: Connection) -> None:
    account = await an_account(connection)

    await take(connection, account, replace(a_fill(1, "1"), symbol="NEW/USDT"))

    row = await connection.fetchrow("SELECT base, quote, active FROM symbols WHERE symbol = 'NEW/USDT'")
    assert row is not None
    assert tuple(row) == ("NEW", "USDT", False)
