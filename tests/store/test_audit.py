"""The audit trail on real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from fullon.audit import store
from fullon.audit.errors import TrailBroken
from fullon.audit.service import verify

AT = datetime(2026, 8, 17, 12, 0, 0, 123456, tzinfo=UTC)


async def write(connection: asyncpg.Connection[Any], number: int) -> None:
    async with connection.transaction():
        await store.append(connection, AT, f"user {number}", "service.start", "ticker", {"number": number, "ö": None})


async def tamper(connection: asyncpg.Connection[Any], statement: str) -> None:
    """Change the table as somebody with the owner's rights could."""
    await connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
    await connection.execute(statement)


async def test_an_untouched_trail_is_whole(connection: asyncpg.Connection[Any]) -> None:
    for number in range(5):
        await write(connection, number)

    assert await verify(connection) == 5


async def test_fifty_writers_at_once_make_one_chain(platform_database: str) -> None:
    pool = await asyncpg.create_pool(platform_database, min_size=10, max_size=10)
    assert pool is not None

    async def one(number: int) -> None:
        async with pool.acquire() as connection:
            await write(connection, number)  # type: ignore[arg-type]

    await asyncio.gather(*(one(number) for number in range(50)))

    async with pool.acquire() as connection:
        assert await verify(connection) == 50
    await pool.close()


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE audit SET actor = 'somebody else' WHERE sequence = 3", 3),
        ("""UPDATE audit SET details = '{"number": 7}' WHERE sequence = 2""", 2),
        ("UPDATE audit SET at = at + interval '1 hour' WHERE sequence = 4", 4),
        ("DELETE FROM audit WHERE sequence = 2", 2),
        ("DELETE FROM audit WHERE sequence = 1", 1),
    ],
)
async def test_a_change_is_named_by_the_first_bad_entry(
    statement: str, first_bad: int, connection: asyncpg.Connection[Any]
) -> None:
    for number in range(5):
        await write(connection, number)

    await tamper(connection, statement)

    with pytest.raises(TrailBroken) as broken:
        await verify(connection)
    assert broken.value.sequence == first_bad


async def test_the_database_itself_refuses_to_change_or_remove_entries(connection: asyncpg.Connection[Any]) -> None:
    await write(connection, 1)

    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await connection.execute(statement)


async def test_what_is_rolled_back_leaves_no_entry(connection: asyncpg.Connection[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await store.append(connection, AT, "user", "service.stop", "ohlcv", {})
            raise ZeroDivisionError

    assert await verify(connection) == 0
