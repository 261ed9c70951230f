"""States of orders in Valkey: newest wins, each for its own time, nobody else's."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from fullon.kernel.clock import parse_time
from fullon.orders import order_cache as cache
from fullon.orders.model import OrderStatus as S

BEFORE, AFTER = "2026-08-17T10:00:00Z", "2026-08-17T10:00:01.500Z"


def record(uid: UUID, order_id: UUID, status: S, version: int, *, created: str = BEFORE) -> dict[str, Any]:
    return {
        "uid": str(uid),
        "order_id": str(order_id),
        "status": status.value,
        "version": version,
        "created_at": created,
        "updated_at": AFTER if version > 1 else created,
    }


async def test_nothing_is_known_of_an_order_that_was_never_kept(valkey: Redis) -> None:
    await cache.keep(valkey, [])

    assert await cache.state(valkey, uuid4(), uuid4()) is None
    assert await cache.waiting(valkey, uuid4()) is None


async def test_the_newest_state_stays_whoever_writes_first(valkey: Redis) -> None:
    uid, order_id = uuid4(), uuid4()
    old, new = record(uid, order_id, S.NEW, 1), record(uid, order_id, S.OPEN, 3)

    await cache.keep(valkey, [new])
    await cache.keep(valkey, [old])
    assert await cache.state(valkey, uid, order_id) == new
    waiting = await cache.waiting(valkey, uid)
    assert waiting is not None
    assert (waiting.size, waiting.since) == (0, None)

    newest = record(uid, order_id, S.FILLED, 4)
    await cache.keep(valkey, [newest])
    assert await cache.state(valkey, uid, order_id) == newest


async def test_nobody_reads_the_order_of_another(valkey: Redis) -> None:
    uid, order_id = uuid4(), uuid4()
    await cache.keep(valkey, [record(uid, order_id, S.NEW, 1)])

    assert await cache.state(valkey, uuid4(), order_id) is None


async def test_orders_of_several_users_are_kept_in_one_go_and_wait_apart(valkey: Redis) -> None:
    one, other = uuid4(), uuid4()
    first, second, third = uuid4(), uuid4(), uuid4()

    await cache.keep(
        valkey,
        [
            record(one, first, S.NEW, 1, created=AFTER),
            record(one, second, S.UNKNOWN, 1),
            record(one, uuid4(), S.OPEN, 1),
            record(other, third, S.SUBMITTED, 1),
        ],
    )

    waiting = await cache.waiting(valkey, one)
    assert waiting is not None
    assert (waiting.size, waiting.since, waiting.as_of) == (2, parse_time(BEFORE), parse_time(AFTER))
    of_other = await cache.waiting(valkey, other)
    assert of_other is not None
    assert of_other.size == 1


async def test_an_order_that_has_ended_is_forgotten_sooner_than_one_that_is_alive(valkey: Redis) -> None:
    uid, alive, ended = uuid4(), uuid4(), uuid4()
    await cache.keep(valkey, [record(uid, alive, S.OPEN, 1), record(uid, ended, S.CANCELED, 1)])

    times = [await valkey.pttl(f"order:{{{uid}}}:{order_id}") for order_id in (ended, alive)]

    day = 24 * 3600 * 1000
    assert 0 < times[0] <= day < 29 * day < times[1] <= 30 * day
