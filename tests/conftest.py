"""Fixtures for every tier: real PostgreSQL and Valkey of this machine, one pair per test process.

The databases are migrated once into templates; each test that asks for one gets a clone of its own and never sees
another test's rows. Valkey is emptied before each test that asks for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.servers import finish, running_postgres, running_valkey, short_directory

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

    from fullon.runtime.container import Container
    from fullon.runtime.settings import Settings
    from local.stores.postgres import Postgres
    from local.stores.valkey import Valkey

# No test fails for the time it takes; every run sees the same examples, `--hypothesis-profile=search` others.
hypothesis_settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile("search", hypothesis_settings.get_profile("same"), derandomize=False)
hypothesis_settings.load_profile("same")

PLATFORM_TEMPLATE = "fullon_template"
CANDLES_TEMPLATE = "fullon_ohlcv_template"


@dataclass(frozen=True)
class Databases:
    """A server with both databases migrated, to be cloned from."""

    server: Postgres

    def clone(self, template: str) -> str:
        """The address of a fresh copy of a template."""
        name = f"{template.removesuffix('_template')}_{uuid4().hex[:12]}"
        finish(self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'))
        return self.server.dsn(name)

    def drop(self, address: str) -> None:
        """Remove a copy, with whoever is still connected to it."""
        name = address.rsplit("/", 1)[1]
        finish(self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def migrate(self) -> None:
        """Make both templates."""
        from functions.migrate.migrations import migrate

        for template in (PLATFORM_TEMPLATE, CANDLES_TEMPLATE):
            finish(self._execute(f'CREATE DATABASE "{template}"'))
        finish(migrate("platform", self.server.dsn(PLATFORM_TEMPLATE)))
        finish(migrate("candles", self.server.dsn(CANDLES_TEMPLATE)))

    async def _execute(self, statement: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.server.dsn("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """An embedded PostgreSQL with nothing of ours in it."""
    with short_directory() as directory, running_postgres(directory) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """An embedded Valkey."""
    with short_directory() as directory, running_valkey(directory) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres_server: Postgres) -> Databases:
    """The migrated templates."""
    databases = Databases(postgres_server)
    databases.migrate()
    return databases


@pytest.fixture
def platform_database(databases: Databases) -> Iterator[str]:
    """The address of this test's own migrated platform database."""
    address = databases.clone(PLATFORM_TEMPLATE)
    yield address
    databases.drop(address)


@pytest.fixture
def candles_database(databases: Databases) -> Iterator[str]:
    """The address of this test's own migrated candle database."""
    address = databases.clone(CANDLES_TEMPLATE)
    yield address
    databases.drop(address)


@pytest.fixture
async def connection(platform_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection to this test's platform database."""
    import asyncpg

    connection = await asyncpg.connect(platform_database)
    yield connection
    await connection.close()


@pytest.fixture
async def candle_connection(candles_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection to this test's candle database."""
    import asyncpg

    connection = await asyncpg.connect(candles_database)
    yield connection
    await connection.close()


@pytest.fixture
def valkey_url(valkey_server: Valkey) -> str:
    """The address of an empty Valkey."""
    import redis

    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Valkey; answers are bytes."""
    from redis.asyncio import Redis

    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def settings(
    platform_database: str, candles_database: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings that point at this test's stores, also for code that reads the environment by itself."""
    from fullon.runtime.settings import Settings

    environment = {
        "ENVIRONMENT": "local",
        "DATABASE_URL": platform_database,
        "DB_OHLCV_NAME": candles_database.rsplit("/", 1)[1],
        "REDIS_URL": valkey_url,
        "JWT_SECRET_KEY": "a-test-secret-of-more-than-thirty-two-bytes-7f3a",
        "ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "ADMIN_MAIL": "admin@fullon",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


@pytest.fixture
async def container(settings: Settings) -> AsyncIterator[Container]:
    """The wiring of one process, on this test's stores and the wall clock."""
    from fullon.runtime.container import Container

    container = Container(settings)
    yield container
    await container.close()
