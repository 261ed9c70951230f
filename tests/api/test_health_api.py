"""/health: alive and ready for anybody, the probes for admins; nothing is changed by looking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import fullon
from fullon.fleet import cache
from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.identity.model import Identity, Role
from fullon.market import keys
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.health.app import create
from local.ports import free_port
from tests.api.callers import client, stored_identity
from tests.api.fleet_platform import AWS_ENVIRONMENT, CRASHING, container_for, services_in
from tests.local.ecs_endpoint import CLUSTER, Endpoint, Fleet, until

HEALTHY = {"status": "healthy", "version": fullon.__version__}
PROBES = [
    "platform_database",
    "candle_database",
    "valkey",
    "migrations",
    "administrator",
    "container_service",
    "streams",
]
NAMES = [daemon.name for daemon in manifest.load().daemons]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Fleet]]:
    with services_in(tmp_path_factory.mktemp("ecs")) as platform:
        yield platform


@pytest.fixture
async def stores(
    settings: Settings, platform: tuple[Endpoint, Fleet], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Container]:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    stores = container_for(settings, platform[0].url)
    yield stores
    await stores.close()


@pytest.fixture
def app(stores: Container) -> FastAPI:
    return create(stores)


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app) as caller:
        yield caller


@pytest.fixture
async def admin(stores: Container) -> Identity:
    return await stored_identity(stores, Role.ADMIN)


@pytest.fixture
async def as_admin(app: FastAPI, admin: Identity) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app, admin) as caller:
        yield caller


async def test_anybody_learns_that_it_lives_and_is_ready_and_nothing_else(
    anonymous: httpx2.AsyncClient, admin: Identity
) -> None:
    for path in ("/health", "/health/", "/health/ready"):
        answer = await anonymous.get(path)

        assert (answer.status_code, answer.json()) == (200, HEALTHY)
        assert answer.headers["cache-control"] == "no-store"


async def test_it_is_ready_as_soon_as_an_administrator_can_log_in(
    anonymous: httpx2.AsyncClient, stores: Container
) -> None:
    await stored_identity(stores, Role.TRADER)
    early = await anonymous.get("/health/ready")
    await stored_identity(stores, Role.ADMIN)

    assert (early.status_code, early.json()["code"]) == (503, "not_ready")
    assert (await anonymous.get("/health/ready")).status_code == 200


async def test_the_probes_are_for_admins(anonymous: httpx2.AsyncClient, app: FastAPI, stores: Container) -> None:
    async with client(app, await stored_identity(stores, Role.TRADER)) as trader:
        for path in ("/health/deep", "/health/services"):
            assert (await anonymous.get(path)).status_code == 401
            assert (await trader.get(path)).status_code == 403


async def test_a_healthy_platform_shows_every_probe_with_its_latency(as_admin: httpx2.AsyncClient) -> None:
    answer = await as_admin.get("/health/deep")

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "healthy"
    assert [probe["name"] for probe in body["probes"]] == PROBES
    assert all(probe["healthy"] and probe["latency_ms"] > 0 and probe["detail"] is None for probe in body["probes"])
    assert [(each["service"], each["status"], each["healthy"]) for each in body["services"]] == [
        (name, "stopped", True) for name in NAMES
    ]
    assert body["queues"] == [{"name": "trades", "length": 0, "newest_age_ms": None, "lag_ms": None}]


async def test_a_database_behind_its_migrations_is_not_ready(
    anonymous: httpx2.AsyncClient, as_admin: httpx2.AsyncClient, platform_database: str
) -> None:
    connection = await asyncpg.connect(platform_database)
    await connection.execute("UPDATE alembic_version SET version_num = 'p0000'")

    ready = await anonymous.get("/health/ready")
    deep = await as_admin.get("/health/deep")

    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "p0000" not in ready.text
    assert (deep.status_code, deep.json()["code"]) == (503, "unhealthy")
    (sick,) = [probe for probe in deep.json()["probes"] if not probe["healthy"]]
    assert sick["name"] == "migrations"
    assert "is at p0000" in sick["detail"]
    await connection.execute("DROP TABLE alembic_version")
    assert (await anonymous.get("/health/ready")).status_code == 503
    await connection.close()


@pytest.mark.parametrize(
    ("setting", "probe"),
    [("redis_url", "valkey"), ("database_url", "platform_database"), ("db_ohlcv_name", "candle_database")],
)
async def test_a_store_that_is_away_makes_it_unready_and_never_unalive(
    stores: Container, setting: str, probe: str
) -> None:
    away = {
        "redis_url": f"redis://:hidden@127.0.0.1:{free_port()}/0",
        "database_url": f"postgresql://fullon:hidden@127.0.0.1:{free_port()}/fullon",
        "db_ohlcv_name": "not_there",
    }
    value = SecretStr(away[setting]) if setting.endswith("url") else away[setting]
    broken = Container(stores.settings.model_copy(update={setting: value}))
    async with client(create(broken)) as caller:
        ready = await caller.get("/health/ready")

        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert "hidden" not in ready.text
        assert probe not in ready.text
        assert (await caller.get("/health")).status_code == 200
    await broken.close()


async def test_deep_health_names_a_valkey_that_is_away(stores: Container, app: FastAPI, admin: Identity) -> None:
    async with client(app, admin) as caller:
        stores.valkey.connection_pool.connection_kwargs["port"] = free_port()
        await stores.valkey.connection_pool.disconnect()

        answer = await caller.get("/health/deep")

    assert answer.status_code == 503
    sick = {probe["name"] for probe in answer.json()["probes"] if not probe["healthy"]}
    assert sick == {"valkey", "streams"}
    assert "valkey" in answer.json()["detail"]


async def test_a_container_service_that_is_away_is_named(
    settings: Settings, stores: Container, admin: Identity
) -> None:
    elsewhere = container_for(settings, f"http://127.0.0.1:{free_port()}")
    async with client(create(elsewhere), admin) as caller:
        answer = await caller.get("/health/services")

        assert (answer.status_code, answer.json()["code"]) == (503, "unhealthy")
        assert answer.json()["probes"][0]["name"] == "container_service"
        assert answer.json()["services"] == []
    await elsewhere.close()


async def test_a_crashed_daemon_makes_the_services_unhealthy(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with services_in(tmp_path, CRASHING, "--first-delay", "0.01") as (endpoint, fleet):
        stores = container_for(settings, endpoint.url)
        async with client(create(stores), await stored_identity(stores, Role.ADMIN)) as caller:
            fleet.client.update_service(cluster=CLUSTER, service="ohlcv", desiredCount=1)
            until(lambda: "ALERT" in endpoint.log())

            answer = await caller.get("/health/services")

        assert answer.status_code == 503
        assert answer.json()["detail"] == "Something is not well: ohlcv."
        sick = {each["service"]: each["status"] for each in answer.json()["services"] if not each["healthy"]}
        assert sick == {"ohlcv": "crashed"}
        await stores.close()


async def test_the_lag_of_the_streamer_is_told_and_a_great_one_is_unhealthy(
    as_admin: httpx2.AsyncClient, stores: Container
) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    await stores.valkey.xadd(keys.TRADES_STREAM, {b"b": b"{}"}, id=f"{now}-0")
    await stores.valkey.set(keys.TRADES_READ, f"{now - 400}-0")

    (queue,) = (await as_admin.get("/health/deep")).json()["queues"]
    assert (queue["length"], queue["lag_ms"]) == (1, 400)
    assert queue["newest_age_ms"] >= 0

    await stores.valkey.set(keys.TRADES_READ, f"{now - 20_000}-0")
    answer = await as_admin.get("/health/deep")
    assert answer.status_code == 503
    assert "20000 ms behind" in answer.json()["probes"][-1]["detail"]


async def test_looking_changes_nothing(as_admin: httpx2.AsyncClient, stores: Container, platform_database: str) -> None:
    moment = datetime.now(UTC) - timedelta(hours=5)
    await cache.put(
        stores.valkey, ProcessRecord("ticker", "old", ProcessStatus.RUNNING, moment, moment, "0.1.0", "here")
    )
    await as_admin.get("/health/deep")  # keeps what it looked up about the caller, as any request does
    connection = await asyncpg.connect(platform_database)
    tables = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]

    async def snapshot() -> object:
        counts = [await connection.fetch(f'SELECT count(*), max(xmin::text) FROM "{table}"') for table in tables]
        keys_held = sorted([key async for key in stores.valkey.scan_iter()])
        return counts, keys_held, await stores.valkey.hgetall("processes:{ticker}")

    before = await snapshot()
    for path in ("/health", "/health/ready", "/health/services", "/health/deep"):
        await as_admin.get(path)

    assert await snapshot() == before
    await connection.close()
