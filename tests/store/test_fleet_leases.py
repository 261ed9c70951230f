"""Leases with fencing on real PostgreSQL: one leader, whatever happens to the others."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from fullon.fleet import store
from fullon.fleet.errors import LeaseLost
from fullon.fleet.model import Lease


async def test_of_twenty_at_once_exactly_one_leads(platform_database: str) -> None:
    pool = await asyncpg.create_pool(platform_database, min_size=20, max_size=20)
    assert pool is not None

    async def run(number: int) -> Lease | None:
        async with pool.acquire() as connection:
            return await store.acquire(connection, "ohlcv", f"instance {number}", 30)

    taken = await asyncio.gather(*(run(number) for number in range(20)))

    assert len([lease for lease in taken if lease]) == 1
    await pool.close()


async def test_a_lease_in_force_is_not_taken_and_an_expired_one_is_with_a_higher_fence(
    connection: asyncpg.Connection[Any],
) -> None:
    first = await store.acquire(connection, "ticker", "one", 0.05)
    assert first is not None
    assert await store.acquire(connection, "ticker", "two", 30) is None

    await asyncio.sleep(0.1)
    second = await store.acquire(connection, "ticker", "two", 30)

    assert second is not None
    assert second.fence > first.fence


async def test_a_paused_leader_that_wakes_after_its_lease_cannot_write(connection: asyncpg.Connection[Any]) -> None:
    paused = await store.acquire(connection, "ticker", "paused", 0.05)
    assert paused is not None
    await asyncio.sleep(0.1)
    await store.acquire(connection, "ticker", "next", 30)

    with pytest.raises(LeaseLost):
        async with connection.transaction():
            await store.assert_fence(connection, paused)
    with pytest.raises(LeaseLost):
        await store.renew(connection, paused, 30)
    assert await store.release(connection, paused) is False


async def test_a_guarded_write_keeps_the_next_leader_out_until_it_commits(platform_database: str) -> None:
    writer = await asyncpg.connect(platform_database)
    rival = await asyncpg.connect(platform_database)
    lease = await store.acquire(writer, "ohlcv", "writer", 0.2)
    assert lease is not None

    async with writer.transaction():
        await store.assert_fence(writer, lease)
        await asyncio.sleep(0.3)  # the lease runs out while the write is under way
        waiting = asyncio.create_task(store.acquire(rival, "ohlcv", "rival", 30))
        await asyncio.sleep(0.2)
        assert not waiting.done()

    taken = await waiting
    assert taken is not None
    assert taken.fence == lease.fence + 1
    await writer.close()
    await rival.close()


async def test_a_renewed_lease_stays_and_a_released_one_is_free_at_once(connection: asyncpg.Connection[Any]) -> None:
    lease = await store.acquire(connection, "ticker", "one", 0.3)
    assert lease is not None

    renewed = await store.renew(connection, lease, 30)
    await asyncio.sleep(0.4)
    assert await store.acquire(connection, "ticker", "two", 30) is None
    assert await store.release(connection, renewed) is True

    assert await store.acquire(connection, "ticker", "two", 30) is not None
