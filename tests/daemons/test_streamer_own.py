"""What belongs to a user: told to the owner and to nobody else, a snapshot first, then every change in order.

The real function, gateway and daemon; records are written as the platform writes them.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from fullon.bots import store as bots
from fullon.identity.model import Identity
from fullon.kernel.clock import SystemClock
from fullon.orders import account_cache, fill_intake, order_store
from fullon.orders.account_cache import AccountState
from fullon.orders.model import NewOrder, Order, OrderStatus, OrderType, Side
from fullon.streams.relay import ORDERS_STREAM
from fullon.venues import accounts
from fullon.venues.account_data import VenueFill
from tests.daemons.streaming import Client, Streaming, end, running_streaming, somebody, start_streamer
from tests.daemons.waiting import until

D = Decimal
CLOCK = SystemClock()


@pytest.fixture
async def streaming(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Streaming]:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        yield streaming


async def an_account(streaming: Streaming, owner: Identity, name: str = "main") -> UUID:
    ex_id = uuid4()
    await streaming.database.execute(
        "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
        " updated_at) SELECT $1, $2, cat_ex_id, $3, 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges",
        ex_id,
        owner.user_id,
        name,
    )
    return ex_id


async def an_order(streaming: Streaming, owner: Identity, ex_id: UUID, bot_id: UUID | None = None) -> Order:
    async with streaming.database.acquire() as connection, connection.transaction():
        intent = NewOrder(
            uid=owner.user_id,
            ex_id=ex_id,
            bot_id=bot_id,
            symbol_id=await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'"),
            symbol="BTC/USDT",
            side=Side.BUY,
            order_type=OrderType.MARKET,
            volume=D(1),
        )
        return await order_store.add(connection, CLOCK, intent)


async def move(streaming: Streaming, order: Order, to: OrderStatus, **values: Any) -> Order:
    async with streaming.database.acquire() as connection, connection.transaction():
        return await order_store.move(connection, CLOCK, order, to, actor="test", **values)


async def a_fill(streaming: Streaming, owner: Identity, ex_id: UUID, order: Order, number: int) -> None:
    stated = VenueFill(
        symbol="BTC/USDT",
        venue_trade_id=str(number),
        venue_order_id="v1",
        client_order_id=order.client_order_id,
        side="buy",
        price=D(100),
        volume=D("0.25"),
        fee=D(0),
        fee_currency="USDT",
        maker=None,
        at=datetime.now(UTC),
    )
    async with streaming.database.acquire() as connection, connection.transaction():
        account = await accounts.get(connection, owner.user_id, ex_id)
        await fill_intake.take(connection, CLOCK, account, [stated])


async def known(client: Client, versions: dict[str, int], wanted: dict[str, int]) -> list[dict[str, Any]]:
    """Frames of orders until the newest version of each is the wanted one."""
    frames: list[dict[str, Any]] = []
    while versions != wanted:
        [frame] = await client.pushed(1)
        frames.append(frame)
        for each in frame["data"]:
            versions[each["order_id"]] = max(versions.get(each["order_id"], 0), each["version"])
    return frames


async def test_orders_begin_with_those_alive_and_go_on_with_every_change(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    ex_id = await an_account(streaming, owner)
    ended = await move(streaming, await an_order(streaming, owner, ex_id), OrderStatus.CANCELED)
    alive = await an_order(streaming, owner, ex_id)
    await until(lambda: _is_empty(streaming), what="the outbox moved")
    async with streaming.client(owner) as client:
        ack = await client.subscribe("orders")
        [snapshot] = await client.pushed(1)

        assert ack["keys"] == [str(owner.user_id)]
        assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 1)
        assert [each["order_id"] for each in snapshot["data"]] == [str(alive.order_id)]
        assert str(ended.order_id) not in orjson.dumps(snapshot).decode()

        for status in (OrderStatus.SUBMITTED, OrderStatus.OPEN, OrderStatus.FILLED):
            alive = await move(streaming, alive, status)
        frames: list[dict[str, Any]] = []
        while [each["status"] for frame in frames for each in frame["data"]][-1:] != ["filled"]:
            frames += await client.pushed(1)

        assert [each["status"] for frame in frames for each in frame["data"]] == ["submitted", "open", "filled"]
        assert [frame["seq"] for frame in frames] == list(range(2, len(frames) + 2))


async def _is_empty(streaming: Streaming) -> bool:
    return not await streaming.database.fetchval("SELECT count(*) FROM outbox")


async def test_nobody_hears_of_what_is_somebody_elses(streaming: Streaming) -> None:
    owner, other = await somebody(streaming), await somebody(streaming)
    ex_id, others = await an_account(streaming, owner), await an_account(streaming, other)
    async with streaming.client(owner) as mine, streaming.client(other) as theirs:
        for channel in ("orders", "fills", "bots", "signals", "queue", "risk"):
            await theirs.subscribe(channel)
        await theirs.subscribe("balances")
        await theirs.subscribe("positions")
        refusals = [
            await theirs.ask(action=action, channel=channel, account=str(ex_id))
            for action in ("subscribe", "get")
            for channel in ("orders", "fills", "balances", "positions")
        ]
        await mine.subscribe("orders")
        await mine.subscribe("fills")
        await mine.subscribe("balances", account=str(ex_id))
        order = await an_order(streaming, owner, ex_id)
        order = await move(streaming, order, OrderStatus.SUBMITTED)
        await a_fill(streaming, owner, ex_id, order, 1)
        await account_cache.put(streaming.valkey, AccountState(ex_id, owner.user_id, [], [], CLOCK.now()))
        heard: set[str] = set()
        while not {"orders", "fills", "balances"} <= heard:
            [frame] = await mine.pushed(1)
            heard |= {frame["channel"]} if frame["data"] else set()
        marker = await an_order(streaming, other, others)

        frames: list[dict[str, Any]] = []
        while str(marker.order_id) not in orjson.dumps(frames).decode():
            frames += await theirs.pushed(1)
        text = orjson.dumps(frames).decode()
        assert str(owner.user_id) not in text
        assert str(ex_id) not in text
        assert {(each["type"], each["status"], each["code"]) for each in refusals} == {
            ("error", 404, "account_not_found")
        }


async def test_fills_and_orders_of_one_account_or_one_bot(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    first, second = await an_account(streaming, owner), await an_account(streaming, owner, "second")
    async with streaming.database.acquire() as connection:
        bot = await bots.add(connection, CLOCK, owner.user_id, name="b", active=False, dry_run=True, note="")
    async with streaming.client(owner) as client:
        await client.subscribe("orders", account=str(first))
        await client.subscribe("orders", bot_id=str(bot.bot_id))
        await client.subscribe("fills", account=str(first))
        await client.pushed(3, "snapshot")
        await an_order(streaming, owner, second)
        of_bot = await an_order(streaming, owner, second, bot.bot_id)
        of_account = await move(streaming, await an_order(streaming, owner, first), OrderStatus.SUBMITTED)
        await a_fill(streaming, owner, first, of_account, 1)

        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["channel"] != "fills":
            frames += await client.pushed(1)
        orders = {(frame["key"], each["order_id"]) for frame in frames[:-1] for each in frame["data"]}
        assert (f"{owner.user_id}:{bot.bot_id}", str(of_bot.order_id)) in orders
        assert {order_id for key, order_id in orders if key.endswith(str(first))} <= {str(of_account.order_id)}
        assert len({order_id for _, order_id in orders}) <= 2
        [fill] = frames[-1]["data"]
        assert (fill["order_id"], fill["cost"]) == (str(of_account.order_id), "25")


async def test_bots_are_told_until_they_are_gone(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    async with streaming.client(owner) as client:
        await client.subscribe("bots")
        [snapshot] = await client.pushed(1)
        async with streaming.database.acquire() as connection:
            bot = await bots.add(connection, CLOCK, owner.user_id, name="b", active=False, dry_run=True, note="")
            await bots.change(connection, CLOCK, owner.user_id, bot.bot_id, {"active": True})
            await bots.delete(connection, CLOCK, owner.user_id, bot.bot_id)

        told: list[dict[str, Any]] = []
        while not told or "removed" not in told[-1]:
            [frame] = await client.pushed(1)
            told += frame["data"]
        assert snapshot["data"] == []
        assert [(each["active"], each.get("removed")) for each in told] == [(False, None), (True, None), (True, True)]


async def test_balances_and_positions_have_a_key_for_each_account(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    first, second = uuid4(), uuid4()
    balance = {"currency": "BTC", "free": "1", "used": "0", "total": "1"}
    await account_cache.put(streaming.valkey, AccountState(first, owner.user_id, [balance], [], CLOCK.now()))
    async with streaming.client(owner) as client:
        ack = await client.subscribe("balances")
        [snapshot] = await client.pushed(1)
        await account_cache.put(streaming.valkey, AccountState(first, owner.user_id, [], [], CLOCK.now()))
        [update] = await client.pushed(1)
        await account_cache.put(streaming.valkey, AccountState(second, owner.user_id, [balance], [], CLOCK.now()))
        [late] = await client.pushed(1)
        answer = await client.ask(action="get", channel="positions")

        assert ack["keys"] == [f"{owner.user_id}:*"]
        assert (snapshot["key"], snapshot["seq"], snapshot["data"]["items"]) == (
            f"{owner.user_id}:{first}",
            1,
            [balance],
        )
        assert (update["key"], update["seq"], update["data"]["items"]) == (snapshot["key"], 2, [])
        assert (late["type"], late["key"], late["seq"]) == ("snapshot", f"{owner.user_id}:{second}", 1)
        assert {each["key"] for each in answer["items"]} == {f"{owner.user_id}:{first}", f"{owner.user_id}:{second}"}


async def test_the_engines_channels_begin_empty_and_what_is_asked_once_is_answered(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    ex_id = await an_account(streaming, owner)
    order = await an_order(streaming, owner, ex_id)
    async with streaming.client(owner) as client:
        for channel in ("signals", "queue", "risk"):
            await client.subscribe(channel)
        snapshots = await client.pushed(3)
        answer = await client.ask(action="get", channel="orders", account=str(ex_id))

    assert {frame["channel"]: frame["data"] for frame in snapshots} == {"signals": [], "queue": [], "risk": []}
    assert (answer["type"], answer["seq"]) == ("snapshot", 0)
    assert [each["order_id"] for each in answer["data"]] == [str(order.order_id)]


async def test_what_changed_while_the_streamer_was_away_is_not_lost(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    ex_id = await an_account(streaming, owner)
    first = await an_order(streaming, owner, ex_id)
    async with streaming.client(owner) as client:
        await client.subscribe("orders")
        await client.pushed(1)
        await end(streaming.streamer, signal.SIGKILL)
        orders = [await move(streaming, first, OrderStatus.SUBMITTED)]
        orders += [await an_order(streaming, owner, ex_id) for _ in range(20)]
        streaming.streamer = await start_streamer(streaming.environment, streaming.log)

        wanted = {str(order.order_id): order.version for order in orders}
        await known(client, {}, wanted)

    await until(lambda: _is_empty(streaming), what="the outbox moved")
    entries: Any = await streaming.valkey.xrange(ORDERS_STREAM)
    found = [orjson.loads(fields[b"b"]) for _, fields in entries]
    assert {each["key"] for each in found} == set(wanted)
    assert {each["uid"] for each in found} == {str(owner.user_id)}


async def test_every_change_arrives_while_subscribers_come_and_valkey_is_stalled(streaming: Streaming) -> None:
    owner = await somebody(streaming)
    ex_id = await an_account(streaming, owner)
    async with streaming.client(owner) as early, streaming.client(owner) as late:
        await early.subscribe("orders")
        frames = await early.pushed(1)
        orders = [await an_order(streaming, owner, ex_id) for _ in range(10)]
        await streaming.valkey.client_pause(1500)
        orders += [await an_order(streaming, owner, ex_id) for _ in range(10)]
        await late.subscribe("orders")
        await late.pushed(1)
        orders = [await move(streaming, order, OrderStatus.CANCELED) for order in orders]

        wanted = {str(order.order_id): order.version for order in orders}
        frames += await known(early, {}, wanted)
        assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
        assert {frame["type"] for frame in frames[1:]} <= {"update"}
        ended: set[str] = set()
        while ended != set(wanted):
            [frame] = await late.pushed(1)
            ended |= {each["order_id"] for each in frame["data"] if each["status"] == "canceled"}
