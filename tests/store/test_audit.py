"""The audit trail on real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from fullon.audit.service import append, verify

AT = datetime(2026, 8, 17, 12, 0, 0, 123456, tzinfo=UTC)


async def write(connection: asyncpg.Connection[Any], number: int) -> None:
    async with connection.transaction():
        await append(
            connection,
            at=AT,
            actor=f"user {number}",
            action="service.start",
            subject="ticker",
            details={"number": number, "ö": None},
        )


async def tamper(connection: asyncpg.Connection[Any], statement: str) -> None:
    """Change the table as somebody with the owner's rights could."""
    await connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
    await connection.execute(statement)


async def test_an_untouched_trail_is_whole(connection: asyncpg.Connection[Any]) -> None:
    for number in range(5):
        await write(connection, number)

    found = await verify(connection)
    assert (found.entries, found.fault) == (5, None)


async def test_fifty_writers_at_once_make_one_chain(platform_database: str) -> None:
    pool = await asyncpg.create_pool(platform_database, min_size=10, max_size=10)
    assert pool is not None

    async def one(number: int) -> None:
        async with pool.acquire() as connection:
            await write(connection, number)  # type: ignore[arg-type]

    await asyncio.gather(*(one(number) for number in range(50)))

    async with pool.acquire() as connection:
        found = await verify(connection)
        assert (found.entries, found.fault) == (50, None)
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

    found = await verify(connection)
    assert found.fault is not None
    assert found.fault.sequence == first_bad


async def test_entries_cut_off_from_the_end_show_against_a_head_that_was_kept(
    connection: asyncpg.Connection[Any],
) -> None:
    for number in range(5):
        await write(connection, number)
    kept = await verify(connection)

    await tamper(connection, "DELETE FROM audit WHERE sequence > 3")

    assert (await verify(connection)).fault is None
    found = await verify(connection, kept_head=(kept.entries, kept.head))
    assert found.fault is not None
    assert found.fault.sequence == 4


async def test_the_database_itself_refuses_to_change_or_remove_entries(connection: asyncpg.Connection[Any]) -> None:
    await write(connection, 1)

    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await connection.execute(statement)


async def test_what_is_rolled_back_leaves_no_entry(connection: asyncpg.Connection[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await append(connection, at=AT, actor="user", action="service.stop", subject="ohlcv")
            raise ZeroDivisionError

    assert (await verify(connection)).entries == 0
