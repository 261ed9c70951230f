"""The embedded stores answer, keep what they are told and refuse strangers."""

from __future__ import annotations

import asyncpg
import pytest
from redis.asyncio import Redis

from local.stores.postgres import Postgres


async def test_postgres_serves_utf8_on_loopback_with_a_password_only(postgres_server: Postgres) -> None:
    connection = await asyncpg.connect(postgres_server.dsn("postgres"))

    encoding = await connection.fetchval("SHOW server_encoding")
    addresses = await connection.fetchval("SHOW listen_addresses")
    await connection.close()

    assert (encoding, addresses) == ("UTF8", "127.0.0.1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.dsn("postgres").replace("test-password", "guess"))


async def test_valkey_answers(valkey: Redis) -> None:
    await valkey.set("key", b"value")

    assert await valkey.get("key") == b"value"
