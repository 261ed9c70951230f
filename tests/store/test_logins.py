"""A process whose passwords are no longer taken ends, so that its successor is started with the present ones."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from fullon.runtime.container import Container
from fullon.runtime.logins import LoginRefused, watch
from fullon.runtime.settings import Settings
from local.ports import free_port
from local.stores.valkey import Valkey

OFTEN = 0.02
A_DAEMON = """
import asyncio
from fullon.runtime import daemon, logins

async def work(context):
    print("working", flush=True)
    await asyncio.Event().wait()

logins.CHECK_SECONDS = 0.2
daemon.run("ticker", work)
"""


async def settles(container: Container, seconds: float = 1.0) -> str:
    """What the watch says within a while; empty when it goes on."""
    try:
        async with asyncio.timeout(seconds):
            await watch(container, every=OFTEN)
    except TimeoutError:
        return ""
    except LoginRefused as refusal:
        return str(refusal)
    raise AssertionError("the watch ended by itself")


def started(**environment: str) -> subprocess.Popen[str]:
    """A daemon that works at nothing."""
    return subprocess.Popen(
        [sys.executable, "-c", A_DAEMON],
        env={**os.environ, "ENVIRONMENT": "local", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def with_password(url: str, password: str) -> SecretStr:
    parts = urlsplit(url)
    return SecretStr(parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl())


@pytest.fixture
async def role(platform_database: str) -> AsyncIterator[tuple[asyncpg.Connection[Any], str]]:
    """A login of its own for the platform database, and who may change it."""
    admin = await asyncpg.connect(platform_database)
    name = f"daemon_{uuid4().hex[:12]}"
    await admin.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'old'")
    parts = urlsplit(platform_database)
    yield admin, parts._replace(netloc=f"{name}:old@{parts.hostname}:{parts.port}").geturl()
    await admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", name)
    await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
    await admin.close()


async def test_logins_that_are_taken_are_no_news(settings: Settings) -> None:
    assert await settles(Container(settings)) == ""


async def test_a_database_that_refuses_the_login_is_named(settings: Settings) -> None:
    wrong = with_password(settings.platform_dsn(), "wrong")

    said = await settles(Container(settings.model_copy(update={"database_url": wrong})), 20)

    assert said == "PostgreSQL refuses the login that this process was started with"


async def test_a_valkey_that_refuses_the_login_is_named(settings: Settings, valkey_url: str) -> None:
    wrong = SecretStr(valkey_url.replace("test-password", "wrong"))

    said = await settles(Container(settings.model_copy(update={"redis_url": wrong})), 20)

    assert said == "Valkey refuses the login that this process was started with"


async def test_stores_that_are_away_are_waited_for(settings: Settings) -> None:
    nowhere = {
        "database_url": SecretStr(f"postgresql://a:b@127.0.0.1:{free_port()}/c"),
        "redis_url": SecretStr(f"redis://:b@127.0.0.1:{free_port()}/0"),
    }

    assert await settles(Container(settings.model_copy(update=nowhere))) == ""


async def test_a_process_that_reads_its_secrets_itself_is_left_alone(settings: Settings) -> None:
    wrong = {"database_url": with_password(settings.platform_dsn(), "wrong"), "jwt_secret_arn": "arn:of:a:key"}

    assert await settles(Container(settings.model_copy(update=wrong))) == ""


async def test_a_daemon_ends_after_a_rotation_so_that_a_new_one_is_started(
    role: tuple[asyncpg.Connection[Any], str], valkey_server: Valkey
) -> None:
    admin, address = role
    daemon = started(DATABASE_URL=address, REDIS_URL=valkey_server.url)
    try:
        assert daemon.stdout is not None
        lines = iter(daemon.stdout.readline, "")
        assert await asyncio.to_thread(lambda: any("working" in line for line in lines))

        await admin.execute(f"ALTER ROLE {urlsplit(address).username} PASSWORD 'new'")
        said = await asyncio.to_thread(lambda: "".join(lines))
        code = daemon.wait(30)
    finally:
        daemon.kill()

    assert code == 1
    assert "LoginRefused" in said
