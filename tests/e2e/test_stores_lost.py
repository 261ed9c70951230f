"""PostgreSQL and Valkey go away and come back while everything runs. The platform of these tests is their own."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import redis.asyncio as redis

from tests.e2e.platform import SupervisedPlatform, running_platform, until
from tests.e2e.test_sockets import ask, frames

pytestmark = pytest.mark.targets("run", reason="stops and kills the stores; the supervisor starts them again")


@pytest.fixture(scope="module")
def platform() -> Iterator[SupervisedPlatform]:
    with running_platform({"FULLON_PAPER_SPEED": "60"}) as platform:
        yield platform


@pytest.fixture
async def admin(platform: SupervisedPlatform) -> AsyncIterator[httpx2.AsyncClient]:
    async with platform.client(await platform.token()) as client:
        yield client


async def final_candles(client: httpx2.AsyncClient) -> list[str] | None:
    answer = await client.get("/api/v1/ohlcv/candles/paper/BTC/USDT/1m?limit=20")
    if answer.status_code != 200:
        return None
    return [item["time"] for item in answer.json()["items"] if item["final"]]


async def grows(client: httpx2.AsyncClient) -> None:
    """Wait until a newer final candle than the newest of now is served."""
    start: list[str] = await until(lambda: final_candles(client), 60, "candles served")

    async def newer() -> bool:
        times = await final_candles(client)
        return times is not None and times[-1] > start[-1]

    await until(newer, 60, "newer candles")


async def test_postgresql_stopped_and_started_is_a_clear_503_and_heals(
    collecting: SupervisedPlatform, admin: httpx2.AsyncClient
) -> None:
    before = await until(lambda: final_candles(admin), 60, "candles")
    server = collecting.child("postgres")

    server.send_signal(signal.SIGSTOP)  # no answer at all, as a host that is gone
    stalled = await admin.get("/api/v1/orm/exchanges/catalog")
    server.send_signal(signal.SIGCONT)
    server.kill()
    refused = await admin.get("/api/v1/orm/exchanges/catalog")

    assert stalled.status_code in (503, 504)
    assert stalled.headers["content-type"] == "application/problem+json"
    assert refused.status_code in (200, 503)
    await grows(admin)
    kept = await admin.get(f"/api/v1/ohlcv/candles/paper/BTC/USDT/1m/range?start_time={before[0]}&limit=20")
    assert [item["time"] for item in kept.json()["items"]][: len(before)] == before


async def test_valkey_flushed_and_killed_under_a_live_socket_is_rebuilt(
    collecting: SupervisedPlatform, admin: httpx2.AsyncClient
) -> None:
    secrets = json.loads(collecting.home.secrets.read_text())
    arguments = collecting.child("valkey").cmdline()
    async with collecting.socket(await collecting.token()) as socket:
        await ask(socket, action="subscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
        await frames(socket, 2, "tickers")

        async with redis.Redis(
            port=valkey_port(collecting), password=secrets["valkey_password"], socket_timeout=5
        ) as client:
            await client.flushall()
        await frames(socket, 3, "tickers")
        collecting.child("valkey").kill()
        await asyncio.sleep(3)
        await frames(socket, 3, "tickers")

    async def back() -> bool:
        return (await admin.get("/api/v1/cache/tickers/paper/BTC/USDT")).status_code == 200

    assert arguments
    await until(back, 90, "tickers in the cache again")
    await grows(admin)


def valkey_port(platform: SupervisedPlatform) -> int:
    return int(json.loads(platform.home.state.read_text())["ports"]["valkey"])
