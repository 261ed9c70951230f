"""States of orders, and the queues of orders and trades, as the cache has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from fullon.identity.model import Identity
from fullon.kernel.clock import ManualClock
from fullon.market import keys
from fullon.market.live_cache import LiveCache
from fullon.orders import order_cache
from fullon.orders.model import OrderStatus, Side
from fullon.runtime.container import Container
from fullon.venues.quotes import Trade
from functions.cache.app import create
from tests.api.callers import client, stored_identity

Api = httpx2.AsyncClient
BASE = "/api/v1/cache"
NOW = datetime(2026, 8, 3, 2, 0, 0, tzinfo=UTC)


@pytest.fixture
async def caller(container: Container) -> Identity:
    container.clock = ManualClock(NOW)
    return await stored_identity(container, expires_at=NOW + timedelta(hours=1))


@pytest.fixture
async def reader(container: Container, caller: Identity) -> AsyncIterator[Api]:
    async with client(create(container), caller) as api:
        yield api


def order(uid: UUID, **values: Any) -> dict[str, Any]:
    return {
        "order_id": str(uuid4()),
        "uid": str(uid),
        "symbol": "BTC/USDT",
        "side": "buy",
        "status": "new",
        "reason": None,
        "volume": "0.01",
        "filled": "0.004",
        "remaining": "0.006",
        "average": "61250.5",
        "cost": "245.002",
        "cancel_requested_at": None,
        "created_at": "2026-08-03T01:59:58Z",
        "updated_at": "2026-08-03T01:59:59.750Z",
        "version": 2,
        **values,
    }


async def test_the_state_of_an_order_comes_with_its_age(container: Container, reader: Api, caller: Identity) -> None:
    kept = order(caller.user_id, status="partially_filled")
    await order_cache.keep(container.valkey, [kept])

    answer = await reader.get(f"{BASE}/orders/{kept['order_id']}/status")

    assert answer.status_code == 200
    assert answer.json() == {
        **{name: value for name, value in kept.items() if name not in {"uid", "created_at", "updated_at"}},
        "as_of": "2026-08-03T01:59:59.750Z",
        "age_ms": 250,
    }


async def test_the_order_of_another_is_not_in_the_cache(container: Container, reader: Api, caller: Identity) -> None:
    theirs = order(uuid4())
    await order_cache.keep(container.valkey, [theirs])

    foreign = await reader.get(f"{BASE}/orders/{theirs['order_id']}/status")
    missing = await reader.get(f"{BASE}/orders/{uuid4()}/status")

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["code"] == missing.json()["code"] == "not_cached"
    assert foreign.json()["detail"] == missing.json()["detail"]
    assert (await reader.get(f"{BASE}/orders/queue/size")).status_code == 404
    assert (await reader.get(f"{BASE}/orders/1/status")).status_code == 422


async def test_the_queue_is_of_ones_own_orders_that_wait(container: Container, reader: Api, caller: Identity) -> None:
    uid = caller.user_id
    first = order(uid, created_at="2026-08-03T01:59:57.500Z", status=OrderStatus.UNKNOWN)
    await order_cache.keep(container.valkey, [order(uid), first, order(uid, status="open"), order(uuid4())])

    queue = (await reader.get(f"{BASE}/orders/queue/size")).json()
    assert queue == {
        "size": 2,
        "oldest_at": "2026-08-03T01:59:57.500Z",
        "oldest_age_ms": 2500,
        "as_of": "2026-08-03T01:59:59.750Z",
        "age_ms": 250,
    }

    await order_cache.keep(container.valkey, [{**first, "status": "rejected", "version": 3}])
    assert (await reader.get(f"{BASE}/orders/queue/size")).json()["oldest_at"] == "2026-08-03T01:59:58Z"


async def test_the_stream_of_trades_says_how_much_it_holds_and_how_far_it_is_read(
    container: Container, reader: Api
) -> None:
    live = LiveCache(container.valkey, "test")
    for number in range(3):
        trade = Trade(str(number), 1_000 + number, Decimal(1), Decimal(2), Side.BUY.value)
        await live.put_trades([(("paper", "BTC/USDT"), [trade])])

    unread = (await reader.get(f"{BASE}/trades/queue/status")).json()
    newest = await container.valkey.xrevrange(keys.TRADES_STREAM, count=1)
    assert newest
    entry_id = newest[0][0]
    assert isinstance(entry_id, bytes)
    await container.valkey.set(keys.TRADES_READ, entry_id)
    read = (await reader.get(f"{BASE}/trades/queue/status")).json()

    assert (unread["length"], unread["capacity"], unread["read_at"], unread["behind_ms"]) == (3, 100_000, None, None)
    assert unread["first_at"] <= unread["last_at"] == unread["as_of"]
    assert (read["read_at"], read["behind_ms"], read["length"]) == (read["last_at"], 0, 3)
