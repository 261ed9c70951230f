"""A password that is rotated under a running container: PostgreSQL and Valkey are real, the secrets are moto's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from redis import Redis as BlockingRedis

from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Unavailable
from fullon.runtime.container import Container
from fullon.runtime.secrets import READ_AGAIN_SECONDS
from fullon.runtime.settings import Settings
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from tests.aws import amazon, secrets_manager

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

OLD, NEW = "the old password", "the new password"


@dataclass
class Rotated:
    """A login of its own in a store, its secret, and who uses both."""

    container: Container
    clock: ManualClock
    manager: SecretsManagerClient
    arn: str
    user: str

    def put(self, password: str) -> None:
        """The secret has a new version."""
        self.manager.put_secret_value(SecretId=self.arn, SecretString=login(self.user, password))


def login(user: str, password: str) -> str:
    return json.dumps({"username": user, "password": password, "engine": "postgres"})


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    for name in ("DATABASE_URL", "REDIS_URL", "DB_PASSWORD", "REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "local")
    with amazon(monkeypatch):
        yield secrets_manager()


@pytest.fixture
async def admin(postgres_server: Postgres) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(postgres_server.dsn("postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def database(
    postgres_server: Postgres,
    admin: asyncpg.Connection[Any],
    manager: SecretsManagerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Rotated]:
    user = f"app_{uuid4().hex[:12]}"
    await admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{OLD}'")
    arn = manager.create_secret(Name="database", SecretString=login(user, OLD))["ARN"]
    for name, value in {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(postgres_server.port),
        "DB_NAME": "postgres",
        "DB_SECRET_ARN": arn,
    }.items():
        monkeypatch.setenv(name, value)
    clock = ManualClock(datetime.now(UTC))
    container = Container(Settings.load(), clock)
    yield Rotated(container, clock, manager, arn, user)
    await container.close()
    await admin.execute(f"DROP ROLE {user}")


async def present_user(container: Container) -> str:
    async with container.connection() as connection:
        return str(await connection.fetchval("SELECT current_user"))


async def cut(admin: asyncpg.Connection[Any], user: str) -> None:
    """End every connection of a user, as a failover does."""
    await admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", user)
    await asyncio.sleep(0)  # the tick that every request begins with: what was closed is noticed


async def test_new_connections_use_the_password_of_a_rotation(
    database: Rotated, admin: asyncpg.Connection[Any]
) -> None:
    assert await present_user(database.container) == database.user

    await admin.execute(f"ALTER ROLE {database.user} PASSWORD '{NEW}'")
    database.put(NEW)
    still_open = await present_user(database.container)
    database.clock.advance(READ_AGAIN_SECONDS)
    await cut(admin, database.user)
    async with database.container.connection() as one, database.container.connection() as other:
        users = [await each.fetchval("SELECT current_user") for each in (one, other)]

    assert still_open == database.user
    assert users == [database.user] * 2


async def test_in_the_middle_of_a_rotation_the_database_counts_as_down_and_then_comes_back(
    database: Rotated, admin: asyncpg.Connection[Any]
) -> None:
    await admin.execute(f"ALTER ROLE {database.user} PASSWORD '{NEW}'")  # the secret is not there yet
    database.clock.advance(READ_AGAIN_SECONDS)

    with pytest.raises(Unavailable) as caught:
        await present_user(database.container)
    database.put(NEW)
    database.clock.advance(READ_AGAIN_SECONDS)
    after = await present_user(database.container)

    assert caught.value.code == "database_down"
    assert after == database.user


async def test_a_wrong_password_does_not_ask_for_the_secret_at_every_try(
    database: Rotated, admin: asyncpg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = 0
    read = database.container._rotation._read

    def counting(arn: str, stage: str) -> Any:
        nonlocal readings
        readings += 1
        return read(arn, stage)

    monkeypatch.setattr(database.container._rotation, "_read", counting)
    await admin.execute(f"ALTER ROLE {database.user} PASSWORD '{NEW}'")
    database.clock.advance(READ_AGAIN_SECONDS)

    for _ in range(5):
        with pytest.raises(Unavailable):
            await present_user(database.container)

    assert readings == 1


@pytest.mark.parametrize("kind", ["server", "cluster"])
async def test_new_connections_to_valkey_use_the_password_of_a_rotation(
    kind: str, request: pytest.FixtureRequest, manager: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Valkey = request.getfixturevalue("valkey_cluster" if kind == "cluster" else "valkey_server")
    parts = urlsplit(server.url)
    user = f"app-{uuid4().hex[:12]}"
    arn = manager.create_secret(Name="cache", SecretString=login(user, OLD))["ARN"]
    for name, value in {
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(parts.port),
        "REDIS_CLUSTER": str(kind == "cluster").lower(),
        "REDIS_SECRET_ARN": arn,
    }.items():
        monkeypatch.setenv(name, value)
    clock = ManualClock(datetime.now(UTC))

    with BlockingRedis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", user, "on", f">{OLD}", "~*", "&*", "+@all")
        container = Container(Settings.load(), clock)
        try:
            assert await container.valkey.set("a", b"1")
            admin.execute_command("ACL", "SETUSER", user, f"<{OLD}", f">{NEW}")
            manager.put_secret_value(SecretId=arn, SecretString=login(user, NEW))
            admin.client_kill_filter(user=user)
            clock.advance(READ_AGAIN_SECONDS)

            found = await container.valkey.get("a")
        finally:
            await container.close()
            admin.execute_command("ACL", "DELUSER", user)

    assert found == b"1"
