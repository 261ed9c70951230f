"""Orders: what is written together, who may read and change them, and which of two writers is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from fullon import outbox
from fullon.kernel.clock import ManualClock
from fullon.orders import order_store as store
from fullon.orders.client_ids import client_order_id
from fullon.orders.errors import DuplicateReference, OlderFence, OrderKnown, OrderNotFound, StaleOrder
from fullon.orders.model import ENDED, NewOrder, Order, OrderType, Origin, Side
from fullon.orders.model import OrderStatus as S
from fullon.orders.order_data import data_of
from fullon.orders.selection import OrderSelection
from fullon.orders.states import IllegalTransition
from tests.people import a_user, a_venue

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

START = datetime(2026, 1, 1, tzinfo=UTC)


class Book:
    """Orders of one account in a database, each change in a transaction of its own."""

    def __init__(self, connection: Connection, uid: UUID, ex_id: UUID, symbol_id: int) -> None:
        self.connection = connection
        self.clock = ManualClock(START)
        self.uid, self.ex_id, self.symbol_id = uid, ex_id, symbol_id

    def intent(self, **values: Any) -> NewOrder:
        return NewOrder(
            **{
                "uid": self.uid,
                "ex_id": self.ex_id,
                "symbol_id": self.symbol_id,
                "symbol": "BTC/USDT",
                "side": Side.BUY,
                "order_type": OrderType.LIMIT,
                "volume": Decimal("0.5"),
                "price": Decimal(60_000),
                **values,
            }
        )

    @asynccontextmanager
    async def step(self) -> AsyncIterator[Connection]:
        self.clock.advance(1)
        async with self.connection.transaction():
            yield self.connection

    async def add(self, **values: Any) -> Order:
        async with self.step() as connection:
            return await store.add(connection, self.clock, self.intent(**values))

    async def move(self, order: Order, to: S, **values: Any) -> Order:
        async with self.step() as connection:
            return await store.move(connection, self.clock, order, to, **{"actor": "execution", **values})

    async def cancel(self, order: Order, uid: UUID | None = None) -> Order:
        async with self.step() as connection:
            return await store.request_cancel(connection, self.clock, uid or self.uid, order.order_id, str(self.uid))

    async def get(self, order: Order) -> Order:
        return await store.get(self.connection, self.uid, order.order_id)

    async def history(self, order: Order) -> list[S]:
        return [each.status for each in await store.events(self.connection, self.uid, order.order_id)]

    async def announced(self) -> list[dict[str, Any]]:
        rows = await self.connection.fetch("SELECT uid, channel, key, data::text FROM outbox ORDER BY entry_id")
        assert {(row["uid"], row["channel"]) for row in rows} <= {(self.uid, "orders")}
        found = [orjson.loads(row["data"]) for row in rows]
        assert [row["key"] for row in rows] == [each["order_id"] for each in found]
        return found


async def a_book(connection: Connection, *symbols: str) -> Book:
    await a_venue(connection, "paper", *symbols)
    uid, ex_id = await a_user(connection), uuid4()
    await connection.execute(
        "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
        " updated_at) SELECT $1, $2, cat_ex_id, 'main', 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
        " WHERE name = 'paper'",
        ex_id,
        uid,
    )
    symbol_id = await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'")
    return Book(connection, uid, ex_id, symbol_id)


@pytest.fixture
async def book(connection: Connection) -> Book:
    return await a_book(connection, "BTC/USDT")


async def test_an_intent_its_history_and_its_announcement_are_written_together(book: Book) -> None:
    order = await book.add(reference="mine", bot_id=None)

    assert (order.status, order.attempt, order.version, order.reference) == (S.NEW, 0, 1, "mine")
    assert order.client_order_id == client_order_id(book.uid, book.ex_id, order.order_id, 1)
    assert await book.get(order) == order
    assert await book.history(order) == [S.NEW]
    assert await book.announced() == [data_of(order)]


async def test_what_is_rolled_back_was_never_announced(book: Book) -> None:
    with pytest.raises(ZeroDivisionError):
        async with book.step() as connection:
            await store.add(connection, book.clock, book.intent())
            _ = 1 // 0

    assert await book.announced() == []


async def test_an_announcement_needs_the_transaction_of_the_change(book: Book) -> None:
    with pytest.raises(AssertionError):
        await outbox.put(book.connection, book.clock, book.uid, "orders", "key", {})


async def test_an_attempt_has_an_id_that_no_other_has(book: Book) -> None:
    ids = {client_order_id(*three, attempt) for attempt in range(5) for three in ((uuid4(),) * 3, (uuid4(),) * 3)}

    assert len(ids) == 10
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)


async def test_a_reference_is_of_one_order_of_an_account_and_the_first_is_named(book: Book) -> None:
    first = await book.add(reference="mine")
    other = await a_book(book.connection)

    with pytest.raises(DuplicateReference) as refused:
        await book.add(reference="mine")
    await other.add(reference="mine")

    assert refused.value.facts == {"order_id": str(first.order_id)}
    assert str(first.order_id) in refused.value.detail
    assert len(await store.for_account(book.connection, book.ex_id)) == 1


async def test_an_order_found_at_the_venue_is_entered_once(book: Book) -> None:
    found = {"origin": Origin.EXTERNAL, "status": S.OPEN, "venue_order_id": "77", "client_order_id": "web_1"}

    order = await book.add(**found)
    with pytest.raises(OrderKnown):
        await book.add(**found)
    with pytest.raises(OrderKnown):
        await book.add(**{**found, "client_order_id": "web_2"})

    assert (order.origin, order.status) == (Origin.EXTERNAL, S.OPEN)
    assert await store.at_venue(book.connection, book.ex_id, client_order_id="web_1") == order
    assert await store.at_venue(book.connection, book.ex_id, symbol="BTC/USDT", venue_order_id="77") == order
    assert await store.at_venue(book.connection, book.ex_id, symbol="ETH/USDT", venue_order_id="77") is None
    assert await store.at_venue(book.connection, uuid4(), client_order_id="web_1") is None


async def test_an_order_goes_its_way_and_every_step_is_written_down_and_announced(book: Book) -> None:
    order = await book.add()

    sent = await book.move(order, S.SUBMITTED, attempt=1, client_order_id="c1", fence=3, sent_at=book.clock.now())
    lost = await book.move(sent, S.UNKNOWN, reason="The venue did not answer.", fence=3, look_after=book.clock.now())
    opened = await book.move(lost, S.OPEN, venue_order_id="9", fence=4)
    part = await book.move(opened, S.PARTIALLY_FILLED, filled=Decimal("0.2"), cost=Decimal(12_000))
    more = await book.move(part, S.PARTIALLY_FILLED, filled=Decimal("0.3"), cost=Decimal(18_000))
    done = await book.move(more, S.FILLED, filled=Decimal("0.5"), cost=Decimal(30_000))

    assert (sent.attempt, sent.client_order_id, sent.fence) == (1, "c1", 3)
    assert (lost.reason, lost.look_after, lost.sent_at) == ("The venue did not answer.", sent.updated_at, sent.sent_at)
    assert (opened.reason, opened.look_after, opened.fence, opened.venue_order_id) == (None, None, 4, "9")
    assert (done.filled, done.average, done.ended_at, done.version) == (
        Decimal("0.5"),
        Decimal(60_000),
        book.clock.now(),
        7,
    )
    assert await book.history(order) == [
        S.NEW, S.SUBMITTED, S.UNKNOWN, S.OPEN, S.PARTIALLY_FILLED, S.PARTIALLY_FILLED, S.FILLED,
    ]  # fmt: skip
    assert await book.announced() == [data_of(each) for each in (order, sent, lost, opened, part, more, done)]


async def test_there_is_no_way_but_a_legal_one(book: Book) -> None:
    order = await book.add()

    with pytest.raises(IllegalTransition):
        await book.move(order, S.FILLED)

    assert await book.get(order) == order
    assert len(await book.announced()) == 1


async def test_of_two_writers_who_read_the_same_one_reads_again(book: Book) -> None:
    order = await book.add()
    await book.move(order, S.SUBMITTED)

    with pytest.raises(StaleOrder):
        await book.move(order, S.SUBMITTED)

    assert await book.history(order) == [S.NEW, S.SUBMITTED]


async def test_a_leader_whose_time_was_over_writes_nothing(book: Book) -> None:
    order = await book.add()
    sent = await book.move(order, S.SUBMITTED, fence=5)

    for present in (order, sent):
        with pytest.raises(OlderFence):
            await book.move(present, S.SUBMITTED if present is order else S.OPEN, fence=4)
    again = await book.move(sent, S.OPEN, fence=5)

    assert again.fence == 5
    assert await book.history(order) == [S.NEW, S.SUBMITTED, S.OPEN]


async def test_a_change_of_an_order_that_is_gone_says_so(book: Book) -> None:
    order = await book.add()
    await book.connection.execute("DELETE FROM orders")

    with pytest.raises(OrderNotFound):
        await book.move(order, S.SUBMITTED)


async def test_an_intent_that_was_never_sent_is_canceled_at_once(book: Book) -> None:
    order = await book.add()

    canceled = await book.cancel(order)

    assert (canceled.status, canceled.ended_at) == (S.CANCELED, book.clock.now())
    assert await book.history(order) == [S.NEW, S.CANCELED]
    with pytest.raises(StaleOrder):
        await book.move(order, S.SUBMITTED)


async def test_the_end_of_an_order_that_was_sent_is_asked_for_once(book: Book) -> None:
    order = await book.move(await book.add(), S.SUBMITTED)

    asked = await book.cancel(order)
    again = await book.cancel(order)

    assert again == asked
    assert (asked.status, asked.cancel_requested_at) == (S.SUBMITTED, asked.updated_at)
    assert len(await book.announced()) == 3
    canceled = await book.move(await book.move(asked, S.OPEN), S.CANCELED)
    assert await book.cancel(canceled) == canceled


@pytest.mark.parametrize("ended", sorted(ENDED - {S.CANCELED}))
async def test_the_end_of_an_order_that_has_ended_cannot_be_asked_for(book: Book, ended: S) -> None:
    order = await book.add(status=ended)

    with pytest.raises(IllegalTransition, match="it has ended"):
        await book.cancel(order)

    assert order.ended_at is not None
    assert (await book.get(order)).cancel_requested_at is None


async def test_nobody_reads_or_cancels_the_order_of_another(book: Book) -> None:
    order = await book.add()
    other = await a_book(book.connection)

    with pytest.raises(OrderNotFound):
        await store.get(book.connection, other.uid, order.order_id)
    with pytest.raises(OrderNotFound):
        await book.cancel(order, other.uid)
    selection = OrderSelection(uid=other.uid, ex_id=book.ex_id)

    assert await store.find(book.connection, other.uid, selection, None, 10) == []
    assert await store.find(book.connection, other.uid, selection, (book.clock.now(), uuid4()), 10) == []
    assert await store.events(book.connection, other.uid, order.order_id) == []
    with pytest.raises(AssertionError):
        await store.find(book.connection, other.uid, OrderSelection(uid=book.uid), None, 10)


async def test_orders_are_found_by_what_they_are_newest_first_and_page_by_page(book: Book) -> None:
    old = await book.add(side=Side.SELL, dry_run=True)
    young = await book.move(await book.add(), S.SUBMITTED)
    youngest = await book.cancel(await book.add())

    async def found(cursor: tuple[datetime, UUID] | None = None, limit: int = 10, **filters: Any) -> list[Order]:
        return await store.find(book.connection, book.uid, OrderSelection(uid=book.uid, **filters), cursor, limit)

    assert await found() == [youngest, young, old]
    assert await found(limit=2) == [youngest, young]
    assert await found((young.created_at, young.order_id)) == [old]
    assert await found(statuses=[S.NEW, S.SUBMITTED]) == [young, old]
    assert await found(statuses=[]) == []
    assert await found(side=Side.SELL) == await found(dry_run=True) == [old]
    assert await found(since=young.created_at, until=youngest.created_at) == [young]
    assert await found(symbol="ETH/USDT") == await found(ex_id=uuid4()) == await found(bot_id=uuid4()) == []


async def test_accounts_wait_while_somebody_must_act(book: Book) -> None:
    async def waiting() -> bool:
        found = await store.waiting_accounts(book.connection)
        assert found in ([], [book.ex_id])
        return bool(found)

    assert not await waiting()
    order = await book.add()
    assert await waiting()
    order = await book.move(order, S.SUBMITTED)
    assert await waiting()
    order = await book.move(order, S.UNKNOWN)
    assert await waiting()
    order = await book.move(order, S.OPEN)
    assert not await waiting()
    order = await book.cancel(order)
    assert await waiting()
    await book.move(order, S.CANCELED)
    assert not await waiting()


async def test_a_daemon_reads_the_orders_of_an_account_oldest_first(book: Book) -> None:
    first, second = await book.add(), await book.add()
    ended = await book.cancel(await book.add())
    await (await a_book(book.connection)).add()

    assert await store.for_account(book.connection, book.ex_id) == [first, second]
    assert await store.for_account(book.connection, book.ex_id, statuses=[S.CANCELED]) == [ended]


async def test_amounts_of_an_order_are_shown_exactly(book: Book) -> None:
    volume = Decimal("12345678901234567890.123456789012345678")

    order = await book.add(volume=volume, price=Decimal("0.000000000000000001"), leverage=Decimal(100))

    data = data_of(await book.get(order))
    assert (data["volume"], data["price"], data["leverage"], data["filled"]) == (
        "12345678901234567890.123456789012345678",
        "0.000000000000000001",
        "100",
        "0",
    )
    assert data["created_at"] == (START + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
