"""The migrations of both databases, up and down, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fullon.runtime import schema
from functions.migrate.migrations import head, migrate
from local.stores.postgres import Postgres

DATABASES = ("platform", "candles")


async def made(server: Postgres) -> str:
    """An empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server.dsn("postgres"))
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return server.dsn(name)


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    rows: list[Any] = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')"
    )
    await connection.close()
    return {row["relname"] for row in rows}


@pytest.mark.parametrize("database", DATABASES)
async def test_what_goes_up_comes_down_and_goes_up_again(database: str, postgres_server: Postgres) -> None:
    dsn = await made(postgres_server)

    await migrate(database, dsn)
    first = await tables(dsn)
    await migrate(database, dsn, "base")
    between = await tables(dsn)
    await migrate(database, dsn)

    assert len(first) > 4
    assert between == {"alembic_version"}
    assert await tables(dsn) == first


@pytest.mark.parametrize("database", DATABASES)
async def test_two_migrations_at_once_both_end_at_the_head(database: str, postgres_server: Postgres) -> None:
    dsn = await made(postgres_server)

    revisions = await asyncio.gather(migrate(database, dsn), migrate(database, dsn))

    assert list(revisions) == [head(database), head(database)]


def test_the_code_expects_the_newest_revisions() -> None:
    assert (head("platform"), head("candles")) == (schema.PLATFORM_HEAD, schema.CANDLES_HEAD)
