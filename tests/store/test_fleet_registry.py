"""The process registry in Valkey, its history in PostgreSQL, and what admins want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import orjson
import pytest
from redis.asyncio import Redis

from fullon.fleet import cache, store
from fullon.fleet.heartbeat import Heartbeat
from fullon.fleet.model import ProcessStatus
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Unavailable

Connection: TypeAlias = "asyncpg.Connection[Any]"
Pool: TypeAlias = "asyncpg.Pool[Any]"
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
async def pool(platform_database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(platform_database, min_size=0, max_size=2) as pool:
        yield pool


def heartbeat(
    valkey: Redis, pool: Pool, clock: ManualClock, instance: str = "i-1", interval: float = 0.02
) -> Heartbeat:
    async def database() -> Pool:
        return pool

    return Heartbeat(
        name="ticker",
        instance=instance,
        version="0.1.0",
        host="here",
        valkey=valkey,
        database=database,
        clock=clock,
        interval=interval,
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def test_a_record_is_stored_as_agreed_and_published(valkey: Redis, pool: Pool) -> None:
    clock = ManualClock(START)
    listener = valkey.pubsub()
    await listener.subscribe(cache.CHANNEL)
    beat = heartbeat(valkey, pool, clock)
    beat.work(3)

    await beat.publish()

    stored = await valkey.hget("processes:{ticker}", "i-1")
    assert orjson.loads(stored or b"") == {
        "type": "ticker",
        "instance": "i-1",
        "status": "running",
        "message": "",
        "heartbeat": int(START.timestamp() * 1000),
        "started": int(START.timestamp() * 1000),
        "version": "0.1.0",
        "host": "here",
        "work": 3,
    }
    messages = [await listener.get_message(timeout=30) for _ in range(2)]
    assert messages[-1] is not None
    assert messages[-1]["data"] == stored
    await listener.aclose()  # type: ignore[no-untyped-call]


async def test_a_process_that_does_no_work_sends_no_heartbeat_and_becomes_stale(valkey: Redis, pool: Pool) -> None:
    clock = ManualClock(START)
    beat = heartbeat(valkey, pool, clock)
    beat.work()
    await beat.publish()

    clock.advance(16)
    await beat.publish()

    (record,) = (await cache.records(valkey, ["ticker"]))["ticker"]
    assert record.heartbeat == START
    assert record.is_stale(clock.now())

    beat.idle("no active symbols")
    await beat.publish()
    (record,) = (await cache.records(valkey, ["ticker"]))["ticker"]
    assert (record.heartbeat, record.status, record.message) == (clock.now(), ProcessStatus.IDLE, "no active symbols")


async def test_after_a_flush_the_next_heartbeat_rebuilds_the_record(valkey: Redis, pool: Pool) -> None:
    beat = heartbeat(valkey, pool, ManualClock(START))
    running = asyncio.create_task(beat.run())

    async def present() -> bool:
        beat.work()
        return bool((await cache.records(valkey, ["ticker"]))["ticker"])

    try:
        for _ in range(2):
            await until(present)
            await valkey.flushall()
    finally:
        running.cancel()


async def test_changes_of_status_are_kept_in_the_history(valkey: Redis, pool: Pool, connection: Connection) -> None:
    clock = ManualClock(START)
    beat = heartbeat(valkey, pool, clock)
    beat.work()
    clock.advance(1)
    beat.idle("quiet")
    beat.work()
    beat.error("The venue is down.")
    await beat.stop("asked to")

    history = await store.events(connection, "ticker")

    assert [(status.value, message) for _, _, status, message in reversed(history)] == [
        ("starting", ""),
        ("running", ""),
        ("error", "The venue is down."),
        ("stopped", "asked to"),
    ]
    assert history[-1][0] == START


async def test_history_waits_for_a_database_that_is_down(valkey: Redis, pool: Pool, connection: Connection) -> None:
    down = True

    async def database() -> Pool:
        if down:
            raise Unavailable("The database cannot be reached.")
        return pool

    beat = Heartbeat(
        name="ohlcv",
        instance="i-1",
        version="1",
        host="h",
        valkey=valkey,
        database=database,
        clock=ManualClock(START),
    )
    beat.error("down\0")
    await beat.publish()
    assert (await cache.records(valkey, ["ohlcv"]))["ohlcv"][0].status is ProcessStatus.ERROR
    assert await store.events(connection, "ohlcv") == []

    down = False
    await beat.publish()

    assert [status.value for _, _, status, _ in await store.events(connection, "ohlcv")] == ["error", "starting"]


async def test_a_new_instance_removes_the_records_of_those_that_are_gone(valkey: Redis, pool: Pool) -> None:
    clock = ManualClock(START)
    await heartbeat(valkey, pool, clock, "stopped").stop()
    old = heartbeat(valkey, pool, clock, "vanished")
    await old.publish()
    clock.advance(timedelta(hours=1, seconds=1).total_seconds())
    recent = heartbeat(valkey, pool, clock, "recent")
    await recent.publish()

    async def only_recent_ones() -> bool:
        known = (await cache.records(valkey, ["ticker"]))["ticker"]
        return {record.instance for record in known} == {"recent", "new"}

    running = asyncio.create_task(heartbeat(valkey, pool, clock, "new").run())
    try:
        await until(only_recent_ones)
    finally:
        running.cancel()


async def test_what_is_not_a_record_is_read_as_none(valkey: Redis) -> None:
    await valkey.hset("processes:{ticker}", mapping={"a": "garbage", "b": "{}", "c": '{"type": 1, "heartbeat": "x"}'})

    assert await cache.records(valkey, ["ticker", "ohlcv"]) == {"ticker": [], "ohlcv": []}


async def test_the_last_wish_of_an_admin_is_kept_with_who_and_when(connection: Connection) -> None:
    async with connection.transaction():
        assert await store.want(connection, "ticker", 1, "ann", START) is None
        assert await store.want(connection, "ticker", 0, "bob", START + timedelta(seconds=1)) == 1

    assert await store.wanted(connection) == {"ticker": 0}
    row = await connection.fetchrow("SELECT changed_by, changed_at FROM service_wants")
    assert row is not None
    assert tuple(row) == ("bob", START + timedelta(seconds=1))
