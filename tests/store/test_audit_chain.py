"""The hash-chained trail on PostgreSQL: one chain whatever the load, and no change goes unseen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from fullon.audit import service, store
from fullon.audit.model import GENESIS

Connection: TypeAlias = "asyncpg.Connection[Any]"
AT = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)


async def add(connection: Connection, number: int) -> None:
    async with connection.transaction():
        await service.append(
            connection, at=AT, actor="ann", action="service.start", subject=f"ticker {number}", details={"n": number}
        )


async def tamper(connection: Connection, statement: str) -> None:
    """Change a row as somebody with the rights of the server's owner could."""
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement)


async def test_fifty_parallel_writers_make_one_chain(platform_database: str, connection: Connection) -> None:
    async with asyncpg.create_pool(platform_database, min_size=0, max_size=25) as pool:

        async def write(number: int) -> None:
            async with pool.acquire() as one:
                await add(one, number)  # type: ignore[arg-type]

        await asyncio.gather(*map(write, range(50)))

    found = await service.verify(connection)
    entries = await store.latest(connection, 100)
    assert (found.entries, found.fault) == (50, None)
    assert found.head == entries[0].hash
    assert [entry.sequence for entry in entries] == list(range(50, 0, -1))
    assert {entry.subject for entry in entries} == {f"ticker {number}" for number in range(50)}
    assert entries[-1].previous_hash == GENESIS


async def test_an_entry_falls_with_the_transaction_it_belongs_to(connection: Connection) -> None:
    await add(connection, 1)

    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await service.append(connection, at=AT, actor="ann", action="service.stop", subject="ticker")
            raise ZeroDivisionError
    await add(connection, 2)

    found = await service.verify(connection)
    assert (found.entries, found.fault) == (2, None)


async def test_outside_a_transaction_nothing_is_written(connection: Connection) -> None:
    with pytest.raises(RuntimeError):
        await service.append(connection, at=AT, actor="ann", action="service.stop", subject="ticker")

    assert (await service.verify(connection)).entries == 0


@pytest.mark.parametrize(
    ("change", "sequence", "reason"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE sequence = 3", 3, "was changed"),
        ("""UPDATE audit SET details = '{"n": 7}' WHERE sequence = 2""", 2, "was changed"),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE sequence = 5", 5, "was changed"),
        ("UPDATE audit SET hash = sha256('x') WHERE sequence = 1", 1, "was changed"),
        ("UPDATE audit SET previous_hash = sha256('x') WHERE sequence = 4", 4, "does not follow"),
        ("DELETE FROM audit WHERE sequence = 4", 4, "is missing"),
        ("DELETE FROM audit WHERE sequence = 1", 1, "is missing"),
    ],
)
async def test_verify_names_the_first_bad_entry(
    connection: Connection, change: str, sequence: int, reason: str
) -> None:
    for number in range(5):
        await add(connection, number)

    await tamper(connection, change)

    fault = (await service.verify(connection)).fault
    assert fault is not None
    assert fault.sequence == sequence
    assert reason in fault.reason


async def test_an_end_that_was_cut_off_or_written_anew_is_missed_by_who_noted_the_head(connection: Connection) -> None:
    for number in range(3):
        await add(connection, number)
    head = await store.head(connection)
    await tamper(connection, "DELETE FROM audit WHERE sequence >= 2")

    cut = await service.verify(connection, kept_head=head)
    assert cut.fault is not None
    assert cut.fault.sequence == 2
    assert (await service.verify(connection)).is_intact

    await add(connection, 77)
    await add(connection, 78)
    rewritten = await service.verify(connection, kept_head=head)
    assert rewritten.fault is not None
    assert rewritten.fault.sequence == 3


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_the_database_refuses_to_change_the_trail(connection: Connection, statement: str) -> None:
    await add(connection, 1)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await connection.execute(statement)


async def test_details_of_every_kind_survive_the_database(connection: Connection) -> None:
    details = {
        "price": Decimal("0.00100000"),
        "ratio": 1e22,
        "large": 2**70,
        "when": AT,
        "who": UUID(int=7),
        "text": "half \ud800 and \0 nul, ünïcode",
        "list": [1, None, True, {"z": 1, "a": [0.1]}],
    }
    async with connection.transaction():
        await service.append(
            connection,
            at=AT,
            actor="a\0nn",
            action="order.place",
            subject="s\0",
            details=details,  # type: ignore[arg-type]
        )

    assert (await service.verify(connection)).is_intact
    (entry,) = await store.latest(connection, 1)
    assert entry.details["price"] == "0.00100000"
    assert entry.details["large"] == 2**70
    assert entry.details["text"] == "half ? and  nul, ünïcode"
