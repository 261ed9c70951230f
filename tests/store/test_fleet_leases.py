"""Leases with fencing on PostgreSQL: one holder, whatever the timing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import asyncpg
import pytest

from fullon.fleet import store
from fullon.fleet.errors import LeaseLost
from fullon.fleet.leases import LeaseKeeper
from fullon.fleet.model import Lease

Connection: TypeAlias = "asyncpg.Connection[Any]"
Pool: TypeAlias = "asyncpg.Pool[Any]"


@pytest.fixture
async def pool(platform_database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(platform_database, min_size=0, max_size=20) as pool:
        yield pool


async def expire(connection: Connection, name: str) -> None:
    await connection.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 ms' WHERE name = $1", name)


async def test_of_twenty_that_ask_at_once_exactly_one_wins(pool: Pool) -> None:
    async def ask(number: int) -> object:
        async with pool.acquire() as connection:
            return await store.acquire_lease(connection, "daemon:ticker", f"holder {number}", 30)

    for _ in range(3):
        leases = [lease for lease in await asyncio.gather(*map(ask, range(20))) if lease is not None]

        assert len(leases) == 1
        async with pool.acquire() as connection:
            await expire(connection, "daemon:ticker")  # type: ignore[arg-type]


async def test_an_expired_lease_goes_to_exactly_one_of_twenty_with_a_higher_fence(pool: Pool) -> None:
    async with pool.acquire() as connection:
        old = await store.acquire_lease(connection, "daemon:ohlcv", "old", 0.01)
        await asyncio.sleep(0.05)

    async def ask(number: int) -> Lease | None:
        async with pool.acquire() as connection:
            return await store.acquire_lease(connection, "daemon:ohlcv", f"new {number}", 30)

    won = [lease for lease in await asyncio.gather(*map(ask, range(20))) if lease is not None]

    assert old is not None
    assert [lease.fence for lease in won] == [old.fence + 1]


async def test_a_held_lease_is_refused_to_others_and_renewed_by_its_holder(connection: Connection) -> None:
    lease = await store.acquire_lease(connection, "shard", "one", 30)
    assert lease is not None

    assert await store.acquire_lease(connection, "shard", "two", 30) is None
    renewed = await store.renew_lease(connection, lease, 60)

    assert renewed.expires_at > lease.expires_at
    assert renewed.fence == lease.fence
    assert await store.lease_holder(connection, "shard") == "one"


async def test_a_paused_holder_that_wakes_up_is_refused_everywhere(connection: Connection) -> None:
    paused = await store.acquire_lease(connection, "shard", "paused", 30)
    assert paused is not None
    await expire(connection, "shard")
    successor = await store.acquire_lease(connection, "shard", "successor", 30)
    assert successor is not None

    with pytest.raises(LeaseLost):
        await store.renew_lease(connection, paused, 30)
    with pytest.raises(LeaseLost):
        async with connection.transaction():
            await store.assert_fence(connection, paused)
    assert await store.release_lease(connection, paused) is False

    await store.assert_fence(connection, successor)
    assert await store.lease_holder(connection, "shard") == "successor"


async def test_the_same_holder_from_before_a_restart_is_told_apart_by_the_fence(connection: Connection) -> None:
    before = await store.acquire_lease(connection, "shard", "same name", 30)
    assert before is not None
    await expire(connection, "shard")
    after = await store.acquire_lease(connection, "shard", "same name", 30)
    assert after is not None

    with pytest.raises(LeaseLost):
        await store.assert_fence(connection, before)


async def test_a_released_lease_is_free_at_once_and_the_fence_still_grows(connection: Connection) -> None:
    lease = await store.acquire_lease(connection, "shard", "one", 30)
    assert lease is not None

    assert await store.release_lease(connection, lease) is True
    assert await store.lease_holder(connection, "shard") is None
    following = await store.acquire_lease(connection, "shard", "two", 30)

    assert following is not None
    assert following.fence == lease.fence + 1


async def test_nobody_takes_the_lease_between_the_guard_and_the_commit(pool: Pool) -> None:
    async with pool.acquire() as writer, pool.acquire() as rival:
        lease = await store.acquire_lease(writer, "shard", "writer", 30)
        assert lease is not None
        await expire(rival, "shard")  # type: ignore[arg-type]

        async with writer.transaction():
            await store.assert_fence(writer, lease)
            taking = asyncio.create_task(store.acquire_lease(rival, "shard", "rival", 30))
            done, _ = await asyncio.wait({taking}, timeout=0.2)
            assert not done

        assert await taking is not None


async def test_a_keeper_waits_for_the_lease_renews_it_and_learns_of_its_loss(pool: Pool) -> None:
    async def database() -> Pool:
        return pool

    async with pool.acquire() as connection:
        first = await store.acquire_lease(connection, "shard", "first", 0.3)
        keeper = LeaseKeeper(database, "shard", "second", seconds=6)
        winning = asyncio.create_task(keeper.win())
        lease = await asyncio.wait_for(winning, 60)
        assert first is not None
        assert lease.fence == first.fence + 1

        keeping = asyncio.create_task(keeper.keep())
        while keeper.lease.expires_at == lease.expires_at:
            assert not keeping.done()
            await asyncio.sleep(0.01)

        await connection.execute("UPDATE leases SET holder = 'thief', fence = fence + 1 WHERE name = 'shard'")
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(keeping, 60)
        with pytest.raises(LeaseLost):
            _ = keeper.lease


async def test_a_keeper_that_releases_lets_the_next_one_in_at_once(pool: Pool) -> None:
    async def database() -> Pool:
        return pool

    one = LeaseKeeper(database, "shard", "one", seconds=60)
    await one.win()

    await one.release()

    async with pool.acquire() as connection:
        assert await store.acquire_lease(connection, "shard", "two", 60) is not None
